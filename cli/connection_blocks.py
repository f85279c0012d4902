"""Blocks made of variables; what the variables do not speak of stays as it was saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from prefect.blocks.core import Block
from pydantic import ValidationError

from prefect_crm_erp.blocks import Integration, Ledger, Salesforce, Tryton
from prefect_crm_erp.cli.environment import LEDGER, SALESFORCE, SUBSIDIARIES, TRYTON
from prefect_crm_erp.cli.subsidiaries import read_subsidiaries
from prefect_crm_erp.models.errors import ConfigurationError

B = TypeVar("B", bound=Block)


def integration_of(name: str, values: Mapping[str, str], saved: Integration | None) -> Integration:
    """The integration that the variables describe.

    Args:
        name: Name that the ledger keeps the state of a new one under.
        values: The variables; without subsidiaries only where `saved` has some.
        saved: What is saved under the name already. Its policies, and the fields of its connections that no variable
            stands for, are kept.

    Raises:
        ConfigurationError: A variable has a wrong value; the message names it.
    """
    parts: dict[str, Any] = {}
    if saved:
        parts = {field: getattr(saved, field) for field in Integration.model_fields}
    parts["crm"] = _block(Salesforce, SALESFORCE, values, parts.get("crm"))
    parts["erp"] = erp_of(values, parts.get("erp"))
    if "ledger" not in parts or LEDGER.keys() & values.keys():
        parts["ledger"] = _block(Ledger, LEDGER, values, parts.get("ledger"))
    if SUBSIDIARIES in values:
        routing = parts.get("routing")
        parts["routing"] = _named_like(routing, read_subsidiaries(values[SUBSIDIARIES], routing))
    parts.setdefault("ledger_name", name)
    try:
        return Integration(**parts)
    except ValidationError as error:
        raise ConfigurationError(f"{SUBSIDIARIES}: {_words(error, {})}") from None


def erp_of(values: Mapping[str, str], saved: Block | None = None) -> Tryton:
    """The connection to the ERP that the variables describe; the other fields as they were saved.

    Raises:
        ConfigurationError: A variable has a wrong value; the message names it.
    """
    return _block(Tryton, TRYTON, values, saved)


def _block(kind: type[B], variables: Mapping[str, str], values: Mapping[str, str], saved: Block | None) -> B:
    given = {field: _value(name, field, values[name]) for name, field in variables.items() if name in values}
    kept: dict[str, Any] = {}
    if isinstance(saved, kind):
        ours = {*variables.values(), "session_id"}
        kept = {field: getattr(saved, field) for field in kind.model_fields if field not in ours}
    try:
        return _named_like(saved, kind(**kept, **given))
    except ValidationError as error:
        raise ConfigurationError(_words(error, {field: name for name, field in variables.items()})) from None


def _named_like(saved: Block | None, block: B) -> B:
    """The block under the name of the one that it takes the place of, for all integrations that refer to that."""
    if isinstance(saved, type(block)):
        block._block_document_name = saved._block_document_name
    return block


def _value(name: str, field: str, text: str) -> str:
    """What a field takes: the text, a private key from its file, or the full path of a file."""
    if not name.endswith("_FILE"):
        return text
    path = Path(text).expanduser().absolute()
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: {path} cannot be read ({type(error).__name__})") from None
    return content if field == "private_key" else str(path)


def _words(error: ValidationError, variables: Mapping[str, str]) -> str:
    """What is wrong, by variable and without any value."""
    sentences = []
    for each in error.errors(include_input=False, include_context=False, include_url=False):
        field = str(each["loc"][0]) if each["loc"] else ""
        place = f"{variables[field]}: " if field in variables else ""
        sentences.append(place + each["msg"].removeprefix("Value error, "))
    return "; ".join(sentences)
