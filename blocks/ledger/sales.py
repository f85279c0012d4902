"""Sales: what accounts show of their invoices, and which of them show what does not hold any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, or_, select, update

from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.entries import ShownSales
from prefect_crm_erp.blocks.ledger.part import Part, distinct, lists_of
from prefect_crm_erp.blocks.ledger.tables import AccountSalesRow, DocumentRow
from prefect_crm_erp.models.records import AccountSales

INVOICE = "invoice"
"""The kind of the documents that figures are worked out from; credit memos are of this kind, too."""
_COLUMNS = (AccountSalesRow.account, AccountSalesRow.changes, AccountSalesRow.sales)


class Sales(Part):
    """What accounts show of their invoices.

    Changes are counted and not timed: what is shown takes in the changes that were counted before the documents were
    read, and one that is stored in between is never lost, however long its transaction took.

    Example:
        ```python
        for page in store.outdated_sales(today, years_began):
            accounts = {each.account: each for each in page}
            for account, invoices in by_account(accounts, store.account_documents(accounts)):
                ...
            store.note_sales(run_id, today, written)
        ```
    """

    def outdated_sales(self, today: date, years_began: date, page_size: int = 200) -> Iterator[list[ShownSales]]:
        """Accounts whose figures are to be worked out anew, in their order, page by page.

        These are the accounts whose invoices have changed, were dropped or moved; those that have an open document past
        its due date, once a day, since the days move by themselves; and all, once, when a fiscal year begins.

        Args:
            today: The day that due dates are compared with.
            years_began: First day of the fiscal year that began last, among all companies.
            page_size: Accounts of one page.
        """
        chosen = select(*_COLUMNS).where(AccountSalesRow.integration == self.integration)
        chosen = chosen.where(self._is_outdated(today, years_began))
        ordered = further = chosen.order_by(AccountSalesRow.account).limit(page_size)
        while True:
            with self.database.reading() as connection:
                page = [_shown(row) for row in connection.execute(further)]
            if not page:
                return
            yield page
            further = ordered.where(AccountSalesRow.account > page[-1].account)

    def shown_sales(self, accounts: Collection[str]) -> dict[str, ShownSales]:
        """What accounts show, by account; those that never had an invoice are left out.

        Args:
            accounts: 18-character ids, any number.
        """
        chosen = select(*_COLUMNS).where(AccountSalesRow.integration == self.integration)
        with self.database.reading() as connection:
            return {
                row.account: _shown(row)
                for some in lists_of(accounts)
                for row in connection.execute(chosen.where(AccountSalesRow.account.in_(some)))
            }

    def note_sales(self, run_id: str, today: date, shown: Iterable[ShownSales]) -> None:
        """Note what accounts show now. An account that was forgotten meanwhile stays forgotten.

        Args:
            run_id: The run that worked it out.
            today: The day that it was worked out for.
            shown: Each with the `changes` that the ledger gave before the documents were read.
        """
        by_account = {each.account: each for each in shown}
        if not by_account:
            return
        statement = (
            update(AccountSalesRow)
            .where(AccountSalesRow.integration == self.integration, AccountSalesRow.account == bindparam("of_account"))
            .values(sales=bindparam("new_sales"), shown_changes=bindparam("taken_in"), shown_on=today, run_id=run_id)
        )
        with self.database.writing() as connection:
            connection.execute(statement, [_noted(by_account[account]) for account in sorted(by_account)])

    def _is_outdated(self, today: date, years_began: date) -> ColumnElement[bool]:
        with_overdue = select(DocumentRow.account).where(
            DocumentRow.integration == self.integration,
            DocumentRow.is_open,
            DocumentRow.due_date < today,
            DocumentRow.kind == INVOICE,
            DocumentRow.account.is_not(None),
        )
        return or_(
            AccountSalesRow.shown_changes.is_(None),
            AccountSalesRow.shown_changes != AccountSalesRow.changes,
            AccountSalesRow.shown_on < years_began,
            and_(AccountSalesRow.shown_on < today, AccountSalesRow.account.in_(with_overdue)),
        )


def count_change(connection: Connection, integration: str, accounts: Iterable[str | None]) -> None:
    """Count a change of the documents of these accounts, in the transaction that makes it."""
    keys = distinct(account for account in accounts if account is not None)
    if not keys:
        return
    statement = insert(connection, AccountSalesRow)
    counted = {"changes": AccountSalesRow.changes + 1}
    upsert = statement.on_conflict_do_update(index_elements=["integration", "account"], set_=counted)
    connection.execute(upsert, [{"integration": integration, "account": key, "changes": 1} for key in keys])


def forget_account(connection: Connection, integration: str, account: str) -> None:
    """Forget what an account shows that is not there any more."""
    mine = (AccountSalesRow.integration == integration, AccountSalesRow.account == account)
    connection.execute(delete(AccountSalesRow).where(*mine))


def _shown(row: Row[Any]) -> ShownSales:
    sales = None if row.sales is None else AccountSales.model_validate(row.sales)
    return ShownSales(row.account, row.changes, sales)


def _noted(shown: ShownSales) -> dict[str, Any]:
    sales = None if shown.sales is None else shown.sales.model_dump(mode="json")
    return {"of_account": shown.account, "taken_in": shown.changes, "new_sales": sales}
