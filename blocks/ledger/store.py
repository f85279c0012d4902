"""The opened ledger, and one integration's view of it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from prefect_crm_erp.blocks.ledger.agreements import Agreements
from prefect_crm_erp.blocks.ledger.approvals import Approvals
from prefect_crm_erp.blocks.ledger.audit import Audit
from prefect_crm_erp.blocks.ledger.claims import Claims
from prefect_crm_erp.blocks.ledger.database import Database
from prefect_crm_erp.blocks.ledger.discrepancies import Discrepancies
from prefect_crm_erp.blocks.ledger.documents import Documents
from prefect_crm_erp.blocks.ledger.notices import Notices
from prefect_crm_erp.blocks.ledger.queues import Queues
from prefect_crm_erp.blocks.ledger.references import References
from prefect_crm_erp.blocks.ledger.runs import Runs
from prefect_crm_erp.blocks.ledger.sales import Sales
from prefect_crm_erp.blocks.ledger.watermarks import Watermarks


class LedgerStore(
    Runs,
    Claims,
    References,
    Agreements,
    Discrepancies,
    Documents,
    Sales,
    Approvals,
    Notices,
    Watermarks,
    Queues,
    Audit,
):
    """Sync state of one integration. May be used by several threads at once; every method is one transaction.

    Methods raise `TransientError` when the database does not answer, and `ValueError` for keys that no database could
    find again (empty, over 255 characters, with NUL).

    Example:
        ```python
        with ledger.open().for_integration("sandbox") as store:
            claimed = store.claim("order", keys, run_id, timedelta(minutes=5))
        ```
    """

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Whose it is and where, without the password."""
        return f"LedgerStore({self.integration!r}, {self.database!r})"

    def close(self) -> None:
        """Close the database's connections; a later call opens new ones."""
        self.database.close()


class LedgerDatabase(Database):
    """The opened ledger of all integrations that share its database."""

    def for_integration(self, name: str) -> LedgerStore:
        """One integration's view: its rows and no others.

        Args:
            name: Name of the integration; it must stay the same, or its state is not found again.
        """
        return LedgerStore(self, name)
