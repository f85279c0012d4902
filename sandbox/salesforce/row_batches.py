"""Rows saved together: those of a collection, or a chunk of a bulk job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, MultipleMatches, RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.rows import Saved
from prefect_crm_erp.sandbox.salesforce.wire import Call

ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)

SaveRow = Callable[[Any], Saved]
Outcome = Saved | list[RowError]


class _RollBack(Exception):
    """Undoes a batch of which a row failed."""


def save_rows(
    call: Call, items: Sequence[Any], save: SaveRow, all_or_none: bool, first_index: int = 0
) -> list[Outcome]:
    """Save rows one after the other; one that fails leaves the others alone, unless all or none is asked for.

    Args:
        call: The request; its fault rule may make rows fail.
        items: What `save` gets, row by row.
        save: Saves one row.
        all_or_none: Undo everything when one fails.
        first_index: Position of the first row in the whole, as a fault rule counts.

    Returns:
        For each row what was saved, or why it was not.
    """
    outcomes: list[Outcome] = []
    try:
        with call.state.org.transaction():
            outcomes = [_save_row(call, index, item, save) for index, item in enumerate(items, first_index)]
            if all_or_none and any(isinstance(outcome, list) for outcome in outcomes):
                raise _RollBack
    except _RollBack:
        return [outcome if isinstance(outcome, list) else [ROLLED_BACK] for outcome in outcomes]
    return outcomes


def _save_row(call: Call, index: int, item: Any, save: SaveRow) -> Outcome:
    ordered = call.rows_to_fail.error_at(index) if call.rows_to_fail is not None else None
    if ordered is not None:
        return [ordered]
    try:
        with call.state.org.transaction():
            return save(item)
    except (ApiError, RowRejected, MultipleMatches) as error:
        return [_in_batch(reason) for reason in rows.row_errors(error)]


def _in_batch(error: RowError) -> RowError:
    """A path that leads nowhere is NOT_FOUND; the same id inside a batch has another name."""
    if error.code != "NOT_FOUND":
        return error
    return replace(error, code="INVALID_CROSS_REFERENCE_KEY", message="invalid cross reference id")


def repeated_keys(values: Iterable[Any]) -> frozenset[str]:
    """External ids that stand in more than one row of a batch, in lower case."""
    counts = Counter(str(value).lower() for value in values if value not in (None, ""))
    return frozenset(value for value, count in counts.items() if count > 1)


def check_not_repeated(value: Any, repeated: Collection[str]) -> None:
    """Refuse a row whose external id is also another row's: Salesforce takes neither.

    Raises:
        RowRejected: DUPLICATE_VALUE.
    """
    if str(value).lower() in repeated:
        raise RowRejected.of("DUPLICATE_VALUE", f"Duplicate external id specified: {value}")
