"""Payment status: what a customer owes right now, read from the ERPs while somebody is on the phone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.documents import Invoice
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.keys import is_salesforce_id, salesforce_id
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.tasks.document_kinds import INVOICES
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.extract import OVERLAP
from prefect_crm_erp.tasks.markdown import amount, link, table, text
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.report import artifact_key

SOURCE = "payment status"


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice or credit memo that is not settled.

    Attributes:
        invoice: As the ERP has it now; amounts in its own currency.
        url: Where a person opens it in the ERP.
        days_overdue: Days since its due date; 0 when that is not past.
    """

    invoice: Invoice
    url: str | None
    days_overdue: int


@dataclass(frozen=True, slots=True)
class PaymentPosition:
    """What a customer owes.

    Attributes:
        account: 18-character id of the CRM account.
        invoices: What is not settled, the oldest due date first.
        credit: Credit position by company, in the company's currency.
    """

    account: str
    invoices: tuple[OpenInvoice, ...]
    credit: tuple[tuple[str, CreditPosition], ...]

    @property
    def open_by_currency(self) -> dict[str, Decimal]:
        """Open balances by transaction currency."""
        return _sums(self.invoices)

    @property
    def overdue_by_currency(self) -> dict[str, Decimal]:
        """What of them is overdue, by transaction currency."""
        return _sums(each for each in self.invoices if each.days_overdue and each.invoice.balance > 0)

    def in_words(self) -> str:
        """The position as a sentence, for people."""
        if not self.invoices:
            return "Nothing is open"
        opened = ", ".join(amount(value, currency) for currency, value in sorted(self.open_by_currency.items()))
        overdue = ", ".join(amount(value, currency) for currency, value in sorted(self.overdue_by_currency.items()))
        return f"{len(self.invoices):,} open: {opened}; overdue: {overdue or 'nothing'}"


def _sums(invoices: Iterable[OpenInvoice]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for each in invoices:
        sums[each.invoice.currency] = sums.get(each.invoice.currency, ZERO) + each.invoice.balance
    return sums


@task(name="Ask for what is open", cache_policy=NO_CACHE, persist_result=False)
def ask_for_position(run: DocumentRun, account: str) -> PaymentPosition:
    """Read what an account's customers owe, in every ERP that it is a customer of.

    Args:
        run: A run that only reads.
        account: CRM id of the account (15 or 18 characters), or its customer number.

    Raises:
        ConfigurationError: There is no such account, or it is no customer.
        TransientError: An ERP does not answer: half an answer would be a wrong one.
    """
    key = _account_of(run, account)
    customers = {slot: references[0].erp_id for slot, references in _customers(run, key)}
    if not customers:
        raise ConfigurationError(f"The account {key} is no customer of the ERP yet, so that nothing is open")
    found = [each for slot, customer in customers.items() for each in _open_invoices(run, slot, customer, key)]
    credit = [each for slot, customer in customers.items() for each in _credit(run, slot, customer)]
    ordered = sorted(found, key=lambda each: (each.invoice.due_date or date.max, each.invoice.number or ""))
    return PaymentPosition(key, tuple(ordered), tuple(credit))


def _account_of(run: DocumentRun, text_: str) -> str:
    wanted = text_.strip()
    if is_salesforce_id(wanted):
        return salesforce_id(wanted)
    found = run.store.bound_by_number(CUSTOMER, [wanted]).get(wanted, [])
    if not found:
        raise ConfigurationError(f"{wanted!r} is neither a CRM id nor the number of a customer of this integration")
    return found[0].key


def _customers(run: DocumentRun, key: str) -> Iterator[tuple[ErpSlot, Sequence[CrossReference]]]:
    for slot in run.used_slots:
        references = run.store.bound(CUSTOMER, [key], slot.value).get(key)
        if references:
            yield slot, references


def _open_invoices(run: DocumentRun, slot: ErpSlot, customer: str, key: str) -> list[OpenInvoice]:
    """What the ledger knows to be open and what changed since it last looked, as the ERP has it this moment."""
    erp = run.erps[slot]
    known = run.store.documents(INVOICES.name, slot.value, run.store.documents_of(INVOICES.name, slot.value, key))
    ids = [erp_id for erp_id, each in known.items() if each.balance]
    watermark = run.store.watermark(run.stream(slot, INVOICES))
    since = Cursor(watermark.modified_at - OVERLAP) if watermark else None
    fresh = [each for page in erp.changes(Invoice, since) for each in page if each.customer_id == customer]
    invoices = {each.erp_id: each for each in [*erp.read(Invoice, ids), *fresh]}
    return [_open(run, slot, each) for each in invoices.values() if each.balance]


def _open(run: DocumentRun, slot: ErpSlot, invoice: Invoice) -> OpenInvoice:
    late = (run.today - invoice.due_date).days if invoice.due_date else 0
    return OpenInvoice(invoice, run.erps[slot].url(invoice), max(late, 0))


def _credit(run: DocumentRun, slot: ErpSlot, customer: str) -> list[tuple[str, CreditPosition]]:
    positions = [(company.name, run.erps[slot].credit([customer], company)) for company in run.companies_of(slot)]
    return [(name, found[customer]) for name, found in positions if customer in found]


# -------------------------------------------------------------------- for people


@task(name="Show the payment status", cache_policy=NO_CACHE, persist_result=False)
def show_position(run: DocumentRun, position: PaymentPosition) -> None:
    """Publish what is open as a table with links."""
    name = next((each.name for each in run.crm.accounts([position.account])), None) or position.account
    parts = [
        f"# {link(name, run.crm.url(position.account))}",
        f"**{text(position.in_words())}.**",
        _invoices_table(position),
        _credit_table(position),
    ]
    create_markdown_artifact(
        "\n\n".join(part for part in parts if part),
        key=artifact_key(SOURCE, "summary"),
        description=f"{name}: {position.in_words()}",
    )


def _invoices_table(position: PaymentPosition) -> str:
    rows = [
        [
            link(each.invoice.number or each.invoice.erp_id, each.url),
            text(each.invoice.type.value),
            each.invoice.date.isoformat(),
            each.invoice.due_date.isoformat() if each.invoice.due_date else "",
            f"{each.days_overdue}" if each.days_overdue else "",
            amount(each.invoice.total, each.invoice.currency),
            amount(each.invoice.balance, each.invoice.currency),
        ]
        for each in position.invoices
    ]
    head = ("Number", "Type", "Date", "Due", "Days overdue", "Total", "Open")
    return table(head, rows, right={4, 5, 6}) if rows else ""


def _credit_table(position: PaymentPosition) -> str:
    rows = [
        [
            text(company),
            amount(each.limit, each.currency) if each.limit is not None else "none",
            amount(each.used, each.currency),
            amount(each.outstanding, each.currency),
        ]
        for company, each in position.credit
    ]
    return table(("Company", "Credit limit", "Credit used", "Outstanding"), rows, right={1, 2, 3}) if rows else ""
