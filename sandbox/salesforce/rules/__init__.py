"""Business rules: what Salesforce does with a row beyond storing it."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.rules.base import Rules

_RULES: dict[str, Rules] = {}
_NONE = Rules()


def rules_of(object_name: str) -> Rules:
    """The rules of an object type, by its canonical name."""
    return _RULES.get(object_name, _NONE)
