"""Laws that every CRM connection keeps, whatever the system behind it.

A harness stands for one CRM: it connects, lets another client type in and read records, and makes the system misbehave.
A new CRM adds its harness (a fixture `<name>_crm`) to `HARNESSES` and keeps all laws.
"""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest

from prefect_crm_erp.blocks.crm.base import CRM, CrmObject, CustomFields, Update
from prefect_crm_erp.models.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    LockedRecordError,
    RateLimitError,
    RejectedRecordError,
    TransientError,
    UnsupportedRecordError,
)
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Deal, DealSource

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
        for source in DealSource:
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
        assert isinstance(refused, RejectedRecordError)
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
