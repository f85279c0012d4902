"""The org as a store of rows: keys, stamps, transactions, late visibility, locks, restarts."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefect_crm_erp.sandbox.salesforce.errors import ApiError, MultipleMatches, RowRejected
from prefect_crm_erp.sandbox.salesforce.ids import is_id
from prefect_crm_erp.sandbox.salesforce.org import Org

if TYPE_CHECKING:
    from tests.sandbox.salesforce.conftest import Refused, Shop, Time

# --- Names and ids ----------------------------------------------------------------------------------------------------


def test_names_are_taken_in_any_case_and_ids_in_both_lengths(org: Org) -> None:
    record_id = org.create("aCCOUNT", {"NAME": "Acme", "erp_id__C": "7"})
    assert is_id(record_id)
    assert record_id.startswith("001")
    org.update("account", record_id[:15], {"site": "Leeds"})
    assert org.get("ACCOUNT", record_id.upper())["Site"] == "Leeds"
    assert org.row_by_id("Account", record_id[:15]) == org.row_by_id("Account", record_id)
    assert org.find_by_external_id("account", "ERP_ID__C", "7") == [record_id]


def test_unknown_objects_fields_and_rows_are_named(org: Org, refused: Refused) -> None:
    with pytest.raises(ApiError, match="NOT_FOUND") as caught:
        org.create("Invoice", {})
    assert caught.value.status == 404
    with pytest.raises(ApiError, match="INVALID_FIELD"):
        list(org.rows_by_field("Account", "Colour", ["red"]))
    (error,) = refused.errors(org.create, "Account", {"Name": "Acme", "Colour__c": "red"})
    assert (error.code, error.message) == ("INVALID_FIELD", "No such column 'Colour__c' on sobject of type Account")
    with pytest.raises(ApiError, match="NOT_FOUND"):
        org.get("Account", "001000000000001AAA")
    assert refused(org.update, "Account", "001000000000001AAA", {}) == ["NOT_FOUND"]
    assert refused(org.update, "Account", "001000000000001AA0", {}) == ["MALFORMED_ID"]


@pytest.mark.requirement("GB11")
def test_stamps_have_whole_seconds_and_rows_of_one_second_tie(org: Org, time: Time) -> None:
    first = org.create("Account", {"Name": "a"})
    time.passes(0.4)
    second = org.create("Account", {"Name": "b"})
    stamps = [org.get("Account", record_id)["SystemModstamp"] for record_id in (first, second)]
    assert stamps[0] == stamps[1]
    assert not stamps[0].microsecond
    org.clock.skew = timedelta(minutes=5)
    org.update("Account", first, {"Name": "a"})
    assert org.get("Account", first)["SystemModstamp"] == stamps[0] + timedelta(minutes=5)
    assert org.get("Account", first)["CreatedDate"] == stamps[0]


def test_who_wrote_a_row_is_kept_with_it(org: Org) -> None:
    user = org.create("User", {"Username": "a@b.example", "LastName": "Ray", "Email": "a@b.example", "Alias": "ray"})
    record_id = org.create("Account", {"Name": "Acme"}, user_id=user)
    org.update("Account", record_id, {"Site": "x"})
    row = org.get("Account", record_id)
    assert (row["OwnerId"], row["CreatedById"], row["LastModifiedById"]) == (user, user, org.integration_user_id)


# --- External ids -----------------------------------------------------------------------------------------------------


def test_upsert_creates_once_and_then_updates_whatever_the_keys_case(org: Org) -> None:
    record_id, created = org.upsert("Account", "erp_id__c", "Key-1", {"Name": "Acme", "ERP_Id__c": "ignored"})
    assert created
    assert org.upsert("Account", "ERP_Id__c", "kEY-1", {"Site": "x"}) == (record_id, False)
    assert [org.get("Account", record_id)[name] for name in ("ERP_Id__c", "Name", "Site")] == ["kEY-1", "Acme", "x"]


def test_upsert_by_the_record_id_updates_and_without_one_creates(org: Org, refused: Refused) -> None:
    record_id, created = org.upsert("Account", "Id", None, {"Name": "Acme"})
    assert created
    assert org.upsert("Account", "Id", record_id[:15], {"Name": "Acme 2"}) == (record_id, False)
    assert refused(org.upsert, "Account", "Id", "001000000000001AAA", {"Name": "x"}) == ["NOT_FOUND"]
    assert refused(org.upsert, "Account", "ERP_Id__c", " ", {"Name": "x"}) == ["MISSING_ARGUMENT"]
    with pytest.raises(ApiError, match="NOT_FOUND"):
        org.upsert("Account", "Site", "x", {"Name": "x"})


def test_an_external_id_that_is_not_unique_can_match_several_rows(org: Org) -> None:
    ids = [org.create("Account", {"Name": name, "Legacy_Code__c": "L-1"}) for name in "ab"]
    with pytest.raises(MultipleMatches) as caught:
        org.upsert("Account", "Legacy_Code__c", "l-1", {"Name": "c"})
    assert caught.value.ids == ids


def test_a_unique_value_belongs_to_one_row_that_is_not_deleted(org: Org, refused: Refused) -> None:
    first = org.create("Account", {"Name": "a", "ERP_Id__c": "X"})
    second = org.create("Account", {"Name": "b"})
    (error,) = refused.errors(org.update, "Account", second, {"ERP_Id__c": "x"})
    assert error.code == "DUPLICATE_VALUE"
    assert error.message == f"duplicate value found: ERP_Id__c duplicates value on record with id: {first[:15]}"
    org.update("Account", first, {"ERP_Id__c": "x"})
    org.delete("Account", first)
    org.update("Account", second, {"ERP_Id__c": "X"})
    assert org.upsert("Account", "ERP_Id__c", "x", {"Name": "b"}) == (second, False)
    assert refused(org.undelete, "Account", first) == ["DUPLICATE_VALUE"]


def test_a_parent_can_be_named_by_its_external_id(org: Org, refused: Refused) -> None:
    account = org.create("Account", {"Name": "Acme", "ERP_Id__c": "7"})
    contact = org.create("Contact", {"LastName": "Ray", "account": {"erp_id__c": "7"}})
    assert org.get("Contact", contact)["AccountId"] == account
    (error,) = refused.errors(org.create, "Contact", {"LastName": "Ray", "Account": {"ERP_Id__c": "8"}})
    assert error.message == "Foreign key external ID: 8 not found for field ERP_Id__c in entity Account"
    for parent in ({"Name": "Acme"}, {}, "Acme", {"ERP_Id__c": "7", "Name": "x"}):
        assert refused(org.create, "Contact", {"LastName": "Ray", "Account": parent}) == ["INVALID_FIELD"]


@pytest.mark.requirement("GB02")
def test_concurrent_upserts_of_one_key_make_one_row(org: Org) -> None:
    results: list[tuple[str, bool]] = []

    def upsert() -> None:
        results.append(org.upsert("Account", "ERP_Id__c", "X", {"Name": "Acme"}))

    threads = [threading.Thread(target=upsert) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({record_id for record_id, _ in results}) == 1
    assert sorted(created for _, created in results) == [False] * 7 + [True]


# --- Transactions -----------------------------------------------------------------------------------------------------


class Undone(Exception):
    """Ends a transaction."""


def test_a_failed_transaction_leaves_nothing_and_a_savepoint_only_its_own(org: Org) -> None:
    kept = org.create("Account", {"Name": "before", "ERP_Id__c": "K"})
    with org.transaction():
        first = org.create("Account", {"Name": "first", "ERP_Id__c": "A"})
        with contextlib.suppress(Undone), org.transaction():
            org.update("Account", kept, {"ERP_Id__c": "L"})
            org.delete("Account", first)
            org.create("Account", {"Name": "lost", "ERP_Id__c": "B"})
            raise Undone
        second = org.create("Account", {"Name": "second", "ERP_Id__c": "B"})
    assert [row["Id"] for row in org.rows("Account", include_deleted=True)] == [kept, first, second]
    assert org.find_by_external_id("Account", "ERP_Id__c", "K") == [kept]
    assert org.find_by_external_id("Account", "ERP_Id__c", "L") == []


def test_rows_in_hand_do_not_change_with_the_org(org: Org) -> None:
    record_id = org.create("Account", {"Name": "Acme", "BillingCity": "Leeds"})
    row, scan = org.row_by_id("Account", record_id), org.rows("Account")
    org.update("Account", record_id, {"BillingCity": "York"})
    org.create("Account", {"Name": "other"})
    assert row is not None
    assert row["BillingAddress"]["city"] == "Leeds"
    assert [found["BillingCity"] for found in scan] == ["Leeds"]
    org.get("Account", record_id)["Name"] = "scribble"
    assert org.get("Account", record_id)["Name"] == "Acme"


# --- Lookups by field -------------------------------------------------------------------------------------------------


def test_lookup_by_field_finds_what_a_scan_finds(shop: Shop) -> None:
    org = shop.org
    others = [
        org.create("Account", {"Name": name, "Site": site}) for name, site in (("a", "X"), ("b", "x"), ("c", "y"))
    ]
    contact = org.create("Contact", {"LastName": "Ray", "AccountId": others[0]})
    assert [row["Id"] for row in org.rows_by_field("Account", "Id", [others[1][:15], "nonsense"])] == [others[1]]
    assert [row["Id"] for row in org.rows_by_field("Account", "site", ["x"])] == others[:2]
    assert [row["Id"] for row in org.rows_by_field("Account", "Name", ["A", "C"])] == [others[0], others[2]]
    assert [row["Id"] for row in org.rows_by_field("Contact", "AccountId", [others[0][:15]])] == [contact]
    org.update("Contact", contact, {"AccountId": others[1]})
    assert not list(org.rows_by_field("Contact", "AccountId", [others[0]]))
    org.delete("Contact", contact)
    assert not list(org.rows_by_field("Contact", "AccountId", [others[1]]))
    assert len(list(org.rows_by_field("Contact", "AccountId", [others[1]], include_deleted=True))) == 1


# --- Late visibility --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("GB11")
def test_changes_become_visible_late_though_they_were_stamped_early(org: Org, time: Time) -> None:
    account = org.create("Account", {"Name": "old", "ERP_Id__c": "1"})
    start = org.clock.now()
    org.clock.visibility_lag = timedelta(seconds=20)
    org.update("Account", account, {"Name": "new", "ERP_Id__c": "2"})
    contact = org.create("Contact", {"LastName": "Ray", "AccountId": account})
    time.passes(10)
    org.update("Account", account, {"Name": "newest"})
    later = start + timedelta(minutes=1)

    assert org.get("Account", account)["Name"] == "old"
    assert [row["Name"] for row in org.rows_by_field("Account", "Name", ["old", "new", "newest"])] == ["old"]
    assert org.find_by_external_id("Account", "ERP_Id__c", "1") == [account]
    assert org.find_by_external_id("Account", "ERP_Id__c", "2") == []
    assert not list(org.rows("Contact"))
    assert org.row_by_id("Contact", contact) is None
    assert org.updated("Contact", start, later) == []

    time.passes(9.9)
    assert org.get("Account", account)["Name"] == "old"
    time.passes(0.1)
    assert org.get("Account", account)["Name"] == "new"
    assert org.get("Contact", contact)["SystemModstamp"] == start
    assert org.updated("Contact", start, later) == [contact]
    time.passes(9.9)
    assert org.get("Account", account)["Name"] == "new"
    time.passes(0.1)
    assert org.get("Account", account)["Name"] == "newest"


def test_writers_see_their_rows_before_readers_do(org: Org, refused: Refused) -> None:
    org.clock.visibility_lag = timedelta(seconds=20)
    account, _ = org.upsert("Account", "ERP_Id__c", "1", {"Name": "Acme"})
    assert org.upsert("Account", "ERP_Id__c", "1", {"Name": "Acme 2"}) == (account, False)
    assert refused(org.create, "Account", {"Name": "x", "ERP_Id__c": "1"}) == ["DUPLICATE_VALUE"]
    org.create("Contact", {"LastName": "Ray", "AccountId": account})
    assert not list(org.rows("Account"))
    org.clock.visibility_lag = timedelta()
    assert [row["Name"] for row in org.rows("Account")] == ["Acme 2"]


# --- Locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("T09")
def test_a_locked_row_refuses_every_writer_until_the_lock_ends(shop: Shop, time: Time, refused: Refused) -> None:
    deal = shop.opportunity()
    line = shop.line(deal)
    shop.org.lock(deal[:15], 30)
    (error,) = refused.errors(shop.org.update, "Opportunity", deal, {"Name": "x"})
    assert error.code == "UNABLE_TO_LOCK_ROW"
    assert deal[:15] in error.message
    assert refused(shop.org.delete, "Opportunity", deal) == ["UNABLE_TO_LOCK_ROW"]
    assert refused(shop.org.update, "OpportunityLineItem", line, {"Quantity": 2}) == ["UNABLE_TO_LOCK_ROW"]
    assert refused(shop.line, deal) == ["UNABLE_TO_LOCK_ROW"]
    assert refused(shop.org.delete, "Account", shop.account) == ["UNABLE_TO_LOCK_ROW"]
    time.passes(31)
    shop.org.update("OpportunityLineItem", line, {"Quantity": 2})


def test_a_new_child_waits_for_its_parents_lock(shop: Shop, refused: Refused) -> None:
    shop.org.lock(shop.account, 5)
    assert refused(shop.opportunity) == ["UNABLE_TO_LOCK_ROW"]
    shop.org.lock(shop.account, 0)
    shop.opportunity()


# --- Replication ------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("GB09")
def test_updated_and_deleted_cover_every_moment_once(org: Org, time: Time) -> None:
    start = org.clock.now()
    ids = []
    for name in "abcd":
        ids.append(org.create("Account", {"Name": name}))
        time.passes(1)
    middle, end = start + timedelta(seconds=2), org.clock.now()
    assert org.updated("Account", start, middle) + org.updated("Account", middle, end) == ids
    org.delete("Account", ids[0])
    assert org.deleted("Account", end, end + timedelta(seconds=1)) == [(ids[0], end)]
    assert org.deleted("Account", start, end) == []
    assert org.updated("Account", start, end) == ids[1:]


# --- Restart and reset ------------------------------------------------------------------------------------------------


def dump(org: Org) -> dict[str, list[dict[str, Any]]]:
    """Every row of the org."""
    return {name: list(org.rows(name, include_deleted=True)) for name in sorted(org.schema.objects)}


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    org = Org(tmp_path, empty=False)
    account = next(org.rows("Account"))["Id"]
    org.delete("Account", account)
    before, organization_id = dump(org), org.organization_id
    org.close()
    reopened = Org(tmp_path, empty=True)
    assert reopened.organization_id == organization_id
    assert dump(reopened) == before
    reopened.undelete("Account", account)
    assert list(reopened.rows_by_field("Opportunity", "AccountId", [account]))
    known = {row["Id"] for rows in before.values() for row in rows}
    assert reopened.create("Account", {"Name": "new"}) not in known
    reopened.close()


WRITER = """
import sys
from pathlib import Path
from prefect_crm_erp.sandbox.salesforce.org import Org

