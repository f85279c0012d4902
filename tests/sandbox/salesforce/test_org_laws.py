"""Whatever is done to the org, in whatever order: it agrees with a plain model, with its indexes and with its file."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.org import Org

keys = st.sampled_from(["k1", "K1", "k2", "k3", None])
names = st.sampled_from(["Acme", "acme", "Bolt"])
FIELDS = ("Id", "Name", "ERP_Id__c", "ParentId", "IsDeleted")


class Undone(Exception):
    """Ends a transaction."""


class OrgMachine(RuleBasedStateMachine):
    """Accounts, held against a dictionary."""

    accounts: Bundle[str] = Bundle("accounts")
    deleted: Bundle[str] = Bundle("deleted")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.org = Org(self.directory)
        self.model: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        self.org.close()
        shutil.rmtree(self.directory)

    def holders(self, key: str | None, but: str | None = None) -> list[str]:
        """Living accounts with that key."""
        return [
            record_id
            for record_id, row in self.model.items()
            if key and not row["IsDeleted"] and (row["ERP_Id__c"] or "").lower() == key.lower() and record_id != but
        ]

    @rule(target=accounts, name=names, key=keys)
    def create(self, name: str, key: str | None) -> Any:
        if self.holders(key):
            with contextlib.suppress(RowRejected):
                self.org.create("Account", {"Name": name, "ERP_Id__c": key})
                raise AssertionError("a second row got the key")
            return self.holders(key)[0]
        record_id = self.org.create("Account", {"Name": name, "ERP_Id__c": key})
        self.remember(record_id, Name=name, ERP_Id__c=key)
        return record_id

    def remember(self, record_id: str, **values: Any) -> None:
        blank = {"Id": record_id, "ParentId": None, "IsDeleted": False, "ERP_Id__c": None}
        self.model[record_id] = {**self.model.get(record_id, blank), **values}

    @rule(account=accounts, name=names, key=keys)
    def update(self, account: str, name: str, key: str | None) -> None:
        allowed = not self.model[account]["IsDeleted"] and not self.holders(key, but=account)
        with contextlib.suppress(RowRejected):
            self.org.update("Account", account[:15], {"Name": name, "ERP_Id__c": key})
            assert allowed
            self.remember(account, Name=name, ERP_Id__c=key)
            return
        assert not allowed

    @rule(target=accounts, name=names, key=keys.filter(bool))
    def upsert(self, name: str, key: str) -> str:
        expected = self.holders(key)
        record_id, created = self.org.upsert("Account", "ERP_Id__c", key, {"Name": name})
        assert created == (not expected)
        assert expected in ([], [record_id])
        self.remember(record_id, Name=name, ERP_Id__c=key)
        return record_id

    @rule(account=accounts, parent=accounts)
    def adopt(self, account: str, parent: str) -> None:
        with contextlib.suppress(RowRejected):
            self.org.update("Account", account, {"ParentId": parent})
            self.remember(account, ParentId=parent)

    @rule(target=deleted, account=accounts)
    def delete(self, account: str) -> str:
        if self.model[account]["IsDeleted"]:
            return account
        self.org.delete("Account", account)
        self.remember(account, IsDeleted=True)
        for record_id, row in self.model.items():
            if row["ParentId"] == account and not row["IsDeleted"]:
                self.remember(record_id, ParentId=None)
                self.model[account].setdefault("orphans", []).append(record_id)
        return account

    @rule(account=consumes(deleted))
    def undelete(self, account: str) -> None:
        allowed = self.model[account]["IsDeleted"] and not self.holders(self.model[account]["ERP_Id__c"])
        with contextlib.suppress(RowRejected):
            self.org.undelete("Account", account)
            assert allowed
            self.remember(account, IsDeleted=False)
            for orphan in self.model[account].pop("orphans", []):
                if not self.model[orphan]["IsDeleted"] and self.model[orphan]["ParentId"] is None:
                    self.remember(orphan, ParentId=account)
            return
        assert not allowed

    @rule(account=accounts, name=names, key=keys)
    def change_mind(self, account: str, name: str, key: str | None) -> None:
        with contextlib.suppress(Undone), self.org.transaction():
            with contextlib.suppress(RowRejected):
                self.org.create("Account", {"Name": name, "ERP_Id__c": key})
            with contextlib.suppress(RowRejected):
                self.org.delete("Account", account)
            with contextlib.suppress(RowRejected):
                self.org.create("Account", {"Name": name, "ERP_Id__c": key, "ParentId": account})
            raise Undone

    @rule()
    def restart(self) -> None:
        self.org.close()
        self.org = Org(self.directory)

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        rows = {row["Id"]: row for row in self.org.rows("Account", include_deleted=True)}
        assert list(rows) == list(self.model)
        for record_id, expected in self.model.items():
            assert {name: rows[record_id][name] for name in FIELDS} == {name: expected[name] for name in FIELDS}

    @invariant()
    def indexes_find_what_a_scan_finds(self) -> None:
        rows = list(self.org.rows("Account", include_deleted=True))
        for field in ("ERP_Id__c", "Name", "ParentId"):
            for value in {row[field] for row in rows if row[field]}:
                found = self.org.rows_by_field("Account", field, [value], include_deleted=True)
                scanned = [row["Id"] for row in rows if (row[field] or "").lower() == value.lower()]
                assert sorted(row["Id"] for row in found) == scanned


OrgMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestOrgLaws = OrgMachine.TestCase
