"""Documents: which of the ERPs' orders, deliveries, invoices and payments stand in the CRM, and with what figures.

What an account shows of its invoices is worked out from here: neither system is asked. Every change of an invoice is
counted for its account in the same transaction (see `sales`), so that no figure stays behind when a run dies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, or_, select, tuple_, update

from prefect_crm_erp.blocks.ledger.database import execute_many, insert
from prefect_crm_erp.blocks.ledger.entries import Document
from prefect_crm_erp.blocks.ledger.part import ROWS_PER_STATEMENT, Part, distinct, lists_of, values
from prefect_crm_erp.blocks.ledger.sales import INVOICE, count_change, forget_account
from prefect_crm_erp.blocks.ledger.tables import DocumentRow
from prefect_crm_erp.models.documents import InvoiceStatus, InvoiceType
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.sales import InvoiceFigures

_NAMES = tuple(member.name for member in fields(Document))
_STORED = (*_NAMES, "is_open")
_stored = attrgetter(*_STORED)
_COLUMNS = tuple(getattr(DocumentRow, name) for name in _NAMES)
_IDENTITY = ("integration", "kind", "erp", "erp_id")
_FIGURES = tuple(
    DocumentRow.company.label("company_id") if member.name == "company_id" else getattr(DocumentRow, member.name)
    for member in fields(InvoiceFigures)
)
_PLACE = (DocumentRow.account, DocumentRow.erp, DocumentRow.erp_id)
_AMOUNTS = ("untaxed", "balance", "company_untaxed", "company_balance")
_NEEDED = ("type", "status", "currency", "company_currency", "issued_on", *_AMOUNTS)
_ACCOUNTS_AT_ONCE = 100
"""Accounts of one query for figures: databases sort all their documents to give a page of them."""


class Documents(Part):
    """One entry for each document of an ERP connection; a later one replaces it."""

    def documents(self, kind: str, erp: str, erp_ids: Collection[str]) -> dict[str, Document]:
        """What is known of documents, by ERP id; those that were never saved are left out.

        Args:
            kind: What they are.
            erp: Name of the ERP connection.
            erp_ids: ERP ids, any number.
        """
        chosen = select(*_COLUMNS).where(*self._all(kind, erp))
        with self.database.reading() as connection:
            return {
                row.erp_id: Document(**values(row))
                for some in lists_of(erp_ids)
                for row in connection.execute(chosen.where(DocumentRow.erp_id.in_(some)))
            }

    def standing(self, kind: str, erp: str, erp_ids: Collection[str]) -> frozenset[str]:
        """Those of these documents that stand in the CRM.

        Args:
            kind: What they are.
            erp: Name of the ERP connection.
            erp_ids: ERP ids, any number.
        """
        chosen = select(DocumentRow.erp_id).where(*self._all(kind, erp), DocumentRow.fingerprint.is_not(None))
        with self.database.reading() as connection:
            return frozenset(
                erp_id
                for some in lists_of(erp_ids)
                for erp_id in connection.scalars(chosen.where(DocumentRow.erp_id.in_(some)))
            )

    def save_documents(self, documents: Iterable[Document]) -> None:
        """Note documents, all or none; of several with the same id the last one holds.

        Args:
            documents: Documents with all that is known of them, of any kind and ERP connection.

        Raises:
            ValueError: For an invoice without what the figures of its account need.
        """
        by_identity = {(each.kind, each.erp, each.erp_id): each for each in documents}
        chosen = [by_identity[identity] for identity in sorted(by_identity)]
        if not chosen:
            return
        invoices = [each for each in chosen if each.kind == INVOICE]
        _refuse_incomplete(invoices)
        with self.database.writing() as connection:
            before = self._accounts_before(connection, invoices)
            self._write_documents(connection, chosen, self.database.now(connection))
            count_change(connection, self.integration, [*before, *(each.account for each in invoices)])

    def drop_documents(self, kind: str, erp: str, erp_ids: Collection[str]) -> None:
        """Forget documents that are gone from the ERP and from the CRM.

        Args:
            kind: What they are.
            erp: Name of the ERP connection.
            erp_ids: ERP ids, any number; those that are not known are passed over.
        """
        with self.database.writing() as connection:
            accounts: set[str | None] = set()
            for some in lists_of(erp_ids):
                chosen = (*self._all(kind, erp), DocumentRow.erp_id.in_(some))
                accounts.update(connection.scalars(select(DocumentRow.account).where(*chosen).distinct()))
                connection.execute(delete(DocumentRow).where(*chosen))
            if kind == INVOICE:
                count_change(connection, self.integration, accounts)

    def count_documents(self, kind: str, erp: str) -> int:
        """How many documents of a kind an ERP connection has here, those that wait included."""
        with self.database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(DocumentRow).where(*self._all(kind, erp))) or 0

    def document_ids(
        self, kind: str, erp: str, page_size: int = 1000, *, waiting_only: bool = False
    ) -> Iterator[list[str]]:
        """ERP ids of all documents of a kind, in their order, page by page; pages may be dropped while they are read.

        Args:
            kind: What they are.
            erp: Name of the ERP connection.
            page_size: Ids of one page.
            waiting_only: Only documents that do not stand in the CRM.
        """
        chosen = select(DocumentRow.erp_id).where(*self._all(kind, erp))
        if waiting_only:
            chosen = chosen.where(DocumentRow.fingerprint.is_(None))
        ordered = further = chosen.order_by(DocumentRow.erp_id).limit(page_size)
        while True:
            with self.database.reading() as connection:
                page = list(connection.scalars(further))
            if not page:
                return
            yield page
            further = ordered.where(DocumentRow.erp_id > page[-1])

    def document_pages(self, kind: str, first: date, last: date, page_size: int = 1000) -> Iterator[list[Document]]:
        """Documents of a kind that were issued in a period, of all ERP connections, page by page.

        Args:
            kind: What they are.
            first: First day of the period.
            last: Last day of the period.
            page_size: Documents of one page.
        """
        mine = (DocumentRow.integration == self.integration, DocumentRow.kind == kind)
        chosen = select(*_COLUMNS).where(*mine, DocumentRow.issued_on.between(first, last))
        ordered = further = chosen.order_by(DocumentRow.erp, DocumentRow.erp_id).limit(page_size)
        while True:
            with self.database.reading() as connection:
                page = [Document(**values(row)) for row in connection.execute(further)]
            if not page:
                return
            yield page
            further = ordered.where(tuple_(DocumentRow.erp, DocumentRow.erp_id) > (page[-1].erp, page[-1].erp_id))

    def documents_of(self, kind: str, erp: str, key: str) -> list[str]:
        """ERP ids of the documents of a kind that an account or an opportunity has.

        Args:
            kind: What they are.
            erp: Name of the ERP connection.
            key: 18-character id of the account or opportunity.
        """
        hangs = or_(DocumentRow.account == key, DocumentRow.opportunity_id == key)
        chosen = select(DocumentRow.erp_id).where(*self._all(kind, erp), hangs).order_by(DocumentRow.erp_id)
        with self.database.reading() as connection:
            return list(connection.scalars(chosen))

    def opportunity_documents(self, kind: str, opportunities: Collection[str]) -> dict[str, list[Document]]:
        """All documents of a kind that hang on opportunities, of all ERP connections, the oldest first.

        Args:
            kind: What they are.
            opportunities: 18-character ids, any number.
        """
        mine = (DocumentRow.integration == self.integration, DocumentRow.kind == kind)
        chosen = select(*_COLUMNS).where(*mine).order_by(DocumentRow.issued_on, DocumentRow.erp, DocumentRow.erp_id)
        found: dict[str, list[Document]] = {}
        with self.database.reading() as connection:
            for some in lists_of(opportunities):
                for row in connection.execute(chosen.where(DocumentRow.opportunity_id.in_(some))):
                    found.setdefault(row.opportunity_id, []).append(Document(**values(row)))
        return found

    def move_documents(self, from_account: str, to_account: str | None) -> int:
        """Give the documents of an account to another one; the account itself is forgotten.

        Args:
            from_account: 18-character id of the CRM account that was merged away or deleted.
            to_account: The surviving account; None when there is none: the documents wait, and count as not written.

        Returns:
            How many documents, of all kinds and ERP connections.
        """
        if from_account == to_account:
            return 0
        mine = (DocumentRow.integration == self.integration, DocumentRow.account == from_account)
        moved = {"account": to_account} | ({} if to_account else {"fingerprint": None})
        with self.database.writing() as connection:
            invoices = connection.scalar(select(func.count()).where(*mine, DocumentRow.kind == INVOICE))
            found = connection.execute(update(DocumentRow).where(*mine).values(moved)).rowcount
            forget_account(connection, self.integration, from_account)
            count_change(connection, self.integration, [to_account] if invoices else [])
        return found

    def account_documents(self, accounts: Collection[str], page_size: int = 1000) -> Iterator[InvoiceFigures]:
        """What counts of all invoices and credit memos of these accounts, ordered by account; never more in memory
        than a page.

        What is saved meanwhile may come as it was or as it is, and is counted as a change of its account.

        Args:
            accounts: 18-character ids, any number.
            page_size: Documents that are read at once.
        """
        for some in chunks(distinct(accounts), _ACCOUNTS_AT_ONCE):
            for rows in self._invoice_pages(some, page_size):
                yield from (_figures(row) for row in rows)

    def _all(self, kind: str, erp: str) -> tuple[ColumnElement[bool], ...]:
        return DocumentRow.integration == self.integration, DocumentRow.kind == kind, DocumentRow.erp == erp

    def _accounts_before(self, connection: Connection, invoices: Sequence[Document]) -> set[str | None]:
        """The accounts that these invoices have so far: one that goes to another account changes the figures of two."""
        return {
            account
            for erp in {each.erp for each in invoices}
            for some in lists_of([each.erp_id for each in invoices if each.erp == erp])
            for account in connection.scalars(
                select(DocumentRow.account).where(*self._all(INVOICE, erp), DocumentRow.erp_id.in_(some)).distinct()
            )
        }

    def _write_documents(self, connection: Connection, documents: Sequence[Document], now: datetime) -> None:
        statement = insert(connection, DocumentRow)
        changed = {name.name: name for name in statement.excluded if name.name not in _IDENTITY}
        upsert = statement.on_conflict_do_update(index_elements=_IDENTITY, set_=changed)
        for some in chunks(documents, ROWS_PER_STATEMENT):
            rows = [(*_stored(each), self.integration, now) for each in some]
            execute_many(connection, upsert, (*_STORED, "integration", "written_at"), rows)

    def _invoice_pages(self, accounts: list[str], page_size: int) -> Iterator[Sequence[Row[Any]]]:
        mine = (DocumentRow.integration == self.integration, DocumentRow.kind == INVOICE)
        ordered = select(*_FIGURES).where(*mine).order_by(*_PLACE).limit(page_size)
        further = ordered
        while accounts:
            with self.database.reading() as connection:
                rows = connection.execute(further.where(DocumentRow.account.in_(accounts))).all()
            yield rows
            if len(rows) < page_size:
                return
            last = rows[-1]
            further = ordered.where(tuple_(*_PLACE) > (last.account, last.erp, last.erp_id))
            accounts = [account for account in accounts if account >= last.account]


def _refuse_incomplete(invoices: Iterable[Document]) -> None:
    for each in invoices:
        missing = [name for name in _NEEDED if getattr(each, name) is None]
        if missing:
            raise ValueError(f"The invoice {each.number or each.erp_id} has no {', '.join(missing)}")
        InvoiceType(str(each.type))
        InvoiceStatus(str(each.status))


def _figures(row: Row[Any]) -> InvoiceFigures:
    named = row._asdict()
    return InvoiceFigures(**named | {"type": InvoiceType(row.type), "status": InvoiceStatus(row.status)})
