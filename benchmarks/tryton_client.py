"""Reading Tryton with a client that is not the connector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from benchmarks.common import Dates
from prefect_crm_erp.sandbox.tryton import TrytonAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

_ROWS_PER_CALL: Final = 2000

Row = dict[str, Any]


class TrytonReader:
    """Tryton's records, read by the integration's user.

    Args:
        access: How to reach Tryton.
    """

    def __init__(self, access: TrytonAccess) -> None:
        self.access = access

    def rows(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> list[Row]:
        """All records of a model that fit, by id."""
        access = self.access
        found: list[Row] = []
        with TrytonRpc(access.url, access.database, access.user, access.password) as rpc:
            while len(found) % _ROWS_PER_CALL == 0:
                after = [("id", ">", found[-1]["id"])] if found else []
                page = [*domain, *after], 0, _ROWS_PER_CALL, [["id", "ASC"]], fields, {}
                rows = rpc(f"model.{model}.search_read", *page)
                found += rows
                if not rows:
                    break
        return found

    def dates(self, models: Sequence[str]) -> Dates:
        """When each record was created and last changed, by model and id."""
        return {
            (model, str(row["id"])): f"{row['create_date']} {row['write_date']}"
            for model in models
            for row in self.rows(model, [], ["create_date", "write_date"])
        }
