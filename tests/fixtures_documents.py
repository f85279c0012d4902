"""An accountant and a warehouse at work in the embedded Tryton: what the laws of documents need of an ERP."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from erp_client import ErpClient
from fixtures_tryton import TrytonHarness, new_key

from prefect_crm_erp.blocks.erp.tryton import Tryton
from prefect_crm_erp.sandbox.tryton import TrytonAccess
from prefect_crm_erp.sandbox.tryton.rpc import TrytonFault, TrytonRpc

_INVOICE, _MOVE, _LINE = "account.invoice", "account.move", "account.move.line"


@dataclass(frozen=True)
class Billed:
    """An order with its posted invoice; ids as the connection knows them."""

    order: str
    invoice: str
    customer: str
    key: str


class TrytonBooks:
    """Tryton under the laws of documents; each word is what a person does in the ERP's own client."""

    earlier = date(datetime.now(UTC).year - 1, 12, 30)
    """A day on which all rates were others than today's."""

    rates = ("2026-05-04", {"EUR": Decimal(1), "USD": Decimal("1.10"), "GBP": Decimal("0.85"), "JPY": Decimal(162)})
    """Units of currencies for one euro on a day, as they were seeded."""

    def __init__(self, access: TrytonAccess, line: TrytonHarness) -> None:
        self.line = line
        self.shared: Tryton = line.shared
        self.seller = ErpClient(access)
        self.clerk = ErpClient(access, finance=True)
        self.admin = TrytonRpc(access.url, access.database, access.admin_user, access.admin_password)
        self._codes = {str(company.id): company.code for company in access.companies}

    # ---------------------------------------------------------------- orders and invoices

    def order(
        self,
        company: str,
        currency: str = "EUR",
        prices: Sequence[str] = ("100.00",),
        *,
        key: str = "",
        to: str = "",
        quantity: float = 3,
    ) -> str:
        """A quotation of a quantity for each price; `to` an existing customer, or else a new one."""
        party = int(to) if to else self.seller.customer(company, "GB")
        skus = ["NL-100", "NL-200", "NL-210", "NL-400"]
        lines = [self.seller.line(company, party, skus[at], quantity, price) for at, price in enumerate(prices)]
        order = self.seller.order(company, party, currency, lines)
        if key:
            self._seller("sale.sale.write", company, [order], {"reference": key})
        return str(order)

    def confirm(self, company: str, order: str) -> None:
        """The seller confirms a quotation."""
        self.seller.confirm(company, int(order))

    def bill(
        self, company: str, currency: str = "EUR", prices: Sequence[str] = ("100.00",), *, to: str = "", terms: str = ""
    ) -> Billed:
        """An order with a CRM's key, confirmed, and its invoice, posted today."""
        key = new_key("006")
        order = self.order(company, currency, prices, key=key, to=to)
        if terms:
            term = self.seller.one("account.invoice.payment_term", company, ("name", "=", terms))
            self._seller("sale.sale.write", company, [int(order)], {"payment_term": term})
        self.confirm(company, order)
        (invoice,) = self.seller.sale(company, int(order))["invoices"]
        self.post(company, str(invoice))
        (row,) = self.clerk.find(_INVOICE, company, [("id", "=", invoice)], "party")
        return Billed(order, str(invoice), str(row["party"]), key)

    def post(self, company: str, invoice: str, day: date | None = None) -> None:
        """The clerk posts an invoice with the date of today, or of another day."""
        self._clerk(f"{_INVOICE}.write", company, [int(invoice)], {"invoice_date": day or self.today})
        self._insist(lambda: self._clerk(f"{_INVOICE}.post", company, [int(invoice)]))

    def draft_invoice(self, company: str) -> str:
        """An order whose invoice is a draft."""
        order = self.order(company)
        self.confirm(company, order)
        return str(self.seller.sale(company, int(order))["invoices"][0])

    def add_lines(
        self, company: str, invoice: str, lines: Sequence[tuple[float, str]] = (), *, remarks: int = 0
    ) -> None:
        """The clerk adds lines to a draft invoice: quantities with their prices, and remarks without any."""
        names = ("account", "unit", "taxes", "product", "currency", "company")
        pattern = self.clerk.find(f"{_INVOICE}.line", company, [("invoice", "=", int(invoice))], *names)[0]
        usual = {name: pattern[name] for name in names} | {"taxes": [("add", pattern["taxes"])]}
        common = {name: pattern[name] for name in ("currency", "company")}
        added = [usual | {"type": "line", "quantity": each, "unit_price": Decimal(price)} for each, price in lines]
        added += [common | {"type": "comment", "description": f"Remark {number}"} for number in range(remarks)]
        self._clerk(f"{_INVOICE}.write", company, [int(invoice)], {"lines": [("create", added)]})

    def renumber(self, company: str, order: str) -> str:
        """The seller gives an order another number."""
        number = f"R-{secrets.token_hex(4)}"
        self._seller("sale.sale.write", company, [int(order)], {"number": number})
        return number

    def period(self, company: str, day: date, button: str) -> None:
        """The clerk closes or reopens the period of a day."""
        among = (("start_date", "<=", day), ("end_date", ">=", day), *self._in(company))
        self._clerk(f"account.period.{button}", company, [self.clerk.one("account.period", company, *among)])

    def invoices_of(self, company: str, order: str) -> list[str]:
        """The invoices of an order."""
        return [str(each) for each in self.seller.sale(company, int(order))["invoices"]]

    def credit(self, company: str, invoice: str, *, settle: bool = True) -> str:
        """A credit memo over all of an invoice, posted; `settle` sets the invoice off against it at once."""
        start = {"with_refund": settle, "with_refund_allowed": settle, "invoice_date": self.today}
        answer = self._wizard("account.invoice.credit", company, _INVOICE, [int(invoice)], {"start": start}, "credit")
        memo = str(answer["actions"][0][1]["res_id"][0])
        if not settle:
            self.post(company, memo)
        return memo

    def cancel(self, company: str, invoice: str) -> None:
        """The clerk cancels a posted invoice, which the company has allowed."""
        number = self.clerk.companies[company]
        self.admin("model.company.company.write", [number], {"cancel_invoice_out": True}, {})
        self._clerk(f"{_INVOICE}.cancel", company, [int(invoice)])

    def note_reference(self, company: str, invoice: str) -> str:
        """The clerk notes the customer's own number at a posted invoice."""
        number = f"X-{secrets.token_hex(4)}"
        self._clerk(f"{_INVOICE}.write", company, [int(invoice)], {"reference": number})
        return number

    def put_off(self, company: str, invoice: str, day: date) -> None:
        """The clerk gives a customer until a later day."""
        lines = [line["id"] for line in self._lines_to_pay(company, invoice)]
        self._clerk(f"{_LINE}.write", company, lines, {"maturity_date": day})

    def told(self, company: str, invoice: str) -> dict[str, Any]:
        """An invoice as the ERP's own client shows it, with its lines, and with what is booked for it."""
        names = ("number", "state", "untaxed_amount", "tax_amount", "total_amount", "amount_to_pay", "lines", "move")
        (row,) = self.clerk.find(_INVOICE, company, [("id", "=", int(invoice))], *names)
        lines = self.clerk.find(f"{_INVOICE}.line", company, [("invoice", "=", int(invoice))], "amount", "quantity")
        owed = [("move", "=", row["move"]), ("account.type.receivable", "=", True)]
        booked = self.clerk.find(_LINE, company, owed, "debit", "credit", "maturity_date")
        due = max((each["maturity_date"] for each in booked if each["maturity_date"]), default=None)
        return row | {"lines": lines, "booked": sum(each["debit"] - each["credit"] for each in booked), "due": due}

    # ---------------------------------------------------------------- payments

    def pay(
        self, company: str, invoice: str, amount: Decimal | None = None, *, over: bool = False, on: date | None = None
    ) -> None:
        """The clerk enters a payment at an invoice: of all that is open, or of an amount, which may be too much."""
        (row,) = self.clerk.find(_INVOICE, company, [("id", "=", int(invoice))], "party", "currency", "amount_to_pay")
        start = {
            "payee": row["party"],
            "payees": [row["party"]],
            "amount": row["amount_to_pay"] if amount is None else amount,
            "currency": row["currency"],
            "company": self.clerk.companies[company],
            "payment_method": self._method(company)["id"],
            "date": on or self.today,
            "description": f"Statement {invoice}",
            "invoice_account": None,
        }
        name, ids = "account.invoice.pay", [int(invoice)]
        with_answer = {"type": "overpayment" if over else "partial"}
        self._wizard(name, company, _INVOICE, ids, {"start": start}, "choice", ("ask", with_answer, "pay"))

    def pay_together(self, company: str, invoices: Sequence[str]) -> str:
        """The clerk books one receipt of money for several invoices, and reconciles it with all of them."""
        lines = [line for invoice in invoices for line in self._lines_to_pay(company, invoice)]
        payment = self._receive(company, sum(each["debit"] - each["credit"] for each in lines), lines[0])
        (received,) = self.clerk.find(
            _LINE, company, [("move", "=", payment), ("account", "=", lines[0]["account"])], "id"
        )
        self.reconcile(company, [received["id"], *(each["id"] for each in lines)])
        return str(payment)

    def offset(self, company: str, invoice: str, memo: str) -> None:
        """The clerk sets an invoice off against a credit memo."""
        both = [*self._lines_to_pay(company, invoice), *self._lines_to_pay(company, memo)]
        self.reconcile(company, [each["id"] for each in both])

    def reconcile(self, company: str, lines: list[int]) -> None:
        """The clerk reconciles lines whose sum is zero."""
        self._wizard("account.move.reconcile_lines", company, _LINE, lines, {}, "start")

    def reopen(self, company: str, invoice: str) -> None:
        """The clerk takes a reconciliation of a paid invoice back."""
        found = {line["reconciliation"] for line in self._lines_to_pay(company, invoice)}
        self._clerk("account.move.reconciliation.delete", company, sorted(found))

    def forget_payments(self, company: str, invoice: str) -> None:
        """The clerk takes the payments off an invoice that they were noted at."""
        (row,) = self.clerk.find(_INVOICE, company, [("id", "=", int(invoice))], "payment_lines")
        values = {"payment_lines": [("remove", row["payment_lines"])]}
        self._clerk(f"{_INVOICE}.write", company, [int(invoice)], values)

    def take_back(self, company: str, payment: str) -> None:
        """The clerk cancels a payment: the cheque bounced."""
        default = {"description": "Bounced", "reversal": True}
        self._wizard("account.move.cancel", company, _MOVE, [int(payment)], {"default": default}, "cancel")

    def _receive(self, company: str, amount: Decimal, pattern: dict[str, Any]) -> int:
        method, zero = self._method(company), Decimal(0)
        debit = {"account": method["debit_account"], "debit": amount, "credit": zero}
        credit = {"account": pattern["account"], "party": pattern["party"], "debit": zero, "credit": amount}
        period = self.clerk.one(
            "account.period",
            company,
            ("start_date", "<=", self.today),
            ("end_date", ">=", self.today),
            *self._in(company),
        )
        values = {
            "company": self.clerk.companies[company],
            "journal": method["journal"],
            "date": self.today,
            "period": period,
            "description": "One transfer for all",
            "lines": [("create", [debit, credit])],
        }
        (move,) = self._clerk(f"{_MOVE}.create", company, [values])
        self._clerk(f"{_MOVE}.post", company, [move])
        return int(move)

    def _method(self, company: str) -> dict[str, Any]:
        names = ("journal", "debit_account", "credit_account")
        return self.clerk.find("account.invoice.payment.method", company, self._in(company), *names)[0]

    def _lines_to_pay(self, company: str, invoice: str) -> list[dict[str, Any]]:
        (row,) = self.clerk.find(_INVOICE, company, [("id", "=", int(invoice))], "lines_to_pay")
        names = ("debit", "credit", "account", "party", "reconciliation")
        return self.clerk.find(_LINE, company, [("id", "in", row["lines_to_pay"])], *names)

    # ---------------------------------------------------------------- deliveries

    def ship(self, company: str, order: str, quantity: float | None = None, on: date | None = None) -> str:
        """The warehouse ships an order, or a quantity of each of its products; the rest waits in a new shipment."""
        waiting = [("state", "=", "waiting"), ("moves.sale", "=", int(order))]
        shipment = self.seller.one("stock.shipment.out", company, *waiting)
        if quantity is not None:
            picked = [("shipment", "=", f"stock.shipment.out,{shipment}"), ("from_location.type", "=", "storage")]
            found = self.seller.find("stock.move", company, [*picked, ("to_location.type", "=", "storage")], "id")
            self._seller("stock.move.write", company, [each["id"] for each in found], {"quantity": quantity})
        if on is not None:
            self._seller("stock.shipment.out.write", company, [shipment], {"effective_date": on})
        for button in ("assign_try", "pick", "pack", "do"):
            self._seller(f"stock.shipment.out.{button}", company, [shipment])
        return str(shipment)

    def take_in(self, company: str, order: str) -> None:
        """The warehouse receives what a customer sends back."""
        model = "stock.shipment.out.return"
        shipment = self.seller.one(model, company, ("moves.sale", "=", int(order)))
        for button in ("receive", "do"):
            self._seller(f"{model}.{button}", company, [shipment])

    # ---------------------------------------------------------------- other things

    def bill_what_is_shipped(self, company: str, order: str) -> None:
        """The seller agrees that a quotation is billed by what is shipped."""
        self._seller("sale.sale.write", company, [int(order)], {"invoice_method": "fulfillment"})

    def describe(self, company: str, order: str, text: str) -> None:
        """The seller notes something at an order."""
        self._seller("sale.sale.write", company, [int(order)], {"description": text})

    def delete_order(self, company: str, order: str) -> None:
        """The seller cancels and deletes a quotation."""
        for button in ("cancel", "delete"):
            self._seller(f"sale.sale.{button}", company, [int(order)])

    def calls(self) -> int:
        """Requests of the shared connection so far."""
        return self.shared.calls.total

    @property
    def today(self) -> date:
        """The day of the ERP."""
        return datetime.now(UTC).date()

    def _in(self, company: str) -> list[Any]:
        return [("company", "=", self.clerk.companies[company])]

    def _seller(self, method: str, company: str, *parameters: Any) -> Any:
        return self.seller.rpc(f"model.{method}", *parameters, self.seller.context(company))

    def _clerk(self, method: str, company: str, *parameters: Any) -> Any:
        return self.clerk.rpc(f"model.{method}", *parameters, self.clerk.context(company))

    def _wizard(
        self,
        name: str,
        company: str,
        model: str,
        ids: list[int],
        data: dict[str, Any],
        state: str,
        question: tuple[str, dict[str, Any], str] | None = None,
    ) -> Any:
        """Go through a wizard; what it asks on the way is answered with its own suggestions and a few values."""
        context = self.clerk.context(company) | {"active_model": model, "active_id": ids[0], "active_ids": ids}
        session, *_ = self.clerk.rpc(f"wizard.{name}.create", self.clerk.context(company))
        execute = f"wizard.{name}.execute"
        answer = self._insist(lambda: self.clerk.rpc(execute, session, data, state, context))
        if question and answer.get("view"):
            page, values, then = question
            suggested = {key: value for key, value in answer["view"]["defaults"].items() if not key.endswith(".")}
            data = data | {page: suggested | values}
            answer = self._insist(lambda: self.clerk.rpc(execute, session, data, then, context))
        self.clerk.rpc(f"wizard.{name}.delete", session, self.clerk.context(company))
        return answer

    def _insist(self, action: Callable[[], Any]) -> Any:
        """Do something, and say yes to what the ERP warns of."""
        for _ in range(3):
            try:
                return action()
            except TrytonFault as fault:
                if fault.kind != "UserWarning":
                    raise
                self.clerk.rpc("model.res.user.warning.skip", fault.arguments[0], False, {})
        return action()


@pytest.fixture(scope="session")
def tryton_books(tryton_demo: TrytonAccess, tryton_line: TrytonHarness) -> TrytonBooks:
    """Tryton for the laws of documents."""
    return TrytonBooks(tryton_demo, tryton_line)
