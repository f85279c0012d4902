"""What is Tryton's own; the laws that every ERP keeps are in tests/conformance/test_erp.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fixtures_tryton import TrytonHarness, new_key
from hypothesis import given
from hypothesis import strategies as st
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder

from prefect_crm_erp.blocks.erp._tryton_wire import classify, from_wire, to_wire
from prefect_crm_erp.blocks.erp.tryton import Tryton
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    CreditLimitError,
    LockedRecordError,
    MissingReferenceError,
    RateLimitError,
    RejectedRecordError,
    TransientError,
)
from prefect_crm_erp.models.outcomes import Rejected, Written
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import Address, Company, Customer, OrderLine, OrderStatus, Product, SalesOrder
from prefect_crm_erp.sandbox.tryton import TrytonSandbox

LEEDS = Address(street="1 Dock Road", city="Leeds", postal_code="LS1 4AP", country="GB")
YORK = Address(street="2 Wall Street", city="York", postal_code="YO1 7HH", country="GB")


@pytest.fixture
def tryton(tryton_erp: TrytonHarness) -> Tryton:
    return tryton_erp.shared


@pytest.fixture
def uk(tryton: Tryton) -> Company:
    return tryton.company("UK")


def write(tryton: Tryton, record: Any, company: Company) -> Any:
    (result,) = tryton.write([record], company)
    assert isinstance(result, Written), result
    return result.record


@pytest.fixture
def buyer(tryton_erp: TrytonHarness, tryton: Tryton, uk: Company) -> Customer:
    return write(tryton, tryton_erp.customer(), uk)


class TestBlock(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Tryton]:
        return Tryton


class TestWire:
    values = st.one_of(
        st.decimals(allow_nan=False, allow_infinity=False),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.binary(),
        st.text(),
        st.none(),
    )

    @given(values)
    def test_values_come_back_from_tryton_as_they_went(self, value: Any) -> None:
        there = json.loads(json.dumps(value, default=to_wire), object_hook=JSONDecoder())
        back = json.loads(JSONEncoder().encode(there), object_hook=from_wire)
        assert back == value
        assert type(back) is type(value)

    @pytest.mark.parametrize("value", [time(9, 30), timedelta(days=2, seconds=3)])
    def test_times_of_day_and_durations_are_read(self, value: Any) -> None:
        assert json.loads(JSONEncoder().encode(value), object_hook=from_wire) == value

    def test_times_are_sent_as_utc(self) -> None:
        noon = datetime.fromisoformat("2026-03-31T12:00:00+02:00")
        assert json.loads(json.dumps(noon, default=to_wire), object_hook=JSONDecoder()) == datetime(2026, 3, 31, 10)

    def test_a_value_without_a_form_is_refused(self) -> None:
        with pytest.raises(TypeError, match="object"):
            json.dumps(object(), default=to_wire)

    @pytest.mark.requirement("T07")
    @pytest.mark.parametrize(
        ("status", "body", "expected", "words"),
        [
            (200, {"error": ["UserError", ["Too long", "by 3", None]]}, RejectedRecordError, "Too long\nby 3"),
            (200, {"error": ["UserWarning", ["ab.sale_past", "In the past", ""]]}, RejectedRecordError, "In the past"),
            (200, {"error": ["UserWarning", ["ab.credit_limit_amount", "Zu hoch"]]}, CreditLimitError, "Zu hoch"),
            (200, {"error": ["ConcurrencyException", "Changed"]}, LockedRecordError, "Changed"),
            (200, {"error": ["LoginException", ["sms", "Code?", "char"]]}, AuthenticationError, "sms"),
            (200, {"error": ["'sale.sale'", ""]}, ConfigurationError, "sale.sale"),
            (200, {"error": ['You are not allowed to access "Sale".']}, RejectedRecordError, "not allowed"),
            (200, {"error": ["UserError", ['You are not allowed to access "Sale".', ""]]}, ConfigurationError, "Sale"),
            (200, "<html>Welcome</html>", ConfigurationError, "does not answer like a Tryton server"),
            (200, [1], ConfigurationError, "does not answer like a Tryton server"),
            (401, "", AuthenticationError, "refused"),
            (403, "", ConfigurationError, "may not call"),
            (404, "", ConfigurationError, "no such database"),
            (413, "", RejectedRecordError, "Too many records"),
            (429, "", RateLimitError, "wrong passwords"),
            (502, "", TransientError, "502"),
            (503, "parser stack overflow", RejectedRecordError, "Too many records"),
            (503, "<h1>Service&nbsp;Unavailable</h1>database is locked", TransientError, "database is locked"),
        ],
    )
    def test_errors_say_what_happens_next(
        self, status: int, body: Any, expected: type[ConnectorError], words: str
    ) -> None:
        text = body if isinstance(body, str) else json.dumps({"id": 1} | body if isinstance(body, dict) else body)
        error = classify(httpx.Response(status, text=text))
        assert type(error) is expected
        assert words in error.message

    def test_a_good_answer_is_no_error(self) -> None:
        assert classify(httpx.Response(200, json={"id": 1, "result": None})) is None


class TestCheck:
    def test_companies_have_the_codes_of_their_warehouses(self, tryton: Tryton) -> None:
        assert [(each.code, each.currency) for each in tryton.companies()] == [
            ("US", "USD"),
            ("UK", "GBP"),
            ("DE", "EUR"),
        ]

    @pytest.mark.parametrize(
        ("version", "expected"),
        [('{"id":1,"result":"7.0"}', "Tryton 7.0.*series 8.0"), ("<html></html>", "not answer like a Tryton server")],
    )
    def test_another_server_is_told(
        self, tryton_erp: TrytonHarness, tryton: Tryton, version: str, expected: str
    ) -> None:
        tryton_erp.proxy.answer(version, containing="common.server.version")
        with pytest.raises(ConfigurationError, match=expected):
            tryton.check()

    def test_a_user_who_sees_one_company_at_a_time_is_told(self, tryton_erp: TrytonHarness, tryton: Tryton) -> None:
        user = tryton_erp.witness("model.res.user.search", [("login", "=", "crm")], 0, 1, None, {})
        tryton_erp.witness("model.res.user.write", user, {"company_filter": "one"}, {})
        try:
            with pytest.raises(ConfigurationError, match="company filter"):
                tryton.check()
        finally:
            tryton_erp.witness("model.res.user.write", user, {"company_filter": "all"}, {})

    def test_an_unknown_warehouse_is_answered_with_those_that_there_are(
        self, tryton_erp: TrytonHarness, buyer: Customer, uk: Company
    ) -> None:
        with pytest.raises(ConfigurationError, match="Leeds"):
            tryton_erp.connect(warehouse="Nowhere").write([tryton_erp.order(buyer, uk)], uk)


class TestEmpty:
    def test_a_tryton_with_nothing_but_its_own_companies_is_empty(self, tmp_path: Path) -> None:
        with TrytonSandbox(tmp_path, empty=True) as sandbox:
            access = sandbox.access
            tryton = Tryton(
                server_url=access.url, database=access.database, username=access.user, password=access.password
            )
            assert [tryton.is_empty(kind) for kind in (Customer, Product, SalesOrder)] == [True] * 3


class TestCustomers:
    @pytest.mark.requirement("U09")
    @pytest.mark.parametrize(
        ("typed", "shown", "noted"),
        [
            ("(0113) 496-0000", "+44 113 496 0000", False),
            ("+49 30 7432 1", "+49 30 74321", False),
            ("call Jim, 12", "call Jim, 12", True),
        ],
    )
    def test_a_phone_number_that_is_none_does_not_lose_the_customer(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, typed: str, shown: str, noted: bool
    ) -> None:
        (result,) = tryton.write([tryton_erp.customer(phone=typed)], uk)
        assert isinstance(result, Written)
        assert result.record.phone == shown
        assert [note.before for note in result.notes] == ([typed] if noted else [])

    def test_contact_data_that_only_tryton_refuses_does_not_lose_the_customer(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        words = 'The email address "a@b.invalid" for party "X" is not valid.'
        refusal = json.dumps({"id": 1, "error": ["UserError", [words, "", None]]})
        tryton_erp.proxy.answer(refusal, containing="model.party.party.create")
        customer = tryton_erp.customer(email="a@b.invalid")
        (result,) = tryton.write([customer], uk)
        assert isinstance(result, Written)
        assert result.record.email == "a@b.invalid"
        assert words in result.notes[-1].text
        assert tryton_erp.count(customer) == 1

    def test_a_wrong_vat_number_is_refused_in_trytons_words(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        (result,) = tryton.write([tryton_erp.customer(vat_number="DE123456789", phone="0113 496 0000")], uk)
        assert isinstance(result, Rejected)
        assert 'European VAT Number "DE123456789"' in result.error.message

    def test_a_state_that_tryton_does_not_have(self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company) -> None:
        needed = tryton_erp.customer(billing=Address(city="Springfield", state="ZZ", country="US"))
        spare = tryton_erp.customer(billing=Address(city="Cowes", state="IOW", country="GB"))
        unknown = tryton_erp.customer(billing=Address(city="X", state="ZZZ", country="GB"))
        refused, kept, noted = tryton.write([needed, spare, unknown], uk)
        assert isinstance(refused, Rejected)
        assert isinstance(refused.error, MissingReferenceError)
        assert "US-ZZ" in refused.error.message
        assert isinstance(kept, Written)
        assert (kept.record.billing.state, kept.notes) == ("IOW", ())
        assert isinstance(noted, Written)
        assert [note.field for note in noted.notes] == ["billing.state"]

    def test_a_customer_without_name_is_refused(self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company) -> None:
        (result,) = tryton.write([tryton_erp.customer(name=" \t\x00")], uk)
        assert isinstance(result, Rejected)

    def test_more_records_than_sqlite_can_parse_are_sent_in_smaller_requests(
        self, tryton_erp: TrytonHarness, uk: Company
    ) -> None:
        tryton = tryton_erp.connect(customers_per_request=200)
        customers = [tryton_erp.customer() for _ in range(120)]
        results = tryton.write(customers, uk)
        assert [each.record.key for each in results] == [each.key for each in customers]
        assert all(isinstance(each, Written) for each in results)
        assert set(tryton.find(Customer, [str(each.key) for each in customers])) == {each.key for each in customers}

    @pytest.mark.requirement("GB09")
    def test_a_party_that_was_merged_in_tryton_is_found_as_the_survivor(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        gone, survivor = (write(tryton, tryton_erp.customer(name="Twin Ltd"), uk) for _ in range(2))
        _merge(tryton_erp, int(gone.erp_id), int(survivor.erp_id))
        found = tryton.find(Customer, [gone.key, survivor.key])
        assert [each.erp_id for each in found[gone.key]] == [survivor.erp_id]
        assert found[gone.key][0].key == gone.key
        assert found[gone.key][0].other_keys == (survivor.key,)

    def test_a_deactivated_customer_is_found_and_gets_no_order(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        tryton_erp.witness("model.party.party.write", [int(str(buyer.erp_id))], {"active": False}, {})
        assert tryton.find_one(Customer, str(buyer.key)) is not None
        (result,) = tryton.write([tryton_erp.order(buyer, uk)], uk)
        assert isinstance(result, Rejected)
        assert "deactivated" in result.error.message

    def test_customers_that_people_typed_in_are_read_without_a_key(self, tryton: Tryton) -> None:
        (harrow,) = [each for each in tryton.candidates([_named("Harrow and Finch")]) if each.number == "4"]
        assert (harrow.key, harrow.vat_number, harrow.payment_terms) == (None, "GB980780684", "Net 30")

    def test_a_number_that_somebody_typed_into_the_identifiers_is_no_key(
        self, tryton_erp: TrytonHarness, tryton: Tryton, buyer: Customer
    ) -> None:
        typed = [("create", [{"type": None, "code": "DE 136 695 976"}])]
        tryton_erp.witness("model.party.party.write", [int(str(buyer.erp_id))], {"identifiers": typed}, {})
        found = tryton.find_one(Customer, str(buyer.key))
        assert found
        assert (found.key, found.other_keys, found.vat_number) == (buyer.key, (), "DE136695976")


def _named(name: str) -> Customer:
    return Customer(name=name)


def _merge(harness: TrytonHarness, source: int, target: int) -> None:
    """What a person does with Tryton's wizard to replace a party."""
    context = {"active_model": "party.party", "active_id": source, "active_ids": [source]}
    session, _, _ = harness.witness("wizard.party.replace.create", {})
    form = {"ask": {"source": source, "destination": target}}
    harness.witness("wizard.party.replace.execute", session, form, "replace", context)


