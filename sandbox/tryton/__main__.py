"""``python -m prefect_crm_erp.sandbox.tryton --state-dir DIR``: an ERP that runs until it is terminated."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from prefect_crm_erp.sandbox.tryton.errors import TrytonSandboxError
from prefect_crm_erp.sandbox.tryton.process import TrytonSandbox

# What shells report for a program that was stopped by Ctrl-C.
_INTERRUPTED = 130


def main() -> int:
    """Start the ERP, print how to reach it as one line of JSON, and wait for a signal."""
    arguments = _parse()
    # SIGTERM takes the way of Ctrl-C, so that both stop the server in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sandbox = TrytonSandbox(
        arguments.state_dir,
        empty=arguments.empty,
        port=arguments.port,
        cache_dir=arguments.cache_dir,
        progress=_report,
        reset=arguments.reset,
        approvals=arguments.approvals,
    )
    try:
        return _run(sandbox)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except TrytonSandboxError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


def _run(sandbox: TrytonSandbox) -> int:
    with sandbox:
        print(json.dumps(sandbox.access.to_json()), flush=True)  # noqa: T201 - what the program is for
        try:
            sandbox.wait()
        except KeyboardInterrupt:
            return 0
    return 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m prefect_crm_erp.sandbox.tryton", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="keeps the database across restarts")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0: any free one")
    parser.add_argument("--empty", action="store_true", help="companies only, no customers and no products")
    parser.add_argument("--reset", action="store_true", help="throw the existing database away")
    parser.add_argument("--approvals", action="store_true", help="let large orders and discounts wait for approval")
    parser.add_argument("--cache-dir", type=Path, help="where finished databases are kept")
    return parser.parse_args()


def _report(doing: str, fraction: float) -> None:
    print(f"{fraction:4.0%} {doing}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
