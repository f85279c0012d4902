"""The variables that set up an integration, read from the environment and from an .env file."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from prefect_crm_erp.blocks import Salesforce
from prefect_crm_erp.models.errors import ConfigurationError

SALESFORCE = {
    "SALESFORCE_INSTANCE_URL": "instance_url",
    "SALESFORCE_USERNAME": "username",
    "SALESFORCE_PASSWORD": "password",
    "SALESFORCE_SECURITY_TOKEN": "security_token",
    "SALESFORCE_CONSUMER_KEY": "consumer_key",
    "SALESFORCE_CONSUMER_SECRET": "consumer_secret",
    "SALESFORCE_PRIVATE_KEY_FILE": "private_key",
    "SALESFORCE_API_VERSION": "api_version",
    "SALESFORCE_CURRENCY": "currency",
    "SALESFORCE_CA_FILE": "ca_file",
}
"""Variables of the CRM, and the fields of its block."""
TRYTON = {
    "TRYTON_SERVER_URL": "server_url",
    "TRYTON_DATABASE": "database",
    "TRYTON_USERNAME": "username",
    "TRYTON_PASSWORD": "password",
    "TRYTON_CA_FILE": "ca_file",
}
"""Variables of the ERP, and the fields of its block."""
LEDGER = {"LEDGER_URL": "url"}
"""Variables of the ledger, and the fields of its block."""
SUBSIDIARIES = "SUBSIDIARIES"
"""Variable of the legal entities."""

DEFAULT_FILE = Path(".env")
_REQUIRED = ("SALESFORCE_INSTANCE_URL", "TRYTON_SERVER_URL", "TRYTON_DATABASE", "TRYTON_USERNAME", "TRYTON_PASSWORD")
_KNOWN = (*SALESFORCE, *TRYTON, *LEDGER, SUBSIDIARIES)
_PREFIXES = ("SALESFORCE_", "TRYTON_", "LEDGER_", "SUBSIDIAR")
_SIGN_IN = {"username", "password", "consumer_key", "consumer_secret", "private_key"}
_WAYS = (
    "a way to sign in to Salesforce: SALESFORCE_CONSUMER_KEY and SALESFORCE_CONSUMER_SECRET, or "
    "SALESFORCE_CONSUMER_KEY, SALESFORCE_PRIVATE_KEY_FILE and SALESFORCE_USERNAME, or "
    "SALESFORCE_USERNAME, SALESFORCE_PASSWORD and SALESFORCE_SECURITY_TOKEN"
)


def read_variables(env_file: Path | None) -> dict[str, str]:
    """The variables that have a value; the environment wins over the file.

    Args:
        env_file: The file; when None, the file `.env` of the current folder if there is one.

    Raises:
        ConfigurationError: The file cannot be read, or has a variable of ours that does not exist.
    """
    written = _read_file(env_file or DEFAULT_FILE) if env_file or DEFAULT_FILE.exists() else {}
    unknown = [name for name in written if name.startswith(_PREFIXES) and name not in _KNOWN]
    if unknown:
        raise ConfigurationError(f"No such variable: {', '.join(_with_suggestion(name) for name in unknown)}")
    return _filled(written) | _filled(os.environ)


def missing_variables(values: Mapping[str, str]) -> list[str]:
    """What must be given and is not, the subsidiaries left aside.

    Raises:
        ConfigurationError: Two ways to sign in to Salesforce are given.
    """
    lacking = [name for name in _REQUIRED if name not in values]
    filled = {field for name, field in SALESFORCE.items() if name in values}
    if not filled & _SIGN_IN:
        return [*lacking, _WAYS]
    return lacking + [name for name in _needed_to_sign_in(filled) if name not in values]


def _needed_to_sign_in(filled: Collection[str]) -> list[str]:
    try:
        _, needed = Salesforce.way_to_sign_in(filled)
    except ValueError as error:
        raise ConfigurationError(str(error), system=Salesforce.system) from None
    return [name for name, field in SALESFORCE.items() if field in needed]


def _read_file(path: Path) -> dict[str, str | None]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not a text file in UTF-8") from None
    wrong = [str(each.original.line) for each in parse_stream(StringIO(text)) if each.error]
    if wrong:
        raise ConfigurationError(f"{path}, line {', '.join(wrong)}: not NAME=VALUE, or a quote that is not closed")
    # What looks like a reference, ${…}, may be part of a password: values are taken as they are written.
    return dotenv_values(stream=StringIO(text), interpolate=False)


def _filled(values: Mapping[str, str | None]) -> dict[str, str]:
    """Our variables; an empty one is none."""
    return {name: value for name in _KNOWN if (value := values.get(name)) and value.strip()}


def _with_suggestion(name: str) -> str:
    alike = get_close_matches(name, _KNOWN, n=1)
    return f"{name} (is it {alike[0]}?)" if alike else name