org = Org(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    with org.transaction():
        account = org.create("Account", {"Name": f"A{number}", "ERP_Id__c": str(number)})
        org.create("Contact", {"LastName": "Ray", "AccountId": account})
    number += 1
    print(number, flush=True)
"""


def test_a_killed_process_leaves_whole_transactions(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline().strip() for _ in range(60)]
        process.kill()
        lines += process.stdout.read().split()
    written = int(lines[-1])
    org = Org(tmp_path)
    accounts = {row["Id"] for row in org.rows("Account")}
    assert {row["AccountId"] for row in org.rows("Contact")} == accounts
    assert len(accounts) in {written, written + 1}
    org.close()


def test_reset_goes_back_to_the_start_and_no_id_comes_up_twice(tmp_path: Path) -> None:
    org = Org(tmp_path, empty=False)
    start = dump(org)
    org.clock.skew = timedelta(hours=1)
    org.duplicate_rule = "block"
    locked = org.create("Account", {"Name": "extra"})
    org.lock(locked, 1000)
    organization_id = org.organization_id
    org.reset()
    again = dump(org)
    assert {name: len(rows) for name, rows in again.items()} == {name: len(rows) for name, rows in start.items()}
    assert [row["Name"] for row in again["account"]] == [row["Name"] for row in start["account"]]
    assert not {row["Id"] for row in again["account"]} & {row["Id"] for row in start["account"]}
    assert (org.organization_id, org.duplicate_rule, org.clock.skew) == (organization_id, "allow", timedelta())
    org.reset(empty=True)
    assert not list(org.rows("Account"))
    assert list(org.rows("CurrencyType"))
    org.close()
    reopened = Org(tmp_path)
    assert not list(reopened.rows("Account", include_deleted=True))
    reopened.close()


def test_an_older_file_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    org = Org(tmp_path)
    record_id = org.create("Account", {"Name": "Acme", "Site": "x"})
    org.close()
    with sqlite3.connect(tmp_path / "org.sqlite") as connection:
        connection.execute('ALTER TABLE "Account" DROP COLUMN "Site"')
        connection.execute('ALTER TABLE "Account" DROP COLUMN "Push_To_ERP__c"')
    reopened = Org(tmp_path)
    row = reopened.get("Account", record_id)
    assert (row["Name"], row["Site"], row["Push_To_ERP__c"]) == ("Acme", None, True)
    reopened.close()


def test_a_commit_that_fails_changes_nothing(tmp_path: Path) -> None:
    org = Org(tmp_path)
    account = org.create("Account", {"Name": "before"})
    with sqlite3.connect(tmp_path / "org.sqlite") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON \"Account\" BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.Error, match="disk full"):
        org.update("Account", account, {"Name": "after"})
    assert org.get("Account", account)["Name"] == "before"
    with sqlite3.connect(tmp_path / "org.sqlite") as other:
        other.execute("DROP TRIGGER full")
    org.update("Account", account, {"Name": "after"})
    org.close()


def test_two_orgs_share_no_ids() -> None:
    ids = {Org(None).create("Account", {"Name": "a"})[:5] for _ in range(8)}
    assert len(ids) > 1


def test_amounts_are_kept_as_text_on_disk(tmp_path: Path) -> None:
    org = Org(tmp_path)
    org.create("Account", {"Name": "Acme", "AnnualRevenue": Decimal("12345678901234567.10")})
    org.close()
    with sqlite3.connect(tmp_path / "org.sqlite") as connection:
        assert connection.execute('SELECT "AnnualRevenue" FROM "Account"').fetchone() == ("12345678901234567.10",)


def test_no_change_of_a_row_is_an_update_too(org: Org, time: Time) -> None:
    account = org.create("Account", {"Name": "Acme"})
    time.passes(2)
    org.update("Account", account, {})
    assert org.get("Account", account)["SystemModstamp"] == org.clock.now()
    with pytest.raises(RowRejected, match="Id field should not be specified"):
        org.update("Account", account, {"Id": "001000000000001AAA"})
