"""Laws that every CRM connection keeps, whatever the system behind it.

A harness stands for one CRM: it connects, lets another client type in and read records, and makes the system misbehave.
A new CRM adds its harness (a fixture `<name>_crm`) to `HARNESSES` and keeps all laws.
"""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.blocks.crm.values import OBJECT_OF_SOURCE, ContactScope, CrmObject, CustomFields, Update
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    GoneRecordError,
    LockedRecordError,
    RateLimitError,
    RejectedRecordError,
    TransientError,
    UnsupportedRecordError,
)
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Account, AccountStatus, Address, Contact, Customer, Deal, DealSource

HARNESSES = ["salesforce"]
WON = DealSource.CLOSED_WON
AWKWARD = 'O\'Brien \\ 100% _Pure_ "Ltd" – Zürich 🚚\u00a0;--'


class CrmHarness(Protocol):
    """What the laws need of a CRM."""

    secrets: list[str]

    def connect(self) -> CRM:
        """A connection that works."""

    def connect_wrongly(self, password: str) -> CRM:
        """A connection with a wrong password."""

    def connect_nowhere(self) -> CRM:
        """A connection to an address where nothing listens."""

    def sell(self, names: Sequence[str], *, won: bool = True, amounts: Sequence[str] = ("100.00",)) -> list[str]:
        """Deals, each with one line for each amount; their ids."""

    def change(self, record_id: str) -> None:
        """Modify a deal."""

    def delete(self, record_id: str) -> None:
        """Delete a deal."""

    def stored(self, record_id: str, field: str) -> Any:
        """Value of a canonical field of a deal, as another client reads it."""

    def open_accounts(self, accounts: Sequence[Mapping[str, Any]]) -> list[str]:
        """Accounts with canonical values (`name`, `phone`, `vat_number`, `postal_code`, `erp_id`); their ids."""

    def add_contact(self, account: str | None, **fields: Any) -> str:
        """A contact with canonical values, as of somebody new unless it says otherwise; its id."""

    def change_record(self, record_id: str, **fields: Any) -> None:
        """Change canonical values of an account or contact."""

    def delete_record(self, record_id: str) -> None:
        """Put an account or contact into the recycle bin."""

    def undelete_record(self, record_id: str) -> None:
        """Take it out again."""

    def merge_accounts(self, master: str, loser: str) -> None:
        """Merge one account into another one."""

    def set_clock(self, ahead: float) -> None:
        """Let the system's clock be so many seconds ahead of ours."""

    def lock(self, record_id: str, seconds: float) -> None:
        """Let somebody else hold a record."""

    def expire_session(self, requests: int = 1) -> None:
        """End the session at the next request, or at the next few, which are all on their way by then."""

    def throttle(self) -> None:
        """Refuse everything because of too many requests, until further notice."""

    def lose_write_answer(self) -> None:
        """Carry the next write out, and break the connection before its answer."""

    def go_down(self) -> None:
        """Answer nothing but errors, until further notice."""

    def requests(self) -> int:
        """Requests that have arrived since the harness was made or `forget_requests`."""

    def sign_ins(self) -> int:
        """Sign-ins among these requests."""

    def forget_requests(self) -> None:
        """Count from zero."""


@pytest.fixture(params=HARNESSES)
def crm(request: pytest.FixtureRequest) -> CrmHarness:
    return request.getfixturevalue(f"{request.param}_crm")


def read(connection: CRM, **options: Any) -> list[Page[Deal]]:
    return list(connection.deals(WON, **options))


def deals_of(pages: Sequence[Page[Deal]]) -> list[Deal]:
    return [deal for page in pages for deal in page]


def place(deal: Deal) -> Cursor:
    assert deal.modified_at
    return Cursor(deal.modified_at, deal.crm_id)


