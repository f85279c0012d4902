"""Laws that every ERP connection keeps, whatever the system behind it.

A harness stands for one ERP: it connects, makes records that fit the system, lets another client read and change them,
and breaks the line. A new ERP adds its harness (a fixture `<name>_erp`) to `HARNESSES` and keeps all laws.
"""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest
from cutting_proxy import Cut
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.models import records as canonical
from prefect_crm_erp.models.capabilities import NameList
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    MissingReferenceError,
    RejectedRecordError,
    TransientError,
    UnsupportedRecordError,
)
from prefect_crm_erp.models.keys import clean_text
from prefect_crm_erp.models.money import minor_units, round_to
from prefect_crm_erp.models.outcomes import Rejected, WriteResult, Written
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import (
    Address,
    Company,
    Contact,
    Customer,
    OrderLine,
    OrderStatus,
    Product,
    Record,
    SalesOrder,
)

HARNESSES = ["tryton"]
NASTY = [
    'O\'Brien \\ 100 % _Pure_ "Ltd" <b>&amp;</b> --; DROP TABLE',
    "Zürich 🚚 naïve Łódź 東京 \u0645\u0631\u062d\u0628\u0627",
    "x" * 200,
    "tab\tand\nline end \u00a0 and  spaces ",
]
KINDS = [kind for _, kind in inspect.getmembers(canonical, inspect.isclass) if issubclass(kind, Record)]


class ErpHarness(Protocol):
    """What the laws need of an ERP.

    Attributes:
        secrets: What must never show.
        skus: Two goods and a service of its catalogue.
        refused_words: A part of what the ERP says of `refused_customer`.
        custom_field: A field of orders that no map has: its name, a value for it, and what another client then reads.
        shared: One connection for all laws that need none of their own, for connecting takes its time.
    """

    secrets: list[str]
    skus: Sequence[str]
    refused_words: str
    custom_field: tuple[str, Any, Any]
    shared: ERP

    def connect(self, **changes: Any) -> ERP:
        """A connection that works, through a line that can be cut."""

    def connect_wrongly(self, password: str) -> ERP:
        """A connection with a wrong password."""

    def connect_nowhere(self) -> ERP:
        """A connection to an address where nothing listens."""

    def connect_elsewhere(self) -> ERP:
        """A connection to a database, company or account that the server does not have."""

    def customer(self, **fields: Any) -> Customer:
        """A customer that is not in the ERP and that it takes."""

    def refused_customer(self) -> Customer:
        """A customer that only the ERP itself finds wrong."""

    def contact(self, **fields: Any) -> Contact:
        """A contact person with an e-mail address and a phone number, and a key that no other has."""

    def product(self, **fields: Any) -> Product:
        """A product that is not in the ERP and that it takes."""

    def order(self, customer: Customer, company: Company, **fields: Any) -> SalesOrder:
        """An order that is not in the ERP and that it takes."""

    def count(self, record: Record) -> int:
        """Records with this one's key, as another client counts them."""

    def stored(self, record: Record, field: str) -> Any:
        """One of the ERP's own fields, as another client reads it."""

    def annotate(self, record: Record) -> None:
        """Let a person fill in fields that no map has."""

    def annotations(self, record: Record) -> Any:
        """What is in the fields that no map has."""

    def change(self, record: Record) -> None:
        """Let a person change something that the connection reads."""

    def note_contact(self, customer: Customer, email: str, name: str | None) -> None:
        """Let a person add an e-mail address to a customer, with a name or without."""

    def contact_data(self, customer: Customer) -> list[tuple[str | None, str]]:
        """Names and values of a customer's phone numbers and addresses, as another client reads them."""

    def parents(self, customer: Customer) -> list[str]:
        """Ids of a customer's parents, as another client reads them."""

    def deactivate(self, record: Record) -> None:
        """Let a person deactivate or close a record."""

    def invoice(self, order: SalesOrder) -> Decimal:
        """Let a person invoice a confirmed order in full; the amount that is then open."""

    def cut_create(self, where: Cut, kind: type[Record], *, delay: float = 0.0) -> None:
        """Break the line at the next request that creates records of this type."""

    def cut_update(self, where: Cut, kind: type[Record]) -> None:
        """Break the line at the next request that changes records of this type."""

    def cut_confirm(self, where: Cut) -> None:
        """Break the line at the next request that confirms orders."""

    def down(self) -> AbstractContextManager[None]:
        """Let nothing through for a while."""

    def expire_session(self) -> None:
        """End the connection's session at the server."""

    def requests(self) -> int:
        """Requests that have arrived."""

    def forget_requests(self) -> None:
        """Count from zero, and lift all faults."""


@pytest.fixture(params=HARNESSES)
def erp(request: pytest.FixtureRequest) -> ErpHarness:
    return request.getfixturevalue(f"{request.param}_erp")


@pytest.fixture
def connection(erp: ErpHarness) -> ERP:
    return erp.shared


@pytest.fixture
def company(connection: ERP) -> Company:
    return connection.companies()[0]


def written(results: Sequence[WriteResult[Any]]) -> list[Any]:
    """The records of results that must all be good."""
    assert [each.error for each in results if isinstance(each, Rejected)] == []
    return [each.record for each in results]


def one(results: Sequence[WriteResult[Any]]) -> Any:
    (record,) = written(results)
    return record


@pytest.fixture
def buyer(erp: ErpHarness, connection: ERP, company: Company) -> Customer:
    return one(connection.write([erp.customer()], company))


