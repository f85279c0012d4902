"""The proof of the accounts benchmark, against a real Tryton and a real org: 20 accounts, and what can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.accounts_books import Proof, prove
from benchmarks.accounts_data import SampleAccount, change_some, sample_accounts
from benchmarks.accounts_salesforce import change_salesforce, fill_salesforce, not_written_back
from benchmarks.bare_accounts import copy_accounts
from benchmarks.salesforce_client import SalesforceClient
from prefect_crm_erp.cli.systems import Systems, running_systems
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc

ACCOUNTS = sample_accounts(20)
MODELS = {"addresses": "party.address", "contact_mechanisms": "party.contact_mechanism"}
Expected = dict[str, SampleAccount]


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systems]:
    with running_systems(tmp_path_factory.mktemp("systems"), empty=True) as systems:
        yield systems


@pytest.fixture(scope="module")
def salesforce(systems: Systems) -> Iterator[SalesforceClient]:
    with SalesforceClient(systems.salesforce) as client:
        yield client


@pytest.fixture(scope="module")
def tryton(systems: Systems) -> Iterator[TrytonRpc]:
    access = systems.tryton
    with TrytonRpc(access.url, access.database, access.user, access.password) as rpc:
        yield rpc


@pytest.fixture(scope="module")
def expected(salesforce: SalesforceClient, tryton: TrytonRpc) -> Expected:
    """The accounts, which the bare script has made customers."""
    filled = fill_salesforce(salesforce, ACCOUNTS)
    assert not_written_back(salesforce, filled) == 20
    assert copy_accounts(salesforce, tryton) == 20
    return filled


def counts(proof: Proof) -> dict[str, int]:
    names = ("customers", "not_written", "doubled", "wrong")
    return {name: count for name in names if (count := getattr(proof, name))}


def test_the_bare_script_does_the_whole_work(
    systems: Systems, salesforce: SalesforceClient, expected: Expected
) -> None:
    proof = prove(systems.tryton, expected)
    assert (counts(proof), proof.examples) == ({"customers": 20}, [])
    assert not_written_back(salesforce, expected) == 0


def test_a_change_in_salesforce_that_does_not_arrive_is_seen(
    systems: Systems, salesforce: SalesforceClient, expected: Expected
) -> None:
    (renamed,) = change_some(ACCOUNTS)
    key = next(key for key, account in expected.items() if account.number == renamed.number)
    change_salesforce(salesforce, {key: renamed})
    assert salesforce.query(f"SELECT Name FROM Account WHERE Id = '{key}'")[0]["Name"] == renamed.name
    proof = prove(systems.tryton, expected | {key: renamed})
    assert counts(proof) == {"customers": 20, "wrong": 1}
    assert renamed.name in proof.examples[0]


@pytest.mark.parametrize(
    ("part", "values", "word"),
    [
        (None, {"name": "Somebody Else Ltd"}, "name"),
        ("addresses", {"postal_code": "99999"}, "postal code"),
        ("addresses", {"city": "Elsewhere"}, "city"),
        ("contact_mechanisms", {"value": "+441614960000"}, "phone"),
    ],
)
def test_what_differs_in_tryton_is_seen(
    systems: Systems, tryton: TrytonRpc, expected: Expected, part: str | None, values: dict[str, Any], word: str
) -> None:
    (party,) = tryton("model.party.party.search_read", [("name", "=", ACCOUNTS[1].name)], 0, 1, None, [*MODELS], {})
    model, identifier = ("party.party", party["id"]) if part is None else (MODELS[part], party[part][0])
    (before,) = tryton(f"model.{model}.read", [identifier], list(values), {})
    tryton(f"model.{model}.write", [identifier], values, {})
    proof = prove(systems.tryton, expected)
    tryton(f"model.{model}.write", [identifier], {name: before[name] for name in values}, {})
    assert counts(proof) == {"customers": 20, "wrong": 1}
    assert word in proof.examples[0]


def test_a_second_customer_and_one_that_is_missing_are_seen(
    systems: Systems, tryton: TrytonRpc, expected: Expected
) -> None:
    key = next(iter(expected))
    twin = {"name": "Twin", "identifiers": [("create", [{"type": None, "code": key}])]}
    ids = tryton("model.party.party.create", [twin, {"name": "Nobody's"}], {})
    proof = prove(systems.tryton, expected | {"001000000000000AAA": ACCOUNTS[3]})
    tryton("model.party.party.delete", ids, {})
    assert counts(proof) == {"customers": 20, "not_written": 1, "doubled": 2}
