"""`prefect-crm-erp connect`: set up a company's connections from variables, without typing secrets into a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from rich.console import Console

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.cli.connection_blocks import erp_of, integration_of
from prefect_crm_erp.cli.environment import LEDGER, SUBSIDIARIES, missing_variables, read_variables
from prefect_crm_erp.cli.save_blocks import save_integration
from prefect_crm_erp.cli.subsidiaries import FORM, describe_routing, propose_subsidiaries
from prefect_crm_erp.models.capabilities import SystemInfo
from prefect_crm_erp.models.errors import ConfigurationError, ConnectorError, TransientError
from prefect_crm_erp.models.records import DealSource

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def run_connect(name: str, *, env_file: Path | None, check: bool) -> None:
    """Read the variables, check the connections, and save the blocks under the name.

    Args:
        name: Name of the Integration block; what it refers to is named after it.
        env_file: File with variables; the environment wins over it.
        check: Whether to sign in to every system before anything is saved.

    Raises:
        ConfigurationError: Variables are missing or wrong, or a system refuses them; nothing was saved.
        TransientError: A system, or the Prefect server, does not answer.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name for blocks: use small letters, digits and dashes")
    out = Console(highlight=False, soft_wrap=True)
    values = read_variables(env_file)
    _require(missing_variables(values), values)
    with _prefect():
        saved = _saved(name)
    if saved is None and SUBSIDIARIES not in values:
        raise ConfigurationError(_no_subsidiaries(values, check))
    integration = integration_of(name, values, saved)
    if check:
        _check(integration, values, out)
    with _prefect():
        save_integration(name, integration)
    _tell(name, integration, out)


# -------------------------------------------------------------------- what is missing


def _require(missing: list[str], values: Mapping[str, str]) -> None:
    if missing:
        lacking = [*missing, *([] if SUBSIDIARIES in values else [f"{SUBSIDIARIES} ({FORM})"])]
        raise ConfigurationError(
            f"These variables are missing: {'; '.join(lacking)}. Set them in the environment or in an .env file; "
            ".env.example explains each"
        )


def _no_subsidiaries(values: Mapping[str, str], check: bool) -> str:
    """What to write, with the ERP's companies where it may be asked."""
    told = (
        f"The variable {SUBSIDIARIES} is missing: which legal entity takes the orders of which countries. There is "
        f"never a default, because an order in the wrong one costs more than a question. It is written as {FORM}"
    )
    if not check:
        return told
    erp = erp_of(values)
    line = propose_subsidiaries(erp.companies())
    return f"{told}\nFor the companies of {erp.system}, with the countries to be filled in:\n{SUBSIDIARIES}='{line}'"


# -------------------------------------------------------------------- check


def _check(integration: Integration, values: Mapping[str, str], out: Console) -> None:
    """Try everything, so that all that is wrong shows at once."""
    errors = []
    for step in _steps(integration, values, out):
        try:
            step()
        except ConnectorError as error:
            errors.append(error)
    if errors:
        reasons = dict.fromkeys(str(error) for error in errors)
        raise type(errors[0])("\n".join([*reasons, "Nothing was saved"]))


def _steps(integration: Integration, values: Mapping[str, str], out: Console) -> Iterator[Callable[[], None]]:
    yield partial(_check_crm, integration, out)
    for slot, erp in integration.erps().items():
        companies = [each.company for each in integration.routing.subsidiaries if each.erp is slot]
        yield partial(_check_erp, erp, companies, out)
    if LEDGER.keys() & values.keys():  # the default one is a file of the machine that runs the flows
        yield partial(_check_ledger, integration, out)


def _introduce(info: SystemInfo, out: Console) -> None:
    version = f", {info.version}" if info.version else ""
    out.print(f"Connected: {info.name}, as {info.user}{version}", markup=False)


def _check_crm(integration: Integration, out: Console) -> None:
    _introduce(integration.crm.check(), out)
    missing = integration.crm.missing_fields(DealSource.CLOSED_WON, integration.crm_fields())
    if missing:
        out.print(
            f"Before the first run: deploy the metadata package (deployments/salesforce), or give the user access; "
            f"missing in {integration.crm.system}: {', '.join(missing)}",
            markup=False,
        )


def _check_erp(erp: ERP, companies: list[str], out: Console) -> None:
    _introduce(erp.check(), out)
    for company in companies:
        erp.company(company)


def _check_ledger(integration: Integration, out: Console) -> None:
    integration.ledger.open().close()
    out.print("Connected: ledger")


# -------------------------------------------------------------------- Prefect


def _saved(name: str) -> Integration | None:
    try:
        return Integration.load(name)  # type: ignore[return-value]  # sync call
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        raise ConfigurationError(
            f"The saved block {name!r} cannot be read by this version; delete it, or take another name",
            system="Prefect",
        ) from None


@contextmanager
def _prefect() -> Iterator[None]:
    """Say which Prefect server does not answer, without what was sent to it."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise ConfigurationError(f"{_server()} answered HTTP {error.response.status_code}", system="Prefect") from None
    except httpx.HTTPError as error:
        raise TransientError(f"{_server()} does not answer ({type(error).__name__})", system="Prefect") from None


def _server() -> str:
    return str(PREFECT_API_URL.value() or "The server on this machine")


def _tell(name: str, integration: Integration, out: Console) -> None:
    out.print(f"Saved on {_server()}: the CRM-ERP Integration {name!r}", markup=False)
    for sentence in describe_routing(integration.routing):
        out.print(f"  {sentence}", markup=False)