class TestCheck:
    def test_it_says_which_system_and_which_user_it_is(self, connection: ERP) -> None:
        info = connection.check()
        assert info.name
        assert info.user

    @pytest.mark.requirement("T07")
    def test_wrong_credentials_are_told_apart_and_the_password_does_not_show(
        self, erp: ErpHarness, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        connection = erp.connect_wrongly("c4nary-wr0ng-password")
        with pytest.raises(AuthenticationError) as caught:
            connection.check()
        shown = [caplog.text, repr(connection), str(connection), *traceback.format_exception(caught.value)]
        assert not [text for text in shown if "c4nary" in text]

    @pytest.mark.requirement("T02")
    def test_an_address_where_nothing_listens_is_named(self, erp: ErpHarness) -> None:
        with pytest.raises(TransientError, match=r"127\.0\.0\.1:9"):
            erp.connect_nowhere().check()

    def test_a_database_that_is_not_there_is_a_matter_of_configuration(self, erp: ErpHarness) -> None:
        with pytest.raises(ConfigurationError) as caught:
            erp.connect_elsewhere().check()
        assert not isinstance(caught.value, AuthenticationError)

    def test_companies_have_ids_names_and_currencies_that_the_erp_can_book_in(self, connection: ERP) -> None:
        companies = connection.companies()
        assert len({each.id for each in companies}) == len(companies) > 0
        assert {each.currency for each in companies} <= connection.currencies()
        assert [connection.company(each.name).id for each in companies] == [each.id for each in companies]

    @pytest.mark.requirement("GB13")
    def test_the_names_that_customers_and_products_carry_are_in_the_lists_that_people_keep(
        self, erp: ErpHarness, connection: ERP, buyer: Customer
    ) -> None:
        terms, units = (connection.names(of) for of in NameList)
        assert terms is None or buyer.payment_terms in terms | {None}
        (product,) = connection.find(Product, [erp.skus[0]])[erp.skus[0]]
        assert units is None or {product.unit, product.unit_symbol} <= units | {None}
        assert "No such name" not in (terms or ())
        assert "No such name" not in (units or ())

    def test_an_unknown_company_is_answered_with_those_that_there_are(self, connection: ERP) -> None:
        with pytest.raises(ConfigurationError, match=connection.companies()[0].name):
            connection.company("Nowhere Ltd")


class TestSecrets:
    def test_no_secret_shows_in_a_connection_its_copies_or_its_pickle(self, erp: ErpHarness) -> None:
        connection = erp.connect()
        connection.check()
        copies = [connection, copy.copy(connection), copy.deepcopy(connection), connection.model_copy()]
        for shown in copies:
            assert not [secret for secret in erp.secrets if secret in f"{shown!r} {shown} {shown.model_dump()}"]

    def test_a_pickled_connection_works_elsewhere(self, erp: ErpHarness) -> None:
        connection = erp.connect()
        connection.check()
        assert pickle.loads(pickle.dumps(connection)).companies() == connection.companies()

    def test_no_secret_shows_in_a_refusal_or_the_log(
        self, erp: ErpHarness, connection: ERP, company: Company, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        customer = erp.customer(name=f"Buyer {erp.secrets[0]}", vat_number=erp.refused_customer().vat_number)
        (result,) = connection.write([customer], company)
        assert isinstance(result, Rejected)
        shown = [str(result.error), repr(result.error), *traceback.format_exception(result.error), caplog.text]
        assert not [text for text in shown if erp.secrets[0] in text]


class TestFind:
    @pytest.mark.parametrize("kind", [Customer, Product, SalesOrder])
    def test_unknown_keys_are_absent(self, connection: ERP, kind: type[Record]) -> None:
        assert connection.find(kind, ["001000000000000AAA", "no such key", ""]) == {}
        assert connection.find(kind, []) == {}

    def test_products_are_found_by_sku(self, erp: ErpHarness, connection: ERP) -> None:
        found = connection.find(Product, [*erp.skus, "O'Brien \\ 100%"])
        assert set(found) == set(erp.skus)
        for sku, (product,) in found.items():
            assert (product.key, product.is_active) == (sku, True)
            assert product.erp_id
            assert product.name
        assert [found[sku][0].is_service for sku in erp.skus] == [False, False, True]

    def test_records_are_read_by_the_erps_own_ids_and_what_is_gone_is_left_out(
        self, connection: ERP, buyer: Customer
    ) -> None:
        assert connection.read(Customer, [str(buyer.erp_id), "999999999"]) == [buyer]

    def test_a_page_of_200_is_looked_up_in_a_few_requests(
        self, erp: ErpHarness, connection: ERP, buyer: Customer
    ) -> None:
        keys = [erp.customer().key or "" for _ in range(199)]
        erp.forget_requests()
        assert list(connection.find(Customer, [*keys, buyer.key or ""])) == [buyer.key]
        assert erp.requests() <= 4


class TestRoundTrip:
    def test_a_customer_comes_back_as_it_was_written(self, erp: ErpHarness, connection: ERP, company: Company) -> None:
        meant = erp.customer(
            billing=Address(
                street="1 Pike Street\nFloor 2", city="Seattle", state="WA", postal_code="98101", country="US"
            ),
            shipping=Address(street="Dock 4", city="Portland", state="OR", postal_code="97201", country="US"),
            phone="+1 206-555-0100",
            email="ap@example.org",
        )
        result = one(connection.write([meant], company))
        assert same(result, meant)
        assert result.erp_id
        assert result.number
        assert connection.find_one(Customer, meant.key or "") == result

    @pytest.mark.parametrize("vat_number", ["DE136695976", "GB980780684", "IE6433435F", "NO995525828MVA", None])
    def test_vat_numbers_come_back_with_their_country(
        self, erp: ErpHarness, connection: ERP, company: Company, vat_number: str | None
    ) -> None:
        assert one(connection.write([erp.customer(vat_number=vat_number)], company)).vat_number == vat_number

    @pytest.mark.parametrize("text", NASTY)
    def test_awkward_text_comes_back(self, erp: ErpHarness, connection: ERP, company: Company, text: str) -> None:
        place = Address(street=text, city=text, postal_code="LS1 4AP", country="GB")
        customer = one(connection.write([erp.customer(name=text, billing=place)], company))
        assert (customer.name, customer.billing.city) == (clean_text(text), clean_text(text))
        line = OrderLine(sku=erp.skus[0], quantity=Decimal(1), unit_price=Decimal("1.00"), description=text)
        meant = erp.order(customer, company, description=text, customer_reference=text, lines=(line,))
        order = one(connection.write([meant], company))
        assert (order.description, order.customer_reference) == (clean_text(text), clean_text(text))
        assert clean_text(order.lines[0].description) == clean_text(text)
        assert connection.find_one(SalesOrder, meant.key) == order

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(text=st.text(min_size=1, max_size=60))
    def test_any_text_is_taken_or_refused_on_its_own(
        self, erp: ErpHarness, connection: ERP, company: Company, text: str
    ) -> None:
        meant = [erp.customer(name=text), erp.customer()]
        first, second = connection.write(meant, company)
        assert isinstance(second, Written)
        if isinstance(first, Written):
            assert connection.find_one(Customer, meant[0].key or "") == first.record
            assert set(first.record.name) <= set(text) | {" "}

    @pytest.mark.requirement("O08")
    def test_orders_are_found_by_their_day_in_their_own_company(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        first = date(2031, 3, 1)  # no other order is of these days
        days = [first, first + timedelta(days=1), first + timedelta(days=2)]
        orders = written(connection.write([erp.order(buyer, company, order_date=day) for day in days], company))
        in_span = [each for page in connection.orders_between(days[0], days[1], company) for each in page]
        assert sorted((each.erp_id, each.total) for each in in_span) == sorted(
            (each.erp_id, each.total) for each in orders[:2]
        )
        for other in connection.companies():
            if other.id != company.id:
                assert not [each for page in connection.orders_between(days[0], days[2], other) for each in page]

    @pytest.mark.requirement("O04")
    def test_a_customer_is_none_of_the_own_companies(self, connection: ERP, buyer: Customer) -> None:
        assert connection.own_companies([str(buyer.erp_id), "987654321"]) == {}

    def test_an_order_comes_back_as_it_was_written(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        lines = tuple(
            OrderLine(sku=sku, quantity=Decimal(quantity), unit_price=Decimal("12.3456"), description=f"{sku} as sold")
            for sku, quantity in zip(erp.skus, (3, 2500, 1), strict=True)
        )
        meant = erp.order(buyer, company, lines=lines, payment_terms="Net 45", billing=buyer.billing)
        order = one(connection.write([meant], company))
        for name in ("key", "company_id", "customer_id", "currency", "order_date", "payment_terms", "billing"):
            assert getattr(order, name) == getattr(meant, name), name
        assert [(each.sku, each.quantity, each.unit_price, each.description) for each in order.lines] == [
            (each.sku, each.quantity, each.unit_price, each.description) for each in lines
        ]
        assert order.erp_id
        assert order.untaxed == sum(each.amount for each in order.lines)
        assert order.total == order.untaxed + order.tax

    @pytest.mark.requirement("GB12")
    @settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        lines=st.lists(
            st.tuples(st.integers(1, 5000), st.decimals(Decimal(0), Decimal(10_000), places=4, allow_nan=False)),
            min_size=1,
            max_size=8,
        )
    )
    @pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "JPY"])
    def test_amounts_are_exact_in_every_currency(
        self,
        erp: ErpHarness,
        connection: ERP,
        company: Company,
        buyer: Customer,
        currency: str,
        lines: list[tuple[int, Decimal]],
    ) -> None:
        order_lines = tuple(
            OrderLine(sku=erp.skus[0], quantity=Decimal(quantity), unit_price=price) for quantity, price in lines
        )
        order = one(connection.write([erp.order(buyer, company, currency=currency, lines=order_lines)], company))
        rounding = connection.capabilities.rounding
        expected = [round_to(quantity * price, minor_units(currency), rounding) for quantity, price in lines]
        assert [each.amount for each in order.lines] == expected
        assert order.untaxed == sum(expected)

    def test_fields_of_the_companys_own_travel(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        name, given_value, expected = erp.custom_field
        assert name in connection.fields(SalesOrder)
        order = one(connection.write([erp.order(buyer, company, custom={name: given_value})], company))
        assert erp.stored(order, name) == expected

    def test_a_field_that_the_erp_does_not_have_is_named(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        assert "no_such_field" not in connection.fields(SalesOrder)
        with pytest.raises(ConfigurationError, match="no_such_field"):
            connection.write([erp.order(buyer, company, custom={"no_such_field": "x"})], company)

    @pytest.mark.parametrize("sku", ["O'Brien \\ 100%", "MÖBEL-1 🪑", "0042"])
    def test_a_product_comes_back_as_it_was_written_and_can_be_ordered(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer, sku: str
    ) -> None:
        if Product not in connection.capabilities.writes:
            pytest.skip("this ERP does not take products")
        meant = erp.product(list_price=Decimal("12.50"), currency=company.currency)
        meant = meant.model_copy(update={"key": f"{sku} {meant.key}"})
        product = one(connection.write([meant], company))
        for name in ("key", "name", "list_price", "currency", "is_service", "is_active"):
            assert getattr(product, name) == getattr(meant, name), name
        assert connection.find_one(Product, meant.key, company) == product
        line = OrderLine(sku=meant.key, quantity=Decimal(2), unit_price=Decimal("12.5000"))
        assert one(connection.write([erp.order(buyer, company, lines=(line,))], company)).untaxed == 25

    def test_a_product_that_is_not_sold_any_more_is_inactive_and_is_not_ordered(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        if Product not in connection.capabilities.writes:
            pytest.skip("this ERP does not take products")
        product = one(connection.write([erp.product()], company))
        one(connection.write([product.model_copy(update={"is_active": False})], company))
        found = connection.find_one(Product, product.key)
        assert found
        assert not found.is_active
        line = OrderLine(product_id=product.erp_id, quantity=Decimal(2), unit_price=Decimal("12.5000"))
        (result,) = erp.connect().write([erp.order(buyer, company, lines=(line,))], company)
        assert isinstance(result, Rejected)
        assert product.key in result.error.message
        assert one(connection.write([product], company)).is_active

    def test_a_person_can_open_the_record(self, connection: ERP, buyer: Customer) -> None:
        address = connection.url(buyer)
        assert address is None or str(buyer.erp_id) in address
        assert connection.url(buyer.model_copy(update={"erp_id": None})) is None


def same(left: Customer, right: Customer) -> bool:
    """Whether two customers are one in all that is mapped; the ERP may write a phone number its own way."""
    plain = {"erp_id", "number", "modified_at", "phone"}
    digits = [[char for char in each.phone or "" if char.isdigit()] for each in (left, right)]
    return left.model_dump(exclude=plain) == right.model_dump(exclude=plain) and digits[0] == digits[1]


class TestExactlyOnce:
    def test_writing_again_after_a_look_makes_no_second_record(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        meant = erp.order(buyer, company)
        one(connection.write([meant], company))
        found = connection.find_one(SalesOrder, meant.key)
        assert found
        one(connection.write([meant.model_copy(update={"erp_id": found.erp_id})], company))
        assert erp.count(meant) == 1

    @pytest.mark.requirement("GB02")
    @pytest.mark.parametrize("where", list(Cut))
    @pytest.mark.parametrize("kind", [Customer, SalesOrder])
    def test_a_lost_answer_is_settled_by_key(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer, kind: type[Record], where: Cut
    ) -> None:
        meant = [erp.customer() if kind is Customer else erp.order(buyer, company) for _ in range(3)]
        erp.cut_create(where, kind)
        results = connection.write(meant, company)
        assert [each.record.key for each in results] == [each.key for each in meant]
        assert all(isinstance(each, Written) for each in results)
        assert [erp.count(each) for each in meant] == [1, 1, 1]

    @pytest.mark.requirement("GB02")
    def test_a_request_that_hung_is_not_sent_again_at_once(
        self, erp: ErpHarness, company: Company, buyer: Customer
    ) -> None:
        connection = erp.connect(settle_seconds=0.2)
        meant = erp.order(buyer, company)
        connection.find(SalesOrder, [meant.key])
        erp.cut_create(Cut.BEFORE, SalesOrder, delay=0.6)
        with pytest.raises(TransientError):
            connection.write([meant], company)
        assert erp.count(meant) == 0
        one(connection.write([meant], company))
        assert erp.count(meant) == 1

    @pytest.mark.parametrize("where", list(Cut))
    def test_a_lost_answer_to_an_update_repeats_nothing(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer, where: Cut
    ) -> None:
        second = erp.customer()
        erp.cut_update(where, Customer)
        linked = one(connection.write([buyer.model_copy(update={"key": second.key, "name": "Renamed"})], company))
        assert (linked.name, linked.key, linked.other_keys) == ("Renamed", second.key, (buyer.key,))
        assert (erp.count(buyer), erp.count(second)) == (1, 1)

    @pytest.mark.parametrize("where", list(Cut))
    def test_a_lost_answer_to_a_confirmation_leaves_one_standing_order(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer, where: Cut
    ) -> None:
        drafts = written(connection.write([erp.order(buyer, company) for _ in range(2)], company))
        erp.cut_confirm(where)
        orders = written(connection.confirm(drafts, company))
        assert all(order.status.is_binding and order.number for order in orders)
        assert [erp.count(order) for order in orders] == [1, 1]

    def test_nothing_is_written_while_the_line_is_down_and_all_of_it_after(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        meant = erp.order(buyer, company)
        with erp.down(), pytest.raises(TransientError):
            erp.connect(timeout_seconds=0.5, settle_seconds=0.1).write([meant], company)
        assert erp.count(meant) == 0
        one(connection.write([meant], company))
        assert erp.count(meant) == 1

    def test_an_expired_session_is_renewed_on_the_way(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        meant = erp.order(buyer, company)
        erp.expire_session()
        one(connection.write([meant], company))
        assert erp.count(meant) == 1

    def test_a_record_without_key_and_a_doubled_key_are_refused_before_any_request(
        self, erp: ErpHarness, connection: ERP, company: Company
    ) -> None:
        twice = erp.customer()
        erp.forget_requests()
        nameless, doubled = (
            connection.write([erp.customer(key=None)], company)[0],
            connection.write([twice, twice], company)[1],
        )
        for result in (nameless, doubled):
            assert isinstance(result, Rejected)
            assert isinstance(result.error, UnsupportedRecordError)
        assert erp.count(twice) == 1

    def test_threads_may_share_a_connection(self, erp: ErpHarness, company: Company) -> None:
        connection = erp.connect()
        customers = [erp.customer() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            written([*pool.map(lambda each: connection.write([each], company)[0], customers)])
        assert [erp.count(each) for each in customers] == [1, 1, 1, 1]


class TestUpdates:
    def test_fields_that_are_not_mapped_stay(self, erp: ErpHarness, connection: ERP, company: Company) -> None:
        customer = one(connection.write([erp.customer(phone="+44 113 496 0000", email="a@example.org")], company))
        erp.annotate(customer)
        before = erp.annotations(customer)
        change = {"name": "New name", "phone": "+44 113 496 0999", "email": "b@example.org", "payment_terms": "Net 60"}
        updated = one(connection.write([customer.model_copy(update=change)], company))
        assert same(updated, customer.model_copy(update=change))
        assert erp.annotations(customer) == before

    @pytest.mark.requirement("GB08")
    def test_linking_adds_the_key_and_touches_nothing_else(
        self, erp: ErpHarness, connection: ERP, company: Company
    ) -> None:
        existing = one(connection.write([erp.customer(email="a@example.org")], company))
        erp.annotate(existing)
        before, key = erp.annotations(existing), erp.customer().key
        (result,) = connection.write([existing.model_copy(update={"key": key})], company)
        assert isinstance(result, Written)
        assert not result.created
        changes = {"key": key, "other_keys": (existing.key,)}
        assert same(result.record, existing.model_copy(update=changes))
        assert erp.annotations(existing) == before
        for each in (key, existing.key):
            found = connection.find_one(Customer, each or "")
            assert found
            assert (found.erp_id, found.key) == (existing.erp_id, each)

    def test_an_update_without_differences_writes_nothing(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        assert one(connection.write([buyer], company)) == buyer

    def test_only_fields_that_are_given_count(self, erp: ErpHarness, connection: ERP, company: Company) -> None:
        customer = one(connection.write([erp.customer(email="a@example.org", phone="+44 113 496 0000")], company))
        partial = Customer(erp_id=customer.erp_id, name=customer.name, email="c@example.org")
        assert same(one(connection.write([partial], company)), customer.model_copy(update={"email": "c@example.org"}))

    def test_a_draft_takes_new_lines_and_keeps_what_is_not_mapped(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        draft = one(connection.write([erp.order(buyer, company, customer_reference="PO-1")], company))
        erp.annotate(draft)
        before = erp.annotations(draft)
        lines = (OrderLine(sku=erp.skus[1], quantity=Decimal(7), unit_price=Decimal("1.2500")),)
        changed = one(
            connection.write([draft.model_copy(update={"lines": lines, "customer_reference": "PO-2"})], company)
        )
        assert [(each.sku, each.quantity, each.amount) for each in changed.lines] == [
            (erp.skus[1], Decimal(7), Decimal("8.75"))
        ]
        assert changed.customer_reference == "PO-2"
        assert erp.annotations(changed) == before
        assert erp.count(draft) == 1

    @pytest.mark.parametrize("erp_id", ["999999999", "no id"])
    def test_a_record_that_is_gone_is_rejected_alone(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer, erp_id: str
    ) -> None:
        gone, there = connection.write([erp.customer(erp_id=erp_id), buyer], company)
        assert isinstance(gone, Rejected)
        assert isinstance(there, Written)


class TestContacts:
    @pytest.fixture(autouse=True)
    def _able(self, connection: ERP) -> None:
        if not connection.capabilities.has_contacts:
            pytest.skip("this ERP has no contact persons")

    @pytest.fixture
    def people(self, erp: ErpHarness) -> tuple[Contact, ...]:
        return (
            erp.contact(first_name="Anna Maria", last_name="van der Berg", title="Head of Accounting"),
            erp.contact(first_name=None, last_name="Low", phone=None),
            erp.contact(last_name="Lone", email=None, phone=None),
        )

    @pytest.fixture
    def staffed(self, erp: ErpHarness, connection: ERP, company: Company, people: tuple[Contact, ...]) -> Customer:
        own = {"phone": "+44 113 496 0000", "email": "office@example.org"}
        return one(connection.write([erp.customer(contacts=people, **own)], company))

    def test_they_come_back_as_they_were_written_and_another_client_sees_their_names(
        self, erp: ErpHarness, connection: ERP, people: tuple[Contact, ...], staffed: Customer
    ) -> None:
        assert staffed.contacts == people
        assert (staffed.phone, staffed.email) == ("+44 113 496 0000", "office@example.org")
        assert connection.find_one(Customer, staffed.key or "") == staffed
        seen = erp.contact_data(staffed)
        assert {each.full_name for each in people} <= {name for name, _ in seen}
        assert {each.email for each in people if each.email} <= {value for _, value in seen}

    def test_an_update_without_differences_writes_nothing(
        self, connection: ERP, company: Company, staffed: Customer
    ) -> None:
        assert one(connection.write([staffed], company)) == staffed

    def test_they_are_changed_added_and_removed(
        self, erp: ErpHarness, connection: ERP, company: Company, people: tuple[Contact, ...], staffed: Customer
    ) -> None:
        change = {"last_name": "Bauer", "title": None, "email": "bauer@example.org", "phone": None}
        wanted = (people[0].model_copy(update=change), people[2], erp.contact(last_name="New"))
        updated = one(connection.write([staffed.model_copy(update={"contacts": wanted})], company))
        assert updated.contacts == wanted
        assert (updated.phone, updated.email) == (staffed.phone, staffed.email)
        assert {name for name, _ in erp.contact_data(updated) if name} == {each.full_name for each in wanted}
        assert one(connection.write([updated.model_copy(update={"contacts": ()})], company)).contacts == ()
        assert {value for _, value in erp.contact_data(updated)} == {updated.phone, updated.email}

    def test_they_stay_when_a_record_does_not_set_them(
        self, connection: ERP, company: Company, people: tuple[Contact, ...], staffed: Customer
    ) -> None:
        partial = Customer(erp_id=staffed.erp_id, name="Renamed", email="new@example.org")
        updated = one(connection.write([partial], company))
        assert (updated.name, updated.email, updated.contacts) == ("Renamed", "new@example.org", people)

    def test_what_people_have_noted_is_left_alone_and_not_doubled(
        self, erp: ErpHarness, connection: ERP, company: Company, people: tuple[Contact, ...], staffed: Customer
    ) -> None:
        erp.note_contact(staffed, "goods-inward@example.org", "Goods inward")
        erp.note_contact(staffed, "new@example.org", None)
        newcomer = erp.contact(email="new@example.org", phone=None)
        updated = one(connection.write([staffed.model_copy(update={"contacts": (newcomer,)})], company))
        assert updated.contacts == (newcomer,)
        assert erp.contact_data(updated) == [
            (newcomer.full_name, "new@example.org"),
            ("Goods inward", "goods-inward@example.org"),
            (None, "+44 113 496 0000"),
            (None, "office@example.org"),
        ]

    @pytest.mark.requirement("U09")
    def test_a_wrong_number_or_address_of_a_person_does_not_lose_the_customer(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        wrong = (erp.contact(phone="call Jim, 12", email="nobody at home"),)
        for meant in (erp.customer(contacts=wrong), buyer.model_copy(update={"contacts": wrong})):
            (result,) = connection.write([meant], company)
            assert isinstance(result, Written)
            assert result.record.contacts == wrong
            assert (result.record.phone, result.record.email) == (None, None)
            assert {note.before for note in result.notes} == {"call Jim, 12", "nobody at home"}

    @pytest.mark.parametrize("text", NASTY)
    def test_awkward_names_come_back(self, erp: ErpHarness, connection: ERP, company: Company, text: str) -> None:
        person = erp.contact(first_name="Anna", last_name=text, title=text)
        (contact,) = one(connection.write([erp.customer(contacts=(person,))], company)).contacts
        assert (contact.first_name, contact.last_name, contact.title) == ("Anna", clean_text(text), clean_text(text))


class TestHierarchy:
    def test_a_parent_is_set_changed_and_removed_and_stays_when_a_record_does_not_set_it(
        self, erp: ErpHarness, connection: ERP, company: Company
    ) -> None:
        if not connection.capabilities.has_hierarchy:
            pytest.skip("this ERP has no hierarchy of customers")
        group, holding = written(connection.write([erp.customer(), erp.customer()], company))
        child = one(connection.write([erp.customer(parent_id=group.erp_id)], company))
        assert (child.parent_id, erp.parents(child)) == (group.erp_id, [group.erp_id])
        assert connection.read(Customer, [str(group.erp_id)])[0].parent_id is None
        assert one(connection.write([child], company)) == child
        partial = Customer(erp_id=child.erp_id, name="Renamed")
        assert one(connection.write([partial], company)).parent_id == group.erp_id
        for parent_id, parents in ((holding.erp_id, [holding.erp_id]), (None, [])):
            moved = one(connection.write([child.model_copy(update={"parent_id": parent_id})], company))
            assert (moved.parent_id, erp.parents(child)) == (parent_id, parents)

    def test_a_parent_that_does_not_exist_is_named(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        if not connection.capabilities.has_hierarchy:
            pytest.skip("this ERP has no hierarchy of customers")
        orphans = [erp.customer(parent_id="999999999"), buyer.model_copy(update={"parent_id": "no id"})]
        for result in connection.write(orphans, company):
            assert isinstance(result, Rejected)
            assert isinstance(result.error, MissingReferenceError)
            assert str(result.record.parent_id) in result.error.message
        assert erp.count(orphans[0]) == 0
        (itself,) = connection.write([buyer.model_copy(update={"parent_id": buyer.erp_id})], company)
        assert isinstance(itself, Rejected)


class TestActivity:
    def test_a_customer_that_people_deactivated_is_read_as_such_and_refused_with_a_sentence(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        assert buyer.is_active
        erp.deactivate(buyer)
        (read,) = connection.read(Customer, [str(buyer.erp_id)])
        assert (read.erp_id, read.is_active) == (buyer.erp_id, False)
        refused, other = connection.write([buyer.model_copy(update={"name": "New name"}), erp.customer()], company)
        assert isinstance(refused, Rejected)
        assert buyer.name in refused.error.message
        assert "deactivated" in refused.error.message
        assert isinstance(other, Written)
        assert connection.read(Customer, [str(buyer.erp_id)])[0].name == buyer.name


class TestRefusals:
    @pytest.mark.requirement("T07")
    def test_one_bad_record_among_twenty_is_refused_alone_in_the_erps_words(
        self, erp: ErpHarness, connection: ERP, company: Company
    ) -> None:
        batch = [erp.customer() for _ in range(20)]
        batch[7] = erp.refused_customer()
        results = connection.write(batch, company)
        refused = [index for index, each in enumerate(results) if isinstance(each, Rejected)]
        assert refused == [7]
        error = results[7].error  # type: ignore[union-attr]
        assert isinstance(error, RejectedRecordError)
        assert erp.refused_words in error.message
        assert [erp.count(each) for each in batch] == [int(index != 7) for index in range(20)]

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"currency": "KWD"}, "KWD"),
            ({"payment_terms": "Net 3 years"}, "Net 3 years"),
            ({"lines": (OrderLine(sku="NL-999", quantity=Decimal(1), unit_price=Decimal(1)),)}, "NL-999"),
            ({"customer_id": "999999999"}, "999999999"),
        ],
    )
    def test_what_the_erp_does_not_have_is_named(
        self,
        erp: ErpHarness,
        connection: ERP,
        company: Company,
        buyer: Customer,
        fields: dict[str, Any],
        named: str,
    ) -> None:
        batch = [erp.order(buyer, company, **fields), erp.order(buyer, company)]
        bad, good = connection.write(batch, company)
        assert isinstance(bad, Rejected)
        assert isinstance(bad.error, MissingReferenceError)
        assert named in str(bad.error)
        assert isinstance(good, Written)
        assert [erp.count(each) for each in batch] == [0, 1]

    def test_a_record_type_that_is_not_written_is_refused_before_any_request(
        self, erp: ErpHarness, connection: ERP, company: Company
    ) -> None:
        erp.forget_requests()
        with pytest.raises(UnsupportedRecordError):
            connection.write([Address(city="Leeds")], company)
        assert erp.requests() == 0

    @pytest.mark.requirement("N01")
    def test_the_company_is_honoured(self, erp: ErpHarness, connection: ERP, buyer: Customer) -> None:
        companies = connection.companies()
        if not connection.capabilities.has_subsidiaries:
            assert len(companies) == 1
            return
        orders = {each.id: one(connection.write([erp.order(buyer, each)], each)) for each in companies}
        for company in companies:
            mine = orders[company.id]
            assert (mine.company_id, mine.currency) == (company.id, "EUR")
            found = connection.find(SalesOrder, [each.key for each in orders.values()], company)
            assert {key: [each.erp_id for each in same] for key, same in found.items()} == {mine.key: [mine.erp_id]}
        everywhere = connection.find(SalesOrder, [each.key for each in orders.values()])
        assert len(everywhere) == len(companies)


class TestConfirm:
    def test_a_draft_becomes_a_numbered_binding_order_and_stays_one(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        draft = one(connection.write([erp.order(buyer, company)], company))
        assert not draft.status.is_binding or not connection.capabilities.confirms_orders
        order = one(connection.confirm([draft], company))
        assert order.status.is_binding
        assert order.number
        assert (order.untaxed, order.total, order.lines) == (draft.untaxed, draft.total, draft.lines)
        again = one(connection.confirm([order], company))
        assert (again.number, again.status.is_binding) == (order.number, True)
        assert erp.count(order) == 1

    def test_one_that_cannot_be_confirmed_does_not_hold_the_others_up(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        drafts = written(connection.write([erp.order(buyer, company, lines=()), *_some(erp, buyer, company)], company))
        empty, *others = connection.confirm(drafts, company)
        assert isinstance(empty, Rejected)
        assert [isinstance(each, Written) for each in others] == [True] * 3
        assert all(each.record.status and each.record.status.is_binding for each in others)


def _some(erp: ErpHarness, buyer: Customer, company: Company) -> list[SalesOrder]:
    return [erp.order(buyer, company) for _ in range(3)]


class TestCandidates:
    @pytest.mark.requirement("GB08")
    @pytest.mark.parametrize("shared", ["vat_number", "postal_code", "name"])
    def test_customers_that_share_something_are_offered(
        self, erp: ErpHarness, connection: ERP, company: Company, shared: str
    ) -> None:
        place = Address(street="Turmweg 9", city="Jena", postal_code="D-07743", country="DE")
        fields = {"name": "Möller & Söhne Präzision GmbH", "vat_number": "DE129274202", "billing": place}
        existing = one(connection.write([erp.customer(**fields)], company))
        likenesses = {
            "vat_number": erp.customer(vat_number="DE129274202"),
            "postal_code": erp.customer(billing=Address(postal_code="d 07743")),
            "name": erp.customer(name="MOELLER & SOEHNE PRAEZISION"),
        }
        offered = connection.candidates([erp.customer(), likenesses[shared]])
        assert existing.erp_id in {each.erp_id for each in offered}

    def test_a_page_of_200_is_searched_in_a_few_requests(self, erp: ErpHarness, connection: ERP) -> None:
        page = [
            erp.customer(
                name=f"Firm {index} of {chr(65 + index % 26)}", billing=Address(postal_code=f"{10000 + index}")
            )
            for index in range(200)
        ]
        connection.candidates(page[:1])
        erp.forget_requests()
        connection.candidates(page)
        assert erp.requests() <= 12

    def test_nobody_is_offered_for_nobody(self, connection: ERP) -> None:
        assert connection.candidates([]) == []


class TestChanges:
    @pytest.mark.requirement("GB11")
    @pytest.mark.parametrize("kind", [Customer, SalesOrder])
    def test_changes_come_in_order_once_and_with_all_ties(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer, kind: type[Record]
    ) -> None:
        if kind not in connection.capabilities.changes:
            pytest.skip("this ERP does not report such changes")
        batch = [erp.customer() if kind is Customer else erp.order(buyer, company) for _ in range(5)]
        records = written(connection.write(batch, company))
        erp.change(records[1])
        start = Cursor(records[0].modified_at)
        found = _changed(connection, kind, start)
        assert [each.erp_id for each in found if each.erp_id in {record.erp_id for record in records}] == [
            *(record.erp_id for index, record in enumerate(records) if index != 1),
            records[1].erp_id,
        ]
        assert [each.modified_at for each in found] == sorted(each.modified_at for each in found)
        last = Cursor(found[-1].modified_at, found[-1].erp_id)
        assert found[-1] in _changed(connection, kind, last), "a read begins with its own place"
        assert not _changed(connection, kind, Cursor(found[-1].modified_at + timedelta(seconds=1)))

    def test_a_customer_changes_with_its_orders_and_invoices_once_and_in_order(
        self, erp: ErpHarness, connection: ERP, company: Company
    ) -> None:
        if Customer not in connection.capabilities.changes:
            pytest.skip("this ERP does not report such changes")
        buyers = written(connection.write([erp.customer() for _ in range(3)], company))
        for does in ("orders", "is invoiced"):
            start = _now(erp, connection, company)
            if does == "orders":
                drafts = written(connection.write([erp.order(buyers[index], company) for index in (2, 0)], company))
                orders = [one(connection.confirm([draft], company)) for draft in drafts]
                expected = [buyers[2].erp_id, buyers[0].erp_id]
            else:
                erp.invoice(orders[1])
                expected = [buyers[0].erp_id]
            found = _changed(connection, Customer, start)
            mine = [each for each in found if each.erp_id in {buyer.erp_id for buyer in buyers}]
            assert [each.erp_id for each in mine] == expected
            assert all(each.modified_at >= start.modified_at for each in mine)
            assert [each.modified_at for each in found] == sorted(each.modified_at for each in found)

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_not_reported_is_said_to_be_so(self, connection: ERP, kind: type[Record]) -> None:
        if kind not in connection.capabilities.changes:
            with pytest.raises(UnsupportedRecordError):
                next(iter(connection.changes(kind, None)))


def _now(erp: ErpHarness, connection: ERP, company: Company) -> Cursor:
    """A place right after the last change, by the ERP's own clock."""
    last = one(connection.write([erp.customer()], company))
    return Cursor(last.modified_at + timedelta(microseconds=1))


def _changed(connection: ERP, kind: type[Record], since: Cursor) -> list[Any]:
    return [each for page in connection.changes(kind, since) for each in page]


class TestCapabilities:
    """What a connector declares is what it does; the other laws show that it does what it declares."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_not_declared_is_refused_before_any_request(
        self, erp: ErpHarness, connection: ERP, company: Company, kind: type[Record]
    ) -> None:
        can = connection.capabilities
        erp.forget_requests()
        if kind not in can.reads:
            with pytest.raises(ConnectorError):
                connection.find(kind, ["x"])
        if kind not in can.writes:
            with pytest.raises(UnsupportedRecordError):
                connection.write([kind.model_construct()], company)
        assert erp.requests() == 0

    @pytest.mark.parametrize("kind", [Customer, Product, SalesOrder])
    def test_an_erp_with_records_is_not_empty(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer, kind: type[Record]
    ) -> None:
        one(connection.write([erp.order(buyer, company)], company))
        assert not connection.is_empty(kind)

    def test_batches_are_as_large_as_declared(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        connection.write([erp.order(buyer, company)], company)
        erp.forget_requests()
        written(connection.write([erp.order(buyer, company) for _ in range(30)], company))
        needed = -(-30 // connection.capabilities.batch_size)
        assert erp.requests() <= needed * 4

    def test_credit_positions_are_by_customer_and_in_the_companys_currency(
        self, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        for customer_id, position in connection.credit([str(buyer.erp_id)], company).items():
            assert customer_id == buyer.erp_id
            assert position.currency == company.currency
            assert position.used == 0

    def test_what_is_outstanding_is_what_was_invoiced_and_who_has_an_order_has_bought(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        other = one(connection.write([erp.customer()], company))
        ids = [str(buyer.erp_id), str(other.erp_id), "999999999", "no id"]
        if not connection.credit(ids, company):
            pytest.skip("this ERP keeps no credit")
        assert connection.have_bought(ids) == frozenset()
        draft = one(connection.write([erp.order(buyer, company, currency=company.currency)], company))
        order = one(connection.confirm([draft], company))
        assert connection.credit(ids, company)[ids[0]].outstanding == 0
        assert connection.have_bought(ids) == {buyer.erp_id}
        total = erp.invoice(order)
        positions = connection.credit(ids, company)
        assert positions.keys() == set(ids[:2])
        assert (positions[ids[0]].outstanding, positions[ids[0]].used, total > 0) == (total, total, True)
        assert positions[ids[1]].outstanding == 0

    @pytest.mark.requirement("R04")
    def test_a_submitted_order_waits_until_somebody_confirms_it_and_is_no_purchase_before(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        draft = one(connection.write([erp.order(buyer, company)], company))
        if not connection.capabilities.submits_orders:
            with pytest.raises(UnsupportedRecordError):
                connection.submit([draft], company)
            return
        for _ in range(2):
            assert one(connection.submit([draft], company)).status is OrderStatus.PENDING_APPROVAL
        bought = connection.have_bought([str(buyer.erp_id)], standing_only=True)
        assert not bought
        confirmed = one(connection.confirm([draft], company))
        assert confirmed.status is not None
        assert confirmed.status.is_binding
        assert connection.have_bought([str(buyer.erp_id)], standing_only=True) == {buyer.erp_id}
        assert one(connection.submit([draft], company)).status is confirmed.status

    def test_order_statuses_are_the_canonical_ones(
        self, erp: ErpHarness, connection: ERP, company: Company, buyer: Customer
    ) -> None:
        draft = one(connection.write([erp.order(buyer, company)], company))
        assert draft.status in set(OrderStatus)
