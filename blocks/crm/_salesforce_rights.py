"""What an org does not show to the integration's user, or does not let it write, in the words of a preflight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prefect_crm_erp.blocks.crm._salesforce_maps import SYNC_STATUSES
from prefect_crm_erp.blocks.crm._salesforce_schema import Schema

_STATUS = "ERP_Sync_Status__c"


def unseen(schema: Schema, object_name: str, paths: Iterable[str]) -> Iterator[str]:
    """Fields of an object that the user does not see: `Object.Field`, or `Object.*` where there is no object."""
    if not schema.has_object(object_name):
        yield f"{object_name}.*"
        return
    for path in paths:
        # The owner is a user or a queue, and has a name whichever it is.
        if path != "Owner.Name" and not schema.field(object_name, path):
            yield f"{object_name}.{path}"


def unwritable(schema: Schema, object_name: str, name: str) -> Iterator[str]:
    """A field that is missing or read-only; a restricted picklist lacks values that runs write."""
    field = schema.field(object_name, name)
    if field is None and schema.has_object(object_name):
        yield f"{object_name}.{name}"
    elif field and not field.updateable:
        yield f"{object_name}.{name} (read-only)"
    elif field and field.choices is not None and name == _STATUS:
        yield from (f"{object_name}.{name} = {value!r}" for value in SYNC_STATUSES if value not in field.choices)
