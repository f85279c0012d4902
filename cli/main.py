"""`prefect-crm-erp`: the command line."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

app = typer.Typer(
    name="prefect-crm-erp",
    help="Join a CRM to the ERPs behind it: quote-to-order on Prefect, exact to the cent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)

StateDir = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps the systems' data; without it a temporary one, deleted at the end."),
]


@app.command()
def demo(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end instead of tables.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running to click through.")] = False,
    state_dir: StateDir = None,
) -> None:
    """Run quote-to-order on a Salesforce sandbox, a real Tryton ERP and a Prefect server of its own."""
    _need_sandbox_extra()
    from prefect_crm_erp.cli.demo import run_demo

    run_demo(as_json=json, keep=keep, state_dir=state_dir)


@app.command()
def sandbox(
    empty: Annotated[bool, typer.Option("--empty", help="Schema and companies only, no records.")] = False,
    salesforce_port: Annotated[
        int, typer.Option(help="Port of the Salesforce sandbox (http); 0 for any free one.")
    ] = 0,
    erp_port: Annotated[int, typer.Option(help="Port of Tryton; 0 for any free one.")] = 0,
    state_dir: StateDir = None,
    save_blocks: Annotated[
        str | None,
        typer.Option(help="Save the Integration block, and all it needs, under this name on the Prefect server."),
    ] = None,
) -> None:
    """Start a Salesforce sandbox and a real Tryton ERP, print one line of JSON, and run until terminated."""
    _need_sandbox_extra()
    from prefect_crm_erp.cli.sandbox import run_sandbox

    run_sandbox(
        empty=empty, salesforce_port=salesforce_port, erp_port=erp_port, state_dir=state_dir, save_blocks=save_blocks
    )


@app.command()
def connect(
    name: Annotated[str, typer.Argument(help="Name of the Integration block; a deployment refers to it.")],
    env_file: Annotated[
        Path | None,
        typer.Option(help="File with variables instead of .env in this folder; the environment wins."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Sign in to every system before anything is saved.")
    ] = True,
) -> None:
    """Save a company's connections on the Prefect server, from variables (see .env.example)."""
    # Prefect reads .env, too, when it is imported; what is wrong in it is said once, by us.
    logging.getLogger("dotenv").setLevel(logging.ERROR)
    from prefect_crm_erp.cli.connect import run_connect

    run_connect(name, env_file=env_file, check=check)


def main() -> None:
    """Entry point of the console command: a clear sentence instead of a stack trace, and an orderly end."""
    # Shells start background jobs with SIGINT ignored; the systems that were started must end all the same.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _terminate)
    try:
        app()
    except KeyboardInterrupt:
        errors.print("Stopped.")
        sys.exit(130)
    except Exception as error:
        if not _is_expected(error):
            raise
        errors.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _is_expected(error: Exception) -> bool:
    from prefect_crm_erp.models.errors import ConnectorError

    return isinstance(error, ConnectorError) or type(error).__name__.endswith("SandboxError")


def _need_sandbox_extra() -> None:
    try:
        import lark  # noqa: F401
        import trytond  # noqa: F401
    except ImportError:
        errors.print("The sandbox needs the extra `sandbox`: pip install 'prefect-crm-erp\\[sandbox]'")
        raise typer.Exit(2) from None


if __name__ == "__main__":
    main()
