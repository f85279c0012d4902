"""Whatever happens to accounts and customers, in whatever order: both sides end in step, and nothing is doubled."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from account_world import AccountWorld, reading_from_now
from cutting_proxy import Cut, CuttingProxy
from fixtures_salesforce import SandboxOrg
from flow_process import flow_process, wait_for
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from world import World

from prefect_crm_erp.blocks import FieldOwner, Ledger

STEPS = ("party.party.create", "party.party.write", '"identifiers"')
# Both sides change a phone number within the grace period: the CRM decides, so that no person has to.
POLICY = {
    "owners": [FieldOwner(field="phone", owner="the latest change", in_doubt="the CRM")],
    "grace_seconds": 3600,
}


@pytest.mark.requirement("A02", "Q01", "Q03", "GB02", "GB08", "GB09", "GB14")
@pytest.mark.timeout(600)
def test_both_sides_end_in_step_whatever_happens(
    accounts: AccountWorld, line: CuttingProxy, salesforce_sandbox: SandboxOrg, tmp_path: Path
) -> None:
    numbers = count(1)

    def fresh() -> History:
        salesforce_sandbox.reset(empty=True)
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        world = World(salesforce_sandbox, accounts.world.access, folder)
        reading_from_now(world)
        return History(AccountWorld(world, accounts.rpc), line)

    run_state_machine_as_test(
        fresh,
        settings=settings(
            max_examples=3,
            stateful_step_count=9,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


class History(RuleBasedStateMachine):
    """What can happen to a company's accounts and customers.

    Args:
        accounts: The company, new.
        line: The line to its ERP.
    """

    def __init__(self, accounts: AccountWorld, line: CuttingProxy) -> None:
        super().__init__()
        self.accounts = accounts
        ledger = Ledger(url=accounts.world.integration().ledger.url, lease_seconds=2)
        self.integration = accounts.integration(policy=POLICY, ledger=ledger)
        self.cut_off = self.integration.model_copy(update={"erp": accounts.world.tryton(server_url=line.url)})
        self.line = line
        self.numbers = count(1)
        self.own = uuid4().int % 10**12  # the ERP keeps the customers of other histories: names must be told apart
        self.names: dict[str, str] = {}  # account to the name that its owner, the CRM, gave it last
        self.streets: dict[int, str] = {}  # party to the street that its owner, the ERP, gave it last
        self.phones: dict[str, set[str]] = {}
        self.foreign: dict[str, set[str]] = {}  # values of the side that does not own the field
        self.deleted: set[str] = set()
        self.merged: set[str] = set()

    # ---------------------------------------------------------------- what people do

    @rule()
    def found(self) -> None:
        name = f"Company {self._unique()}"
        account = self.accounts.account(Name=name, Phone=self._phone())
        self.names[account] = name
        self.phones[account] = {self._last_phone}

    @precondition(lambda self: self._living())
    @rule(data=st.data(), field=st.sampled_from(["Name", "BillingStreet", "Phone"]))
    def edit_in_the_crm(self, data: st.DataObject, field: str) -> None:
        account = data.draw(st.sampled_from(self._living()))
        value = self._phone() if field == "Phone" else f"{field} {self._unique()}"
        self.accounts.edit(account, **{field: value})
        if field == "Name":
            self.names[account] = value
        elif field == "Phone":
            self.phones[account].add(value)
        elif self._party(account) is not None:
            self.foreign[account] = {value}

    @precondition(lambda self: self._customers())
    @rule(data=st.data(), field=st.sampled_from(["name", "street", "phone"]))
    def edit_in_the_erp(self, data: st.DataObject, field: str) -> None:
        account = data.draw(st.sampled_from(self._customers()))
        party = self._party(account)
        assert party is not None
        if field == "phone":
            self.accounts.phone(party, self._phone())
            self.phones[account].add(self._last_phone)
        elif field == "street":
            self.streets[party] = f"Street {self._unique()}"
            self.accounts.move(party, street=self.streets[party])
        else:
            self.accounts.change(party, name=f"Foreign {self._unique()}")

    @precondition(lambda self: len(self._living()) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        winner, loser = data.draw(st.permutations(self._living()))[:2]
        self.accounts.world.org.merge(winner, loser)
        self.phones[winner] |= self.phones.pop(loser)
        del self.names[loser]
        self.merged.add(loser)

    @precondition(lambda self: self._living())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(self._living()))
        self.accounts.world.company.sf.Account.delete(account)
        self.deleted.add(account)

    @precondition(lambda self: self.deleted)
    @rule()
    def restore(self) -> None:
        self.accounts.world.org.undelete(self.deleted.pop())

    # ---------------------------------------------------------------- what the integration does

    @rule()
    def sync(self) -> None:
        self.accounts.sync(self.integration)

    @rule(step=st.sampled_from(STEPS), where=st.sampled_from(Cut))
    def crash(self, step: str, where: Cut) -> None:
        with (
            self.line.hold(where, containing=step, then_cut=True) as hold,
            flow_process(self.cut_off, flow="account_sync") as process,
        ):
            wait_for(lambda: hold.has_come or process.has_ended, "the step or the end")
            if hold.has_come:
                process.kill()

    # ---------------------------------------------------------------- how it ends

    def teardown(self) -> None:
        while self.deleted:
            self.restore()
        if not self.names:
            return
        self.accounts.sync(self.integration)
        self._close_customers_of_merged_accounts()
        self.accounts.sync(self.integration)
        for account, name in self.names.items():
            self._assert_in_step(account, name)
        assert self.accounts.in_step(self.accounts.sync(self.integration))
        self._assert_that_a_change_of_one_side_alone_wins()

    def _assert_that_a_change_of_one_side_alone_wins(self) -> None:
        """What both sides agreed on is known: the tie-breaker, which is the CRM, has no say in it."""
        account = self._living()[0]
        self.accounts.phone(self.accounts.party(account)["id"], self._phone())
        self.accounts.sync(self.integration)
        assert self.accounts.shown(account, "Phone")["Phone"] == self._last_phone

    def _assert_in_step(self, account: str, name: str) -> None:
        party = self.accounts.party(account)
        shown = self.accounts.shown(account, "Name", "Phone", "BillingStreet", "ERP_Id__c")
        assert (shown["Name"], party["name"], shown["ERP_Id__c"]) == (name, name, str(party["id"]))
        street = party["addresses."][0]["street"]
        assert shown["BillingStreet"] == street
        assert street == self.streets.get(party["id"], street)
        assert re.sub(r"\D", "", shown["Phone"]) == re.sub(r"\D", "", self.accounts.numbers(account)[0])
        assert re.sub(r"\D", "", shown["Phone"]) in {re.sub(r"\D", "", each) for each in self.phones[account]}
        overwritten = self.foreign.get(account, set()) - {street}
        with self.integration.ledger.open().for_integration("test") as store:
            told = " ".join(change.before or "" for entry in store.audit_trail(key=account) for change in entry.changes)
        assert all(value in told for value in overwritten), (overwritten, told)

    def _close_customers_of_merged_accounts(self) -> None:
        """What a person does with a customer too many."""
        kept = {party for account in self.names for party in self.accounts.parties(account)}
        for account in self.merged:
            for party in set(self.accounts.parties(account)) - kept:
                self.accounts.change(party, active=False)

    # ---------------------------------------------------------------- what there is

    def _living(self) -> list[str]:
        return sorted(self.names.keys() - self.deleted)

    def _customers(self) -> list[str]:
        return [account for account in self._living() if self._party(account) is not None]

    def _party(self, account: str) -> int | None:
        return next(iter(self.accounts.parties(account)), None)

    def _unique(self) -> str:
        return f"{next(self.numbers)} {self.own}"

    def _phone(self) -> str:
        self._last_phone = f"+1617555{next(self.numbers):04d}"
        return self._last_phone
