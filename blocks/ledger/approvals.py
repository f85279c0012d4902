"""Approvals: which orders wait for one, and how long those took that were given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime

from sqlalchemy import select

from prefect_crm_erp.blocks.ledger.entries import Document
from prefect_crm_erp.blocks.ledger.part import Part, values
from prefect_crm_erp.blocks.ledger.tables import DocumentRow
from prefect_crm_erp.models.approvals import Approval, Origin
from prefect_crm_erp.models.records import OrderStatus

ORDER = "order"
"""The kind of the documents that are approved."""
_COLUMNS = tuple(getattr(DocumentRow, member.name) for member in fields(Document))
_ROWS_AT_ONCE = 1000


class Approvals(Part):
    """What the ledger's orders say of approvals, as they were when they were last read."""

    def waiting_orders(self) -> list[Document]:
        """Orders that wait for an approval, the longest first; of all ERP connections, copied to the CRM or not."""
        mine = (DocumentRow.integration == self.integration, DocumentRow.kind == ORDER)
        chosen = select(*_COLUMNS).where(*mine, DocumentRow.status == OrderStatus.PENDING_APPROVAL.value)
        ordered = chosen.order_by(DocumentRow.submitted_at, DocumentRow.erp, DocumentRow.erp_id)
        with self.database.reading() as connection:
            return [Document(**values(row)) for row in connection.execute(ordered)]

    def approvals(self, since: datetime) -> Iterator[Approval]:
        """Orders that were approved since a time; those of which it is not known when they were submitted are left out.

        Args:
            since: Aware time.
        """
        columns = (
            DocumentRow.erp,
            DocumentRow.company,
            DocumentRow.order_keys,
            DocumentRow.submitted_at,
            DocumentRow.approved_at,
        )
        mine = (DocumentRow.integration == self.integration, DocumentRow.kind == ORDER)
        timed = (DocumentRow.submitted_at.is_not(None), DocumentRow.approved_at >= since)
        with self.database.reading() as connection:
            found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(*columns).where(*mine, *timed))
            for row in found:
                origin = Origin.CRM if row.order_keys else Origin.ERP
                yield Approval(row.erp, row.company, origin, row.submitted_at, row.approved_at)