class TestCheck:
    def test_it_says_which_system_and_which_user_it_is(self, crm: CrmHarness) -> None:
        info = crm.connect().check()
        assert info.name
        assert info.user

    @pytest.mark.requirement("T07")
    def test_wrong_credentials_are_told_apart_and_the_password_does_not_show(
        self, crm: CrmHarness, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        connection = crm.connect_wrongly("c4nary-wr0ng-password")
        with pytest.raises(AuthenticationError) as caught:
            connection.check()
        shown = [caplog.text, repr(connection), str(connection), *traceback.format_exception(caught.value)]
        assert "c4nary-wr0ng-password" not in "".join(shown)

    def test_a_refused_sign_in_is_not_tried_again(self, crm: CrmHarness) -> None:
        connection = crm.connect_wrongly("wrong")
        for _ in range(3):
            with pytest.raises(AuthenticationError):
                connection.check()
        assert crm.requests() == 1, "systems lock users after some wrong passwords"

    @pytest.mark.requirement("T02")
    def test_a_system_that_is_not_there_is_a_matter_of_time(self, crm: CrmHarness) -> None:
        with pytest.raises(TransientError, match="check the address"):
            crm.connect_nowhere().check()


class TestReading:
    @pytest.mark.requirement("GB11")
    def test_every_deal_comes_once_in_order_and_pages_know_their_place(self, crm: CrmHarness) -> None:
        ids = crm.sell([f"Deal {n}" for n in range(25)])
        crm.sell(["still open"], won=False)
        pages = read(crm.connect(), page_size=10)
        assert [len(page) for page in pages] == [10, 10, 5]
        assert [page.number for page in pages] == [1, 2, 3]
        assert {page.expected for page in pages} == {25}
        deals = deals_of(pages)
        assert {deal.crm_id for deal in deals} == set(ids)
        assert [place(deal) for deal in deals] == sorted(place(deal) for deal in deals)
        assert [page.cursor for page in pages] == [place(page.records[-1]) for page in pages]

    @pytest.mark.requirement("GB11")
    def test_reading_on_from_any_place_loses_nothing(self, crm: CrmHarness) -> None:
        crm.sell([f"Deal {n}" for n in range(12)])
        connection = crm.connect()
        deals = deals_of(read(connection))
        for index, deal in enumerate(deals):
            again = read(connection, since=place(deal), overlap=timedelta(0))
            rest = {later.crm_id for later in deals[index:]}
            assert rest <= {found.crm_id for found in deals_of(again)}

    @pytest.mark.requirement("GB11")
    def test_the_overlap_reads_again_what_came_shortly_before(self, crm: CrmHarness) -> None:
        crm.sell(["Deal 1", "Deal 2"])
        connection = crm.connect()
        last = place(deals_of(read(connection))[-1])
        later = Cursor(last.modified_at + timedelta(minutes=5), last.record_id)
        assert deals_of(read(connection, since=later, overlap=timedelta(0))) == []
        assert len(deals_of(read(connection, since=later, overlap=timedelta(minutes=10)))) == 2

    @pytest.mark.requirement("O08")
    def test_open_deals_and_those_won_in_a_span_of_days_are_told_apart(self, crm: CrmHarness) -> None:
        won, still_open = crm.sell(["Won 1", "Won 2", "Won 3"]), crm.sell(["Open 1", "Open 2", "Open 3"], won=False)
        connection = crm.connect()
        pages = list(connection.open_deals(page_size=2))
        assert {deal.crm_id for deal in deals_of(pages)} == set(still_open)
        assert ({page.expected for page in pages}, [len(page) for page in pages]) == ({3}, [2, 1])
        deals = {deal.crm_id: deal for deal in deals_of(read(connection))}
        days = [day for deal in deals.values() if (day := deal.closed_on)]
        found = deals_of(list(connection.won_deals(min(days), max(days))))
        assert {deal.crm_id: deal for deal in found} == deals == {key: deals[key] for key in won}
        day = timedelta(days=1)
        assert deals_of(list(connection.won_deals(max(days) + day, max(days) + 2 * day))) == []
        assert deals_of(list(connection.won_deals(min(days) - 2 * day, min(days) - day))) == []

    def test_a_deal_that_was_changed_comes_again(self, crm: CrmHarness) -> None:
        first, _ = crm.sell(["Deal 1", "Deal 2"])
        connection = crm.connect()
        later = Cursor(place(deals_of(read(connection))[-1]).modified_at + timedelta(seconds=1))
        crm.change(first)
        assert [deal.crm_id for deal in deals_of(read(connection, since=later, overlap=timedelta(0)))] == [first]

    @pytest.mark.requirement("GB06")
    def test_named_deals_come_whatever_their_state_and_absent_ones_are_left_out(self, crm: CrmHarness) -> None:
        (won,) = crm.sell(["won"])
        (still_open,) = crm.sell(["open"], won=False)
        (gone,) = crm.sell(["gone"])
        crm.delete(gone)
        absent = won[:8] + "zzzzzzz"
        connection = crm.connect()
        deals = {
            deal.crm_id: deal for deal in deals_of(read(connection, ids=[won[:15], won, still_open, gone, absent]))
        }
        assert set(deals) == {won, still_open}
        assert connection.is_deal(deals[won])
        assert not connection.is_deal(deals[still_open])

    def test_what_is_no_id_is_named(self, crm: CrmHarness) -> None:
        with pytest.raises(ConfigurationError, match="O'Brien"):
            read(crm.connect(), ids=["O'Brien"])

    @pytest.mark.requirement("N01")
    def test_amounts_are_exact_and_texts_unharmed(self, crm: CrmHarness) -> None:
        crm.sell([AWKWARD], amounts=["0.01", "33.33", "1234567.89"])
        (deal,) = deals_of(read(crm.connect()))
        assert deal.name == AWKWARD
        assert [line.amount for line in deal.lines] == [Decimal("0.01"), Decimal("33.33"), Decimal("1234567.89")]
        assert deal.total == Decimal("1234601.23")
        assert deal.modified_at is not None
        assert deal.modified_at.utcoffset() == timedelta(0)

    def test_no_deal_gives_no_page(self, crm: CrmHarness) -> None:
        assert read(crm.connect()) == []
        assert read(crm.connect(), ids=[]) == []

    def test_accounts_read_by_id_are_those_of_the_deals(self, crm: CrmHarness) -> None:
        crm.sell(["Deal"])
        connection = crm.connect()
        (deal,) = deals_of(read(connection))
        assert deal.account
        assert connection.accounts([deal.account.crm_id[:15], deal.crm_id]) == [deal.account]


class TestFields:
    @pytest.mark.requirement("GB13")
    def test_a_complete_system_misses_nothing(self, crm: CrmHarness) -> None:
        for source in OBJECT_OF_SOURCE:
            assert crm.connect().missing_fields(source, CustomFields()) == []

    @pytest.mark.requirement("GB17")
    def test_an_unknown_field_is_named_before_anything_is_read(self, crm: CrmHarness) -> None:
        custom = CustomFields(account=("No_Such_A",), deal=("No_Such_B",), line=("No_Such_C",))
        missing = crm.connect().missing_fields(WON, custom)
        assert [name.split(".")[-1] for name in missing] == ["No_Such_B", "No_Such_C", "No_Such_A"]

    @pytest.mark.requirement("GB17")
    def test_an_unknown_field_stops_a_read_with_its_name(self, crm: CrmHarness) -> None:
        with pytest.raises(ConfigurationError, match="No_Such_B"):
            read(crm.connect(), custom=CustomFields(deal=("No_Such_B",)))


def order_number(record_id: str, number: str, **more: Any) -> Update:
    return Update(CrmObject.OPPORTUNITY, record_id, {"erp_order_number": number, **more})


class TestWritingBack:
    @pytest.mark.requirement("F07")
    def test_another_client_sees_what_was_written(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        update = order_number(
            deal, "SO-1", erp_status="Approved", erp_amount=Decimal("100.10"), erp_sync_error=AWKWARD, erp_id="42"
        )
        (result,) = crm.connect().write_back([update])
        assert result.error is None
        assert result.update is update
        assert crm.stored(deal, "erp_order_number") == "SO-1"
        assert crm.stored(deal, "erp_amount") == Decimal("100.10")
        assert crm.stored(deal, "erp_sync_error") == AWKWARD

    def test_what_was_written_reads_back(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        connection = crm.connect()
        values = {"erp_order_number": "SO-1", "erp_status": "Approved", "erp_amount": Decimal("100.10"), "erp_id": "42"}
        connection.write_back([Update(CrmObject.OPPORTUNITY, deal, values)])
        (found,) = deals_of(read(connection))
        assert {name: getattr(found, name) for name in values} == values

    def test_an_empty_value_clears_the_field(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        connection = crm.connect()
        connection.write_back([order_number(deal, "SO-1", erp_sync_error="locked")])
        connection.write_back([order_number(deal, "SO-1", erp_sync_error=None)])
        assert not crm.stored(deal, "erp_sync_error")

    @pytest.mark.requirement("T06")
    def test_a_refused_row_has_the_systems_own_words_and_the_others_go_through(self, crm: CrmHarness) -> None:
        ids = crm.sell(["first", "gone", "last"])
        crm.delete(ids[1])
        results = crm.connect().write_back([order_number(deal, f"SO-{n}") for n, deal in enumerate(ids)])
        assert [result.update.record_id for result in results] == ids
        first, refused, last = (result.error for result in results)
        assert first is None
        assert last is None
        assert isinstance(refused, GoneRecordError)
        assert refused.message
        assert refused.code
        assert crm.stored(ids[2], "erp_order_number") == "SO-2"

    def test_a_long_message_is_cut_and_not_refused(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        (result,) = crm.connect().write_back([order_number(deal, "SO-1", erp_sync_error="x🚚" * 40_000)])
        assert result.error is None
        assert crm.stored(deal, "erp_sync_error").startswith("x🚚x🚚")

    def test_two_updates_of_one_record_both_arrive(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        updates = [order_number(deal, "SO-1"), Update(CrmObject.OPPORTUNITY, deal[:15], {"erp_status": "Shipped"})]
        assert [result.error for result in crm.connect().write_back(updates)] == [None, None]
        assert crm.stored(deal, "erp_order_number") == "SO-1"
        assert crm.stored(deal, "erp_status") == "Shipped"

    def test_what_cannot_be_written_is_refused_before_any_request(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        connection = crm.connect()
        crm.forget_requests()
        wrong = [
            Update(CrmObject.OPPORTUNITY, deal, {"amount": Decimal(1)}),
            Update(CrmObject.OPPORTUNITY, "no id", {"erp_status": "x"}),
            Update(CrmObject.OPPORTUNITY, deal, {"erp_amount": 0.1}),
        ]
        results = connection.write_back(wrong)
        assert all(isinstance(result.error, UnsupportedRecordError) for result in results)
        assert crm.requests() == 0

    @pytest.mark.requirement("GB15")
    def test_a_record_that_somebody_holds_for_a_moment_is_written_and_one_held_for_long_is_told(
        self, crm: CrmHarness
    ) -> None:
        for_a_moment, for_long = crm.sell(["short", "long"])
        crm.lock(for_a_moment, 0.6)
        crm.lock(for_long, 60)
        written, held = crm.connect().write_back([order_number(for_a_moment, "SO-1"), order_number(for_long, "SO-2")])
        assert written.error is None
        assert isinstance(held.error, LockedRecordError)
        assert crm.stored(for_a_moment, "erp_order_number") == "SO-1"

    @pytest.mark.requirement("GB02")
    def test_a_write_whose_answer_was_lost_is_made_good(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        crm.lose_write_answer()
        (result,) = crm.connect().write_back([order_number(deal, "SO-1")])
        assert result.error is None
        assert crm.stored(deal, "erp_order_number") == "SO-1"

    def test_nothing_to_write_asks_nothing(self, crm: CrmHarness) -> None:
        connection = crm.connect()
        crm.forget_requests()
        assert connection.write_back([]) == []
        assert crm.requests() == 0


class TestTrouble:
    @pytest.mark.requirement("T01")
    def test_a_session_that_expires_in_the_middle_is_renewed(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        connection = crm.connect()
        read(connection)
        crm.expire_session()
        assert len(deals_of(read(connection))) == 1
        crm.expire_session()
        assert connection.write_back([order_number(deal, "SO-1")])[0].error is None

    @pytest.mark.requirement("T02")
    def test_a_system_that_wants_no_more_requests_is_left_alone_soon(self, crm: CrmHarness) -> None:
        connection = crm.connect()
        connection.check()
        crm.forget_requests()
        crm.throttle()
        with pytest.raises(RateLimitError):
            read(connection)
        assert crm.requests() <= 10

    @pytest.mark.requirement("T02")
    def test_a_system_that_is_down_is_a_matter_of_time(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        connection = crm.connect()
        connection.check()
        crm.go_down()
        calls: list[Callable[[], Any]] = [
            lambda: read(connection),
            lambda: connection.write_back([order_number(deal, "SO-1")]),
        ]
        for call in calls:
            with pytest.raises(TransientError):
                call()

    def test_no_secret_shows_in_errors_logs_or_copies(self, crm: CrmHarness, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        connection = crm.connect()
        connection.check()
        crm.throttle()
        with pytest.raises(ConnectorError) as caught:
            connection.check()
        shown = caplog.text + repr(connection) + "".join(traceback.format_exception(caught.value))
        assert [secret for secret in crm.secrets if secret in shown] == []


class TestConnection:
    @pytest.mark.requirement("GB16")
    def test_calls_are_counted_as_the_system_counts_them(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        connection = crm.connect()
        crm.forget_requests()
        connection.check()
        read(connection)
        connection.write_back([order_number(deal, "SO-1")])
        assert connection.calls.total == crm.requests()
        assert connection.calls.total == sum(connection.calls.by_endpoint.values())

    def test_threads_share_one_session_and_renew_it_once(self, crm: CrmHarness) -> None:
        crm.sell([f"Deal {n}" for n in range(3)])
        connection = crm.connect()
        crm.forget_requests()
        with ThreadPoolExecutor(4) as pool:
            for sign_ins in (1, 2):
                found = list(pool.map(lambda _: len(deals_of(read(connection))), range(4)))
                assert found == [3] * 4
                assert crm.sign_ins() == sign_ins
                crm.expire_session(requests=4)

    def test_a_copy_and_a_pickled_connection_work_on_their_own(self, crm: CrmHarness) -> None:
        connection = crm.connect()
        connection.check()
        for other in (copy.deepcopy(connection), pickle.loads(pickle.dumps(connection))):
            assert other.check().user == connection.check().user

    def test_a_record_has_an_address(self, crm: CrmHarness) -> None:
        (deal,) = crm.sell(["Deal"])
        url = crm.connect().url(deal)
        assert url.startswith("http")
        assert deal in url


HOUR = timedelta(hours=1)
AT_ONCE = timedelta(0)
STATUS = AccountStatus(
    erp_customer_number="K-100",
    erp_credit_limit=Decimal("50000.00"),
    erp_outstanding=Decimal("1234567890123.45"),
    erp_credit_used=Decimal("-0.01"),
    erp_credit_currency="EUR",
    erp_payment_terms="30 Tage netto",
    erp_sync_status="Manual Review",
    erp_sync_error=AWKWARD,
)
BILLING = Address(street="Rue 1\nBâtiment B", city="Lyon", state="Rhône", postal_code="69001", country="France")
SHIPPING = Address(street="Dock 4", city="Genova", postal_code="16126", country="Italy")


def accounts_of(connection: CRM, **options: Any) -> list[Account]:
    return [account for page in connection.account_pages(**options) for account in page]


def named(connection: CRM, *ids: str, **options: Any) -> list[Account]:
    """Accounts in the order of their ids."""
    found = {account.crm_id: account for account in accounts_of(connection, ids=ids, **options)}
    return [found[record_id] for record_id in ids]


def account_place(account: Account) -> Cursor:
    assert account.modified_at
    return Cursor(account.modified_at, account.crm_id)


def after_all(connection: CRM) -> Cursor:
    """A place behind everything that has been changed so far."""
    return Cursor(max(account_place(account) for account in accounts_of(connection)).modified_at + HOUR / 2)


class TestReadingAccounts:
    @pytest.mark.requirement("GB11")
    def test_every_account_comes_once_in_order_and_pages_know_their_place(self, crm: CrmHarness) -> None:
        ids = crm.open_accounts([{"name": f"Account {number}"} for number in range(24)])
        pages = list(crm.connect().account_pages(page_size=10))
        assert [page.number for page in pages] == [1, 2, 3]
        accounts = [account for page in pages for account in page]
        assert {page.expected for page in pages} == {len(accounts)}
        assert len({account.crm_id for account in accounts}) == len(accounts)
        assert {account.crm_id for account in accounts} >= set(ids)
        places = [account_place(account) for account in accounts]
        assert places == sorted(places)
        assert [page.cursor for page in pages] == [account_place(page.records[-1]) for page in pages]

    @pytest.mark.requirement("GB11")
    def test_reading_accounts_on_from_any_place_loses_nothing(self, crm: CrmHarness) -> None:
        crm.open_accounts([{"name": f"Account {number}"} for number in range(8)])
        connection = crm.connect()
        accounts = accounts_of(connection)
        for index, account in enumerate(accounts):
            again = accounts_of(connection, since=account_place(account), overlap=AT_ONCE)
            assert {each.crm_id for each in accounts[index:]} <= {each.crm_id for each in again}

    @pytest.mark.requirement("GB09")
    def test_deleted_undeleted_and_merged_accounts_are_news_with_their_flags(self, crm: CrmHarness) -> None:
        names = ("deleted", "undeleted", "loser", "winner", "changed", "untouched")
        deleted, undeleted, loser, winner, changed, _ = crm.open_accounts([{"name": name} for name in names])
        crm.delete_record(undeleted)
        connection = crm.connect()
        later = after_all(connection)
        crm.set_clock(HOUR.total_seconds())
        crm.delete_record(deleted)
        crm.undelete_record(undeleted)
        crm.merge_accounts(winner, loser)
        crm.change_record(changed, phone="1")
        news = {account.crm_id: account for account in accounts_of(connection, since=later, overlap=AT_ONCE)}
        flags = {key: (account.is_deleted, account.merged_into) for key, account in news.items()}
        assert flags == {
            deleted: (True, None),
            undeleted: (False, None),
            loser: (True, winner),
            winner: (False, None),
            changed: (False, None),
        }
        assert news[loser].name == "loser"
        living = {account.crm_id for account in accounts_of(connection)}
        assert living >= {undeleted, winner, changed}
        assert not living & {deleted, loser}

    def test_the_overlap_reads_accounts_again_that_changed_shortly_before(self, crm: CrmHarness) -> None:
        connection = crm.connect()
        everything = accounts_of(connection)
        later = after_all(connection)
        assert accounts_of(connection, since=later) == []
        assert accounts_of(connection, since=later, overlap=HOUR) == everything

    @pytest.mark.requirement("GB09")
    def test_named_accounts_come_deleted_or_not_and_absent_ones_are_left_out(self, crm: CrmHarness) -> None:
        living, deleted = crm.open_accounts([{"name": "living"}, {"name": "deleted"}])
        crm.delete_record(deleted)
        connection = crm.connect()
        pages = list(connection.account_pages(ids=[living[:15], deleted, living[:8] + "zzzzzzz"]))
        found = {account.crm_id: account.is_deleted for page in pages for account in page}
        assert found == {living: False, deleted: True}
        assert {(page.cursor, page.expected) for page in pages} == {(None, None)}
        assert accounts_of(connection, ids=[]) == []

    def test_contacts_come_as_they_are_asked_for_oldest_first(self, crm: CrmHarness) -> None:
        (account,) = crm.open_accounts([{"name": "Acme"}])
        lab = crm.add_contact(account, first_name="Ann", last_name="Lab", email="lab@acme.example", phone="+1 206")
        pays = crm.add_contact(account, last_name="Pay", email="pay@acme.example", title="Accounts Payable")
        gone = crm.add_contact(account, last_name="Gone", email="gone@acme.example", title="Billing")
        crm.delete_record(gone)
        connection = crm.connect()
        (bare,) = named(connection, account)
        assert bare.contacts == ()
        (billing,) = named(connection, account, contacts=ContactScope.BILLING)
        assert [contact.key for contact in billing.contacts] == [pays]
        (every,) = named(connection, account, contacts=ContactScope.ALL)
        assert [contact.key for contact in every.contacts] == [lab, pays]
        assert every.contacts[0] == Contact(
            key=lab,
            account_key=account,
            first_name="Ann",
            last_name="Lab",
            email="lab@acme.example",
            phone="+1 206",
            modified_at=every.contacts[0].modified_at,
        )
        assert every.contacts[0].modified_at is not None
        assert every.contacts[1].title == "Accounts Payable"

    def test_without_anybody_in_finance_the_oldest_contact_with_an_address_is_written_to(self, crm: CrmHarness) -> None:
        reachable, mute, empty = crm.open_accounts([{"name": name} for name in ("reachable", "mute", "empty")])
        crm.add_contact(reachable)
        first = crm.add_contact(reachable, email="first@acme.example")
        crm.add_contact(reachable, email="second@acme.example")
        crm.add_contact(mute)
        found = named(crm.connect(), reachable, mute, empty, contacts=ContactScope.BILLING)
        assert [[contact.key for contact in account.contacts] for account in found] == [[first], [], []]

    @pytest.mark.requirement("GB11")
    def test_contacts_tell_which_accounts_to_look_at_again(self, crm: CrmHarness) -> None:
        one, other = crm.open_accounts([{"name": "one"}, {"name": "other"}])
        changed, moved, deleted, old = (crm.add_contact(one) for _ in range(4))
        connection = crm.connect()
        later = after_all(connection)
        crm.set_clock(HOUR.total_seconds())
        crm.change_record(changed, phone="1")
        crm.change_record(moved, account_key=other)
        crm.delete_record(deleted)
        crm.add_contact(None)
        pages = list(connection.contact_accounts(since=later, overlap=AT_ONCE, page_size=2))
        found = [contact for page in pages for contact in page]
        assert {contact.key: contact.account_key for contact in found} == {changed: one, moved: other, deleted: one}
        assert all(contact.modified_at and contact.last_name is None for contact in found)
        assert [len(page) for page in pages] == [2, 1]
        assert pages[-1].cursor == Cursor(found[-1].modified_at or later.modified_at, found[-1].key or "")
        again = connection.contact_accounts(since=later, overlap=HOUR)
        assert {contact.key for page in again for contact in page} == {changed, moved, deleted, old}


class TestAccountFields:
    @pytest.mark.requirement("GB13")
    def test_a_complete_system_misses_nothing_for_accounts(self, crm: CrmHarness) -> None:
        assert crm.connect().missing_account_fields(CustomFields()) == []

    @pytest.mark.requirement("GB17")
    def test_an_unknown_account_field_is_named_once_whether_read_or_written(self, crm: CrmHarness) -> None:
        connection = crm.connect()
        missing = connection.missing_account_fields(CustomFields(account=("No_Such_A",)), ["No_Such_A", "No_Such_B"])
        assert [name.split(".")[-1] for name in missing] == ["No_Such_A", "No_Such_B"]
        with pytest.raises(ConfigurationError, match="No_Such_A"):
            accounts_of(connection, custom=CustomFields(account=("No_Such_A",)))


class TestWritingAccounts:
    @pytest.mark.requirement("N01")
    def test_what_is_written_to_an_account_reads_back(self, crm: CrmHarness) -> None:
        account, parent = crm.open_accounts([{"name": "Acme"}, {"name": "Acme Holding"}])
        kept = {"name": AWKWARD.replace("\u00a0", " "), "phone": "+49 30 1", "vat_number": "DE136695976"}
        kept |= {"payment_terms": "Net 45", "type": "Customer", "erp_id": "C-1", "parent_id": parent}
        addresses = {"billing": BILLING, "shipping": SHIPPING}
        connection = crm.connect()
        (result,) = connection.write_back(
            [Update(CrmObject.ACCOUNT, account, {**kept, **addresses, **STATUS.model_dump()})]
        )
        assert result.error is None
        (found,) = named(connection, account)
        assert {name: getattr(found, name) for name in kept} == kept
        assert (found.billing, found.shipping, found.shown) == (BILLING, SHIPPING, STATUS)

    def test_empty_values_clear_an_account_and_an_address_is_written_whole(self, crm: CrmHarness) -> None:
        (account,) = crm.open_accounts([{"name": "Acme", "phone": "1", "vat_number": "DE136695976"}])
        connection = crm.connect()
        full = {"billing": BILLING, "shipping": SHIPPING, **STATUS.model_dump()}
        connection.write_back([Update(CrmObject.ACCOUNT, account, full)])
        empty = dict.fromkeys(["phone", "vat_number", *AccountStatus.model_fields])
        cleared = {**empty, "billing": Address(city="Paris"), "shipping": None}
        (result,) = connection.write_back([Update(CrmObject.ACCOUNT, account, cleared)])
        assert result.error is None
        (found,) = named(connection, account)
        assert (found.phone, found.vat_number, found.shown) == (None, None, AccountStatus())
        assert (found.billing, found.shipping) == (Address(city="Paris"), Address())

    def test_contacts_are_written_and_what_people_read_is_cut_to_its_field(self, crm: CrmHarness) -> None:
        (account,) = crm.open_accounts([{"name": "Acme"}])
        contact = crm.add_contact(account, phone="1")
        values = {"first_name": "Ada", "last_name": "King", "title": "CFO", "email": "ada@acme.example", "phone": None}
        terms = {"erp_payment_terms": "x" * 1000, "erp_sync_error": "x🚚" * 40_000}
        connection = crm.connect()
        results = connection.write_back(
            [Update(CrmObject.CONTACT, contact, values), Update(CrmObject.ACCOUNT, account, terms)]
        )
        assert [result.error for result in results] == [None, None]
        (found,) = named(connection, account, contacts=ContactScope.ALL)
        assert found.contacts[0].model_dump(include=set(values)) == values
        assert found.shown.erp_payment_terms is not None
        assert found.shown.erp_payment_terms.startswith("xxx")

    @pytest.mark.requirement("T06")
    def test_a_name_or_street_that_is_too_long_is_refused_and_not_cut(self, crm: CrmHarness) -> None:
        ids = crm.open_accounts([{"name": f"Account {number}"} for number in range(3)])
        values: list[dict[str, Any]] = [
            {"name": "x" * 3000, "phone": "1"},
            {"billing": Address(street="x" * 3000)},
            {"phone": "2"},
        ]
        connection = crm.connect()
        updates = [Update(CrmObject.ACCOUNT, *pair) for pair in zip(ids, values, strict=True)]
        named_too_long, street_too_long, taken = (result.error for result in connection.write_back(updates))
        for error in (named_too_long, street_too_long):
            assert isinstance(error, RejectedRecordError)
            assert error.message
        assert taken is None
        assert [account.phone for account in named(connection, *ids)] == [None, None, "2"]

    def test_what_cannot_be_written_to_an_account_is_refused_before_any_request(self, crm: CrmHarness) -> None:
        (account,) = crm.open_accounts([{"name": "Acme"}])
        connection = crm.connect()
        crm.forget_requests()
        wrong: list[dict[str, Any]] = [
            {"billing": "Lyon"},
            {"email": "a@acme.example"},
            {"erp_credit_limit": 0.1},
            {"custom": {"Score": 0.5}},
            {"custom": {"Owner.Name": "x"}},
        ]
        results = connection.write_back([Update(CrmObject.ACCOUNT, account, values) for values in wrong])
        assert all(isinstance(result.error, UnsupportedRecordError) for result in results)
        assert crm.requests() == 0


def new_account(erp_id: str | None, name: str | None = "Acme", **values: Any) -> Account:
    return Account(crm_id="", erp_id=erp_id, name=name, **values)


class TestUpserting:
    @pytest.mark.requirement("GB02")
    def test_twice_the_same_call_makes_one_account_that_reads_back(self, crm: CrmHarness) -> None:
        values: dict[str, Any] = {"phone": "+33 4", "vat_number": "FR40303265045", "payment_terms": "Net 30"}
        values |= {"currency": "EUR", "billing": BILLING, "shipping": SHIPPING, "type": "Customer", "shown": STATUS}
        account = new_account("K-1", "Société Générale", **values)
        connection = crm.connect()
        (first,) = connection.upsert_accounts([account])
        (second,) = connection.upsert_accounts([account])
        assert (first.created, first.error) == (True, None)
        assert (second.created, second.error) == (False, None)
        assert first.crm_id == second.crm_id
        assert first.crm_id is not None
        (found,) = named(connection, first.crm_id)
        assert found.owner_id
        given = {"crm_id": first.crm_id, "modified_at": found.modified_at, "owner_id": found.owner_id}
        assert found == account.model_copy(update=given)

    def test_an_account_that_carries_the_id_is_updated_and_what_is_not_set_stays(self, crm: CrmHarness) -> None:
        (account,) = crm.open_accounts([{"name": "Acme", "phone": "1", "erp_id": "K-1"}])
        connection = crm.connect()
        (result,) = connection.upsert_accounts(
            [Account(crm_id="", erp_id="K-1", name="Acme Corp", shown=AccountStatus(erp_customer_number="100"))]
        )
        assert (result.crm_id, result.created, result.error) == (account, False, None)
        (found,) = named(connection, account)
        assert (found.name, found.phone, found.shown.erp_customer_number) == ("Acme Corp", "1", "100")

    @pytest.mark.requirement("T06")
    def test_refused_accounts_do_not_stop_the_others(self, crm: CrmHarness) -> None:
        accounts = [new_account("K-1"), new_account("K-2", "x" * 3000), new_account("K-3", None), new_account("K-4")]
        connection = crm.connect()
        results = connection.upsert_accounts(accounts)
        assert [result.created for result in results] == [True, False, False, True]
        assert [isinstance(result.error, RejectedRecordError) for result in results] == [False, True, True, False]
        assert [bool(result.crm_id) for result in results] == [True, False, False, True]
        made = named(connection, *(result.crm_id for result in results if result.crm_id))
        assert [account.erp_id for account in made] == ["K-1", "K-4"]

    def test_of_several_accounts_with_one_erp_id_the_first_counts(self, crm: CrmHarness) -> None:
        connection = crm.connect()
        accounts = [new_account("K-1", "first"), new_account("k-1 ", "second"), new_account(None), new_account("K-2")]
        results = connection.upsert_accounts(accounts)
        assert [isinstance(result.error, UnsupportedRecordError) for result in results] == [False, True, True, False]
        first, last = results[0].crm_id, results[3].crm_id
        assert first
        assert last
        assert [account.name for account in named(connection, first, last)] == ["first", "Acme"]
        crm.forget_requests()
        assert connection.upsert_accounts([]) == []
        assert isinstance(connection.upsert_accounts([new_account(" ")])[0].error, UnsupportedRecordError)
        assert crm.requests() == 0

    @pytest.mark.requirement("GB15")
    def test_an_account_that_somebody_holds_for_a_moment_is_updated(self, crm: CrmHarness) -> None:
        for_a_moment, for_long = crm.open_accounts([{"name": "A", "erp_id": "K-1"}, {"name": "B", "erp_id": "K-2"}])
        crm.lock(for_a_moment, 0.6)
        crm.lock(for_long, 60)
        written, held = crm.connect().upsert_accounts([new_account("K-1"), new_account("K-2")])
        assert (written.crm_id, written.error) == (for_a_moment, None)
        assert isinstance(held.error, LockedRecordError)

    @pytest.mark.requirement("GB02")
    def test_an_upsert_whose_answer_was_lost_is_made_good(self, crm: CrmHarness) -> None:
        crm.lose_write_answer()
        connection = crm.connect()
        (result,) = connection.upsert_accounts([new_account("K-1")])
        assert result.error is None
        assert result.crm_id
        assert sum(account.erp_id == "K-1" for account in accounts_of(connection)) == 1


def customer(name: str = "Zzyzx Qwrtz", **values: Any) -> Customer:
    billing = Address(postal_code=values.pop("postal_code", None))
    return Customer(name=name, billing=billing, **values)


class TestCandidates:
    @pytest.fixture
    def ids(self, crm: CrmHarness) -> dict[str, str]:
        rows: list[dict[str, Any]] = [
            {"name": "Brückner Messtechnik GmbH", "postal_code": "80331", "vat_number": "DE 136 695 976"},
            {"name": "Harrow & Finch Lmited", "postal_code": "M3 7LQ", "vat_number": "980780684"},
            {"name": "O'Brien 100%_Pure \\ Co", "postal_code": "75001"},
            {"name": "北京_公司", "postal_code": "100000"},
            {"name": "北京X公司", "postal_code": "12345", "vat_number": "FR40303265045"},
        ]
        return dict(zip(["bruckner", "harrow", "obrien", "beijing", "other"], crm.open_accounts(rows), strict=True))

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (customer(vat_number="DE136695976"), "bruckner"),
            (customer(vat_number="GB980780684"), "harrow"),
            (customer(vat_number="40303265045"), "other"),
            (customer(postal_code="M37LQ"), "harrow"),
            (customer(postal_code="m3 7lq"), "harrow"),
            (customer(postal_code="75-001"), "obrien"),
            (customer("BRUECKNER Messtechnik mbH"), "bruckner"),
            (customer("Bruckner Messtechnik AG & Co. KG"), "bruckner"),
            (customer("Harrow and Finch Limited"), "harrow"),
            (customer("O'Brien 100%_Pure \\ Corp."), "obrien"),
            (customer("北京_公司"), "beijing"),
        ],
        ids=lambda value: repr(value.name + (value.vat_number or "")) if isinstance(value, Customer) else value,
    )
    @pytest.mark.requirement("GB08")
    def test_an_account_is_found_by_number_postal_code_or_name(
        self, crm: CrmHarness, ids: dict[str, str], wanted: Customer, found: str
    ) -> None:
        assert [account.crm_id for account in crm.connect().account_candidates([wanted])] == [ids[found]]

    def test_whoever_is_unknown_is_not_found(self, crm: CrmHarness, ids: dict[str, str]) -> None:
        connection = crm.connect()
        strangers = [customer("北京Y公司"), customer("%"), customer("_"), customer("A"), customer("'")]
        strangers.append(customer(vat_number="ATU12345678", postal_code="99999"))
        assert connection.account_candidates(strangers) == []
        crm.forget_requests()
        assert connection.account_candidates([]) == []
        assert crm.requests() == 0

    def test_each_living_account_is_found_once(self, crm: CrmHarness, ids: dict[str, str]) -> None:
        crm.delete_record(ids["harrow"])
        wanted = [
            customer("Brückner Messtechnik", vat_number="DE136695976", postal_code="80331"),
            customer("Harrow & Finch", postal_code="M3 7LQ"),
            customer("Brückner Messtechnik"),
        ]
        connection = crm.connect()
        (found,) = connection.account_candidates(wanted)
        assert found == named(connection, ids["bruckner"])[0]


class TestClock:
    @pytest.mark.parametrize("ahead", [-90, 90])
    def test_the_systems_clock_is_compared_with_ours(self, crm: CrmHarness, ahead: int) -> None:
        connection = crm.connect()
        assert connection.clock_offset == AT_ONCE
        connection.check()
        assert connection.clock_offset == AT_ONCE
        crm.set_clock(ahead)
        connection.check()
        assert abs(connection.clock_offset - timedelta(seconds=ahead)) < timedelta(seconds=2)