class TestAddresses:
    def test_billing_and_shipping_of_one_place_are_one_address(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        customer = write(tryton, tryton_erp.customer(billing=LEEDS, shipping=LEEDS), uk)
        assert len(tryton_erp.stored(customer, "addresses")) == 1
        assert (customer.billing, customer.shipping) == (LEEDS, LEEDS)

    def test_a_new_billing_address_does_not_move_the_delivery(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        customer = write(tryton, tryton_erp.customer(billing=LEEDS), uk)
        moved = write(tryton, customer.model_copy(update={"billing": YORK}), uk)
        assert (moved.billing, moved.shipping) == (YORK, LEEDS)

    def test_a_delivery_address_changes_in_place_when_it_serves_nothing_else(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        customer = write(tryton, tryton_erp.customer(billing=LEEDS, shipping=YORK), uk)
        dock = YORK.model_copy(update={"street": "3 Wall Street"})
        moved = write(tryton, customer.model_copy(update={"shipping": dock}), uk)
        assert (moved.billing, moved.shipping) == (LEEDS, dock)
        assert tryton_erp.stored(moved, "addresses") == tryton_erp.stored(customer, "addresses")

    def test_uses_can_change_places(self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company) -> None:
        customer = write(tryton, tryton_erp.customer(billing=LEEDS, shipping=YORK), uk)
        swapped = write(tryton, customer.model_copy(update={"billing": YORK, "shipping": LEEDS}), uk)
        assert (swapped.billing, swapped.shipping) == (YORK, LEEDS)
        assert len(tryton_erp.stored(swapped, "addresses")) == 2

    def test_both_move_together(self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company) -> None:
        customer = write(tryton, tryton_erp.customer(billing=LEEDS), uk)
        moved = write(tryton, customer.model_copy(update={"billing": YORK, "shipping": YORK}), uk)
        assert (moved.billing, moved.shipping) == (YORK, YORK)
        assert len(tryton_erp.stored(moved, "addresses")) == 1

    def test_an_empty_address_erases_nothing(self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company) -> None:
        customer = write(tryton, tryton_erp.customer(billing=LEEDS, shipping=YORK), uk)
        emptied = customer.model_copy(update={"billing": Address(), "shipping": Address()})
        assert write(tryton, emptied, uk) == customer

    def test_an_order_takes_the_customers_addresses_and_says_when_it_cannot(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        customer = write(tryton, tryton_erp.customer(billing=LEEDS, shipping=YORK), uk)
        typed = YORK.model_copy(update={"street": "2, Wall  street", "postal_code": "YO17HH"})
        elsewhere = Address(street="9 Far Lane", city="Hull", country="GB")
        orders = [
            tryton_erp.order(customer, uk),
            tryton_erp.order(customer, uk, billing=typed, shipping=LEEDS),
            tryton_erp.order(customer, uk, shipping=elsewhere),
        ]
        plain, chosen, fallen_back = tryton.write(orders, uk)
        assert isinstance(plain, Written)
        assert isinstance(chosen, Written)
        assert isinstance(fallen_back, Written)
        assert [(each.record.billing, each.record.shipping) for each in (plain, chosen, fallen_back)] == [
            (LEEDS, YORK),
            (YORK, LEEDS),
            (LEEDS, YORK),
        ]
        assert [len(each.notes) for each in (plain, chosen, fallen_back)] == [0, 0, 1]
        assert "Hull" in str(fallen_back.notes[0].before)
        assert len(tryton_erp.stored(customer, "addresses")) == 2


class TestTaxes:
    @pytest.mark.parametrize(
        ("company", "rates"),
        [
            ("UK", {"GB": "0.20", "IE": "0", "US": "0"}),
            ("DE", {"DE": "0.19", "FR": "0", "US": "0"}),
            ("US", {"US": "0", "GB": "0"}),
        ],
    )
    def test_they_are_those_of_trytons_own_rules(
        self, tryton_erp: TrytonHarness, tryton: Tryton, company: str, rates: dict[str, str]
    ) -> None:
        seller = tryton.company(company)
        places = [Address(city="X", country=country) for country in rates]
        buyers = [each.record for each in tryton.write([tryton_erp.customer(billing=each) for each in places], seller)]
        line = OrderLine(sku="NL-400", quantity=Decimal(1), unit_price=Decimal("100.0000"))
        orders = tryton.write([tryton_erp.order(buyer, seller, lines=(line,)) for buyer in buyers], seller)
        taxes = [100 * Decimal(rate) for rate in rates.values()]
        assert [each.record.tax for each in orders] == taxes
        assert [each.record.total for each in orders] == [100 + tax for tax in taxes]

    def test_they_are_asked_for_once_per_case(self, tryton_erp: TrytonHarness, uk: Company, buyer: Customer) -> None:
        tryton = tryton_erp.connect()
        tryton.write([tryton_erp.order(buyer, uk) for _ in range(3)], uk)
        tryton.write([tryton_erp.order(buyer, uk)], uk)
        assert sum("model.sale.line.on_change" in body for body in tryton_erp.proxy.requests) == 1


class TestOrders:
    def test_a_request_full_of_orders_takes_eight_requests_until_all_are_confirmed(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        tryton.confirm([write(tryton, tryton_erp.order(buyer, uk), uk)], uk)
        tryton_erp.forget_requests()
        drafts = tryton.write([tryton_erp.order(buyer, uk) for _ in range(25)], uk)
        orders = tryton.confirm([each.record for each in drafts], uk)
        assert tryton_erp.requests() <= 8
        assert len({each.record.number for each in orders}) == 25

    def test_the_payment_term_is_the_orders_else_the_customers(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        orders = [tryton_erp.order(buyer, uk), tryton_erp.order(buyer, uk, payment_terms="net  60")]
        assert [each.record.payment_terms for each in tryton.write(orders, uk)] == ["Net 30", "Net 60"]

    def test_the_buyers_purchase_order_stays_apart_from_what_people_note(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        meant = tryton_erp.order(buyer, uk, customer_reference="PO 4711", custom={"comment": "Ring twice"})
        order = write(tryton, meant, uk)
        assert order.customer_reference == "PO 4711"
        assert tryton_erp.stored(order, "comment") == "Customer's purchase order: PO 4711\nRing twice"

    def test_lines_take_fields_of_the_companys_own(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        line = OrderLine(sku="NL-400", quantity=Decimal(1), unit_price=Decimal(1), custom={"note": "Fragile"})
        order = write(tryton, tryton_erp.order(buyer, uk, lines=(line,)), uk)
        (row,) = tryton_erp.witness(
            "model.sale.line.search_read", [("sale", "=", int(order.erp_id))], 0, None, None, ["note"], {}
        )
        assert row["note"] == "Fragile"

    def test_a_fraction_of_a_piece_is_refused_in_trytons_words(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        line = OrderLine(sku="NL-400", quantity=Decimal("1.5"), unit_price=Decimal(1))
        (result,) = tryton.write([tryton_erp.order(buyer, uk, lines=(line,))], uk)
        assert isinstance(result, Rejected)
        assert "digits" in result.error.message

    def test_an_order_of_another_company_is_refused(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        (result,) = tryton.write([tryton_erp.order(buyer, tryton.company("DE"))], uk)
        assert isinstance(result, Rejected)

    def test_a_cancelled_order_counts_as_absent(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        order = write(tryton, tryton_erp.order(buyer, uk), uk)
        tryton_erp.witness("model.sale.sale.cancel", [int(order.erp_id)], {"company": int(uk.id)})
        assert tryton.find(SalesOrder, [order.key]) == {}
        assert [each.status for each in tryton.read(SalesOrder, [order.erp_id])] == [OrderStatus.CANCELLED]
        (confirmed,) = tryton.confirm([order], uk)
        assert isinstance(confirmed, Rejected)
        assert "cancelled" in confirmed.error.message

    def test_a_confirmed_order_is_not_rewritten(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        order = _confirmed(tryton, write(tryton, tryton_erp.order(buyer, uk), uk), uk)
        (result,) = tryton.write([order.model_copy(update={"description": "Changed"})], uk)
        assert isinstance(result, Rejected)
        assert str(order.number) in result.error.message

    def test_its_status_follows_shipment_and_invoice(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        order = _confirmed(tryton, write(tryton, tryton_erp.order(buyer, uk), uk), uk)
        assert order.status is OrderStatus.APPROVED
        context = {"company": int(uk.id)}
        for shipment in tryton_erp.stored(order, "shipments"):
            for button in ("assign_force", "pick", "pack", "do"):
                tryton_erp.witness(f"model.stock.shipment.out.{button}", [shipment], context)
        assert tryton.read(SalesOrder, [str(order.erp_id)])[0].status is OrderStatus.SHIPPED
        for invoice in tryton_erp.stored(order, "invoices"):
            today = {"invoice_date": datetime.now(UTC).date()}
            tryton_erp.witness("model.account.invoice.write", [invoice], today, context)
            tryton_erp.witness("model.account.invoice.post", [invoice], context)
        assert tryton.read(SalesOrder, [str(order.erp_id)])[0].status is OrderStatus.INVOICED


def _confirmed(tryton: Tryton, draft: SalesOrder, company: Company) -> SalesOrder:
    (result,) = tryton.confirm([draft], company)
    assert isinstance(result, Written), result
    return result.record


class TestCredit:
    @pytest.fixture
    def limited(self, tryton_erp: TrytonHarness, uk: Company, buyer: Customer) -> Customer:
        """A customer with a credit limit of 500 GBP."""
        limit = {"credit_limit_amount": Decimal(500)}
        context = {"company": int(uk.id)}
        tryton_erp.witness("model.party.party.write", [int(str(buyer.erp_id))], limit, context)
        return buyer

    def _drafts(self, harness: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer, *prices: str) -> Any:
        lines = [OrderLine(sku="NL-400", quantity=Decimal(1), unit_price=Decimal(price)) for price in prices]
        orders = [harness.order(buyer, uk, currency="GBP", lines=(line,)) for line in lines]
        return [each.record for each in tryton.write(orders, uk)]

    @pytest.mark.requirement("GB15")
    def test_an_order_over_the_limit_waits_as_a_quotation_with_trytons_words(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, limited: Customer
    ) -> None:
        (draft,) = self._drafts(tryton_erp, tryton, uk, limited, "600")
        (result,) = tryton.confirm([draft], uk)
        assert isinstance(result, Rejected)
        assert isinstance(result.error, CreditLimitError)
        assert "credit limit" in result.error.message
        assert limited.name in result.error.message
        assert (result.record.status, bool(result.record.number)) == (OrderStatus.PENDING_APPROVAL, True)
        limit = {"credit_limit_amount": Decimal(1000)}
        tryton_erp.witness("model.party.party.write", [int(str(limited.erp_id))], limit, {"company": int(uk.id)})
        assert _confirmed(tryton, draft, uk).number == result.record.number

    def test_orders_in_one_batch_do_not_slip_under_the_limit_together(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, limited: Customer
    ) -> None:
        drafts = self._drafts(tryton_erp, tryton, uk, limited, "300", "300", "100")
        results = tryton.confirm(drafts, uk)
        assert [isinstance(each, Written) for each in results] == [True, False, True]
        assert tryton.credit([str(limited.erp_id)], uk)[str(limited.erp_id)].used == 400

    def test_a_user_who_might_let_it_pass_does_not_do_so_silently(
        self, tryton_erp: TrytonHarness, uk: Company, limited: Customer
    ) -> None:
        access = tryton_erp.access
        finance = tryton_erp.connect(username=access.finance_user, password=access.finance_password)
        (draft,) = self._drafts(tryton_erp, finance, uk, limited, "600")
        (result,) = finance.confirm([draft], uk)
        assert isinstance(result, Rejected)
        assert isinstance(result.error, CreditLimitError)
        assert str(result.error.code).endswith("credit_limit_amount")
        assert result.record.status is OrderStatus.PENDING_APPROVAL

    def test_it_does_not_hold_others_up(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, limited: Customer
    ) -> None:
        other = write(tryton, tryton_erp.customer(), uk)
        drafts = self._drafts(tryton_erp, tryton, uk, limited, "600")
        drafts += self._drafts(tryton_erp, tryton, uk, other, *["600"] * 5)
        results = tryton.confirm(drafts, uk)
        assert [isinstance(each, Written) for each in results] == [False] + [True] * 5

    @pytest.mark.requirement("F07")
    def test_an_order_that_a_second_person_must_approve_waits(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer
    ) -> None:
        with _approval_by_two(tryton_erp):
            (draft,) = self._drafts(tryton_erp, tryton, uk, buyer, "50")
            waiting = _confirmed(tryton, draft, uk)
            assert waiting.status is OrderStatus.PENDING_APPROVAL
            assert waiting.number
            context = {"company": int(uk.id)}
            tryton_erp.witness("model.sale.sale.confirm", [int(str(draft.erp_id))], context)
        assert tryton.read(SalesOrder, [str(draft.erp_id)])[0].status is OrderStatus.APPROVED


@contextmanager
def _approval_by_two(harness: TrytonHarness) -> Iterator[None]:
    """Let Tryton want two people to confirm a sale."""
    domain = [("name", "=", "confirm"), ("model", "=", "sale.sale")]
    (button,) = harness.witness("model.ir.model.button.search", domain, 0, None, None, {})
    rule = {"button": button, "description": "Two people confirm", "number_user": 2}
    rules = harness.witness("model.ir.model.button.rule.create", [rule], {})
    try:
        yield
    finally:
        harness.witness("model.ir.model.button.rule.delete", rules, {})


class TestChanges:
    @pytest.mark.parametrize(
        ("part", "model", "values"),
        [
            ("contact_mechanisms", "party.contact_mechanism", {"value": "+44 113 496 0999"}),
            ("addresses", "party.address", {"city": "Bradford"}),
            ("addresses", "party.address", {"active": False}),
            ("identifiers", "party.identifier", {"active": False}),
        ],
    )
    def test_a_customer_changes_with_what_belongs_to_it(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, part: str, model: str, values: dict[str, Any]
    ) -> None:
        customers = [write(tryton, tryton_erp.customer(phone="0113 496 0000"), uk) for _ in range(2)]
        start = Cursor(max(each.modified_at for each in customers) + timedelta(microseconds=1))
        tryton_erp.witness(f"model.{model}.write", tryton_erp.stored(customers[0], part), values, {})
        (page,) = tryton.changes(Customer, start)
        (changed,) = page
        assert changed.erp_id == customers[0].erp_id
        assert changed.modified_at
        assert changed.modified_at >= start.modified_at

    def test_a_customer_that_changed_several_times_comes_once(
        self, tryton_erp: TrytonHarness, tryton: Tryton, uk: Company
    ) -> None:
        first, second = (write(tryton, tryton_erp.customer(), uk) for _ in range(2))
        start = Cursor(second.modified_at + timedelta(microseconds=1))
        for customer in (first, second, first):
            tryton_erp.change(customer)
        found = [each for page in tryton.changes(Customer, start) for each in page]
        assert [each.erp_id for each in found] == [second.erp_id, first.erp_id]

    @pytest.mark.parametrize("kind", [Customer, SalesOrder])
    def test_more_than_a_page_of_one_transaction_is_read_in_full(
        self,
        tryton_erp: TrytonHarness,
        tryton: Tryton,
        uk: Company,
        buyer: Customer,
        monkeypatch: pytest.MonkeyPatch,
        kind: type[Any],
    ) -> None:
        monkeypatch.setattr("prefect_crm_erp.blocks.erp._tryton_changes._TIMES_PER_READ", 7)
        batch = [tryton_erp.order(buyer, uk) if kind is SalesOrder else tryton_erp.customer() for _ in range(30)]
        records: list[Any] = [each.record for each in tryton.write(batch, uk)]
        assert len({each.modified_at for each in records}) == 1
        found = [each for page in tryton.changes(kind, Cursor(records[0].modified_at), uk) for each in page]
        assert [each.erp_id for each in found] == [each.erp_id for each in records]


class TestLinks:
    def test_they_open_the_web_client(self, tryton_erp: TrytonHarness, tryton: Tryton) -> None:
        order = tryton_erp.order(Customer(name="X", erp_id="4"), tryton.company("UK"), erp_id="17")
        assert tryton.url(order) == f"{tryton_erp.proxy.url}/#erp/model/sale.sale/17"
        assert tryton.url(Address()) is None


def test_dates_travel_as_they_are(tryton_erp: TrytonHarness, tryton: Tryton, uk: Company, buyer: Customer) -> None:
    leap_day = date(2024, 2, 29)
    order = write(tryton, tryton_erp.order(buyer, uk, order_date=leap_day, key=new_key("006")), uk)
    assert order.order_date == leap_day
    assert tryton_erp.stored(order, "sale_date") == leap_day
