"""Payments from the field: booked at their invoice as a clerk books them, or on the customer's account.

The move that books a payment has the CRM's id in its description, by which it is found again. Tryton books and
reconciles a payment of an invoice in one transaction; one on account is a draft for the moment between two calls, and
is posted then or when it is found.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_documents import INVOICE, MONEY_JOURNALS, MOVE
from prefect_crm_erp.blocks.erp._tryton_references import References
from prefect_crm_erp.blocks.erp._tryton_rpc import SYSTEM, Database, Domain, Row
from prefect_crm_erp.blocks.erp._tryton_writing import after_write
from prefect_crm_erp.models.errors import MissingReferenceError, RecordError, RejectedRecordError
from prefect_crm_erp.models.field_entries import PaymentEntry
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.outcomes import Rejected, WriteResult, Written
from prefect_crm_erp.models.records import Company

_METHOD = "account.invoice.payment.method"
_PAY = "account.invoice.pay"
_MONEY = ("journal.type", "in", list(MONEY_JOURNALS))
# A move that takes a payment back has that one as its origin, and may have its description.
_NO_REVERSAL = ["OR", ("origin", "=", None), ("origin", "not like", f"{MOVE},%")]
_KEYS_PER_SEARCH = 50
_KEY = re.compile(r"\[(\w{18})\]$")
_ZERO = Decimal(0)


class FieldPayments:
    """The payments from the field of a connection.

    Args:
        database: The connection.
        references: Its lookups.
    """

    def __init__(self, database: Database, references: References) -> None:
        self._database = database
        self._references = references

    # ------------------------------------------------------------------ reading

    def find(self, keys: Collection[str], company: int | None) -> dict[str, list[PaymentEntry]]:
        """Payments by the CRM's id, drafts too, and those that were taken back since."""
        found: dict[str, list[PaymentEntry]] = {}
        for move in self._moves(keys, company):
            entry = _entry(move)
            found.setdefault(entry.key, []).append(entry)
        return found

    def _moves(self, keys: Collection[str], company: int | None) -> list[Row]:
        rows: list[Row] = []
        for chunk in chunks(dict.fromkeys(keys), _KEYS_PER_SEARCH):
            domain: Domain = [_MONEY, _NO_REVERSAL, ["OR", *map(_is_of, chunk)]]
            domain += [("company", "=", company)] if company is not None else []
            fields = ["number", "state", "date", "description", "company.currency.code"]
            rows += self._database.search(MOVE, domain, [*fields, "lines.party", "lines.debit"], company=company)
        return rows

    # ------------------------------------------------------------------ writing

    def create(self, entries: Sequence[PaymentEntry], company: Company) -> list[WriteResult[PaymentEntry]]:
        """Book payments one by one, each wholly or not at all."""
        errors: dict[str, RecordError] = {}
        for entry in entries:
            try:
                self._book(entry, company)
            except RecordError as error:
                errors[entry.key] = error
        booked = [entry.key for entry in entries if entry.key not in errors]
        found = after_write(lambda: self.find(booked, int(company.id))) if booked else {}
        return [self._result(entry, found, errors) for entry in entries]

    def update(self, entries: Sequence[PaymentEntry], company: Company) -> list[WriteResult[PaymentEntry]]:
        """Post what was left as a draft; a posted payment stays as it is."""
        number = int(company.id)
        drafts = [
            move["id"] for move in self._moves([each.key for each in entries], number) if move["state"] == "draft"
        ]
        if drafts:
            self._database.press(MOVE, "post", drafts, number)
        found = after_write(lambda: self.find([each.key for each in entries], number))
        return [Written(found[each.key][0] if each.key in found else each, created=False) for each in entries]

    @staticmethod
    def _result(
        entry: PaymentEntry, found: dict[str, list[PaymentEntry]], errors: dict[str, RecordError]
    ) -> WriteResult[PaymentEntry]:
        if entry.key in errors:
            return Rejected(entry, errors[entry.key])
        if entry.key not in found:
            message = "Tryton has taken the payment, and does not show it to the integration's user"
            return Rejected(entry, RejectedRecordError(message, system=SYSTEM))
        return Written(entry.model_copy(update=found[entry.key][0].model_dump(include={"erp_id", "number"})))

    def _book(self, entry: PaymentEntry, company: Company) -> None:
        if entry.invoice_id is not None:
            self._pay_invoice(entry, int(entry.invoice_id), company)
        else:
            self._book_on_account(entry, company)

    # ------------------------------------------------------------------ at an invoice

    def _pay_invoice(self, entry: PaymentEntry, invoice: int, company: Company) -> None:
        """Go through Tryton's own wizard; it books and reconciles in its last step."""
        number = int(company.id)
        rows = self._database.read(INVOICE, [invoice], ["party"], number)
        if not rows:
            raise MissingReferenceError(f"Tryton has no invoice with id {invoice} any more", system=SYSTEM)
        start = {
            "payee": rows[0]["party"],
            "payees": [rows[0]["party"]],
            "amount": entry.amount,
            "currency": self._currency(entry.currency),
            "company": number,
            "payment_method": self._method(entry, number)["id"],
            "date": entry.date,
            "description": _description(entry),
            "invoice_account": None,
        }
        active = {"active_model": INVOICE, "active_id": invoice, "active_ids": [invoice]}
        self._go_through(self._database.context(number) | active, start)

    def _go_through(self, context: dict[str, Any], start: Row) -> None:
        call = self._database.rpc.call
        session = call(f"wizard.{_PAY}.create", context=context)[0]
        try:
            answer = call(f"wizard.{_PAY}.execute", session, {"start": start}, "choice", context=context, writes=True)
            if answer.get("view"):
                asked = {name: value for name, value in answer["view"]["defaults"].items() if not name.endswith(".")}
                pages = {"start": start, "ask": asked | {"type": "partial"}}
                call(f"wizard.{_PAY}.execute", session, pages, "pay", context=context, writes=True)
        finally:
            call(f"wizard.{_PAY}.delete", session, context=context)

    # ------------------------------------------------------------------ on account

    def _book_on_account(self, entry: PaymentEntry, company: Company) -> None:
        if entry.currency != company.currency:
            message = f"{company.name} books payments on account in {company.currency}; name the invoice that is paid"
            raise RejectedRecordError(message, system=SYSTEM, fields=("currency",))
        number = int(company.id)
        method = self._method(entry, number)
        debit = {"account": method["debit_account"]["id"], "debit": entry.amount, "credit": _ZERO}
        credit = {"account": self._receivable(entry, number), "party": int(entry.customer_id)}
        values = {
            "company": number,
            "journal": method["journal"]["id"],
            "date": entry.date,
            "period": self._period(entry, number),
            "description": _description(entry),
            "lines": [("create", [debit, credit | {"debit": _ZERO, "credit": entry.amount}])],
        }
        move = self._database.create(MOVE, [values], number)
        self._database.press(MOVE, "post", move, number)

    def _receivable(self, entry: PaymentEntry, company: int) -> int:
        """The account that the customer owes on: its own, or the company's."""
        rows = self._database.read("party.party", [int(entry.customer_id)], ["account_receivable"], company)
        if not rows:
            raise MissingReferenceError(f"Tryton has no customer {entry.customer_id} any more", system=SYSTEM)
        usual = "default_account_receivable"
        settings = self._database.first("account.configuration", [], [usual], 1, company=company)
        account = rows[0]["account_receivable"] or (settings and settings[0][usual])
        if not account:
            raise RejectedRecordError("The company has no account for receivables in Tryton", system=SYSTEM)
        return int(account)

    def _period(self, entry: PaymentEntry, company: int) -> int:
        days: Domain = [("start_date", "<=", entry.date), ("end_date", ">=", entry.date), ("type", "=", "standard")]
        domain = [*days, ("state", "=", "open"), ("company", "=", company)]
        rows = self._database.first("account.period", domain, [], 1, company=company)
        if not rows:
            raise RejectedRecordError(f"The books are not open for {entry.date}", system=SYSTEM, fields=("date",))
        return int(rows[0]["id"])

    # ------------------------------------------------------------------ what both need

    def _method(self, entry: PaymentEntry, company: int) -> Row:
        """The company's payment method with the name that the CRM gives, or else its only one."""
        fields = ["name", "journal.name", "debit_account.name"]
        methods = self._database.search(_METHOD, [("company", "=", company)], fields, company=company)
        named = [each for each in methods if each["name"].casefold() == (entry.method or "").casefold()]
        if named or len(methods) == 1:
            return (named or methods)[0]
        names = ", ".join(each["name"] for each in methods) or "none"
        message = f"The company has no payment method {entry.method or 'for it'} in Tryton; there are: {names}"
        raise RejectedRecordError(message, system=SYSTEM, fields=("method",))

    def _currency(self, code: str) -> int:
        return int(self._references.currencies.id_of(code))


def _is_of(key: str) -> tuple[str, str, str]:
    return ("description", "like", f"%[{key}]")


def _description(entry: PaymentEntry) -> str:
    return f"{' '.join(entry.text.split())} [{entry.key}]".strip()


def _entry(move: Row) -> PaymentEntry:
    key = _KEY.search(move["description"])
    parties = [str(line["party"]) for line in move["lines"] if line["party"]]
    return PaymentEntry(
        key=key[1] if key else "",
        erp_id=str(move["id"]),
        number=move["number"],
        company_id=str(move["company"]["id"]),
        customer_id=parties[0] if parties else "",
        date=move["date"],
        currency=move["company"]["currency"]["code"],
        amount=sum((line["debit"] for line in move["lines"]), _ZERO),
        text=_KEY.sub("", move["description"]).strip(),
    )
