"""GROUP BY, HAVING and the aggregate functions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.soql import execute

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def org() -> Iterator[Org]:
    org = Org(None, Clock(lambda: NOW))
    acme = org.create("Account", {"Name": "Acme"})
    bell = org.create("Account", {"Name": "Bell"})
    for account, stage, amount, currency, day in (
        (acme, "Closed Won", "100", "USD", "2025-05-01"),
        (acme, "Closed Won", "50.25", "USD", "2026-01-10"),
        (acme, "Prospecting", None, "USD", "2026-02-10"),
        (bell, "Closed Won", "77.27", "GBP", "2026-02-11"),
        (bell, "Qualification", "1", "USD", "2026-12-31"),
    ):
        values = {"AccountId": account, "StageName": stage, "Amount": amount, "CurrencyIsoCode": currency}
        org.create("Opportunity", {**values, "Name": f"{stage} {day}", "CloseDate": day})
    yield org
    org.close()


def records(org: Org, query: str) -> list[dict[str, Any]]:
    found = execute(org, query).records
    assert all(record.pop("attributes") == {"type": "AggregateResult"} for record in found)
    return found


def test_a_plain_count_has_a_size_and_no_records(org: Org) -> None:
    result = execute(org, "SELECT COUNT() FROM Opportunity WHERE Amount != null")
    assert (result.total_size, result.records) == (4, [])


def test_totals_without_groups(org: Org) -> None:
    [record] = records(
        org,
        "SELECT COUNT(Id), COUNT(Amount) amounts, COUNT_DISTINCT(AccountId), SUM(Amount) total, AVG(Amount), "
        "MIN(CloseDate), MAX(CreatedDate), MIN(StageName), MAX(Account.Name) FROM Opportunity",
    )
    assert record == {
        "expr0": 5,
        "amounts": 4,
        "expr1": 2,
        # Amounts are added up in the corporate currency: 77.27 pounds are 100 dollars.
        "total": Decimal("251.25"),
        "expr2": record["expr2"],
        "expr3": "2025-05-01",
        "expr4": "2026-03-18T15:30:00.000+0000",
        # Picklists have an order of their own.
        "expr5": "Prospecting",
        "expr6": "Bell",
    }
    assert round(record["expr2"], 2) == Decimal("62.81")


def test_totals_of_nothing(org: Org) -> None:
    [record] = records(org, "SELECT COUNT(Id), SUM(Amount), MAX(Name) FROM Opportunity WHERE Name = 'none'")
    assert record == {"expr0": 0, "expr1": None, "expr2": None}
    assert records(org, "SELECT Name, COUNT(Id) FROM Opportunity WHERE Name = 'none' GROUP BY Name") == []


def test_groups_filtered_and_ordered(org: Org) -> None:
    found = records(
        org,
        "SELECT StageName, COUNT(Id) n, SUM(Amount) FROM Opportunity WHERE CloseDate > 2025-01-01 GROUP BY StageName "
        "HAVING COUNT(Id) >= 1 AND (NOT StageName LIKE 'qual%') ORDER BY COUNT(Id) DESC, StageName LIMIT 2",
    )
    assert found == [
        {"StageName": "Closed Won", "n": 3, "expr0": Decimal("250.25")},
        {"StageName": "Prospecting", "n": 1, "expr0": None},
    ]


def test_groups_by_parent_fields_and_date_functions(org: Org) -> None:
    found = records(
        org,
        "SELECT Account.Name, CALENDAR_YEAR(CloseDate) y, COUNT(Id) FROM Opportunity "
        "GROUP BY Account.Name, CALENDAR_YEAR(CloseDate) ORDER BY Account.Name DESC, CALENDAR_YEAR(CloseDate)",
    )
    assert found == [
        {"Name": "Bell", "y": 2026, "expr0": 2},
        {"Name": "Acme", "y": 2025, "expr0": 1},
        {"Name": "Acme", "y": 2026, "expr0": 2},
    ]
    # A date function may be selected where its date is grouped.
    years = records(org, "SELECT CALENDAR_YEAR(CloseDate), CloseDate FROM Opportunity GROUP BY CloseDate")
    assert {record["expr0"] for record in years} == {2025, 2026}
    [day] = records(org, "SELECT DAY_ONLY(CreatedDate) d, COUNT(Id) FROM Opportunity GROUP BY DAY_ONLY(CreatedDate)")
    assert day == {"d": "2026-03-18", "expr0": 5}


def test_subtotals(org: Org) -> None:
    query = "SELECT Account.Name a, StageName s, COUNT(Id) n, GROUPING(StageName) g FROM Opportunity GROUP BY "
    rolled = records(org, f"{query} ROLLUP(Account.Name, StageName)")
    assert {"a": "Acme", "s": None, "n": 3, "g": 1} in rolled
    assert rolled[-1] == {"a": None, "s": None, "n": 5, "g": 1}
    cubed = records(org, f"{query} CUBE(Account.Name, StageName)")
    assert {"a": None, "s": "Closed Won", "n": 3, "g": 0} in cubed
    assert len(cubed) == len(rolled) + 3


def test_formatted_aggregates(org: Org) -> None:
    [record] = records(org, "SELECT FORMAT(MIN(CloseDate)) earliest, FORMAT(SUM(Amount)) FROM Opportunity")
    assert record == {"earliest": "5/1/2025", "expr0": "USD 251.25"}


def test_columns_of_aggregates(org: Org) -> None:
    result = execute(org, "SELECT StageName, COUNT(Id), SUM(Amount) total FROM Opportunity GROUP BY StageName")
    assert [column.name for column in result.columns] == ["StageName", "expr0", "total"]
    assert [column.label for column in result.columns] == ["StageName", "COUNT", "SUM"]
    assert result.column_metadata()["groupBy"] is True


rows = st.lists(
    st.tuples(st.none() | st.sampled_from(["x", "X", "y"]), st.none() | st.integers(-5, 5), st.booleans()), max_size=10
)


@given(rows)
def test_every_group_holds_its_rows(values: list[tuple[str | None, int | None, bool]]) -> None:
    org = Org(None)
    for number, (site, employees, push) in enumerate(values):
        fields = {"Name": str(number), "Site": site, "NumberOfEmployees": employees, "Push_To_ERP__c": push}
        org.create("Account", fields)
    found = records(
        org,
        "SELECT Site, Push_To_ERP__c p, COUNT(Id) n, COUNT(NumberOfEmployees) k, SUM(NumberOfEmployees) s, "
        "MIN(NumberOfEmployees) low, MAX(NumberOfEmployees) high, COUNT_DISTINCT(NumberOfEmployees) d "
        "FROM Account GROUP BY Site, Push_To_ERP__c HAVING MAX(NumberOfEmployees) != 5",
    )
    groups: dict[tuple[str | None, bool], list[int | None]] = {}
    for site, employees, push in values:
        groups.setdefault((site and site.lower(), push), []).append(employees)
    expected = {}
    for key, members in groups.items():
        known = [member for member in members if member is not None]
        if max(known, default=None) != 5:
            extremes = (min(known, default=None), max(known, default=None))
            expected[key] = (len(members), len(known), sum(known) if known else None, *extremes, len(set(known)))
    keys = [(record["Site"] and record["Site"].lower(), record["p"]) for record in found]
    assert (
        dict(zip(keys, [tuple(r[m] for m in ("n", "k", "s", "low", "high", "d")) for r in found], strict=True))
        == expected
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("Name, COUNT(Id) FROM Account", "Field must be grouped or aggregated: Name"),
        ("Name, COUNT(Id) FROM Account GROUP BY Site", "Field must be grouped or aggregated: Name"),
        ("CALENDAR_YEAR(CreatedDate) FROM Account", "Field must be grouped or aggregated: CALENDAR_YEAR"),
        ("COUNT(Id) FROM Account GROUP BY Site ORDER BY Name", "Field must be grouped or aggregated: Name"),
        ("Site, COUNT(Id) n FROM Account GROUP BY Site ORDER BY n", "No such column 'n' on entity 'Account'"),
        ("Site FROM Account GROUP BY Site HAVING Name = 'a'", "Field must be grouped or aggregated: Name"),
        ("MAX(CreatedDate) FROM Account LIMIT 1", "Non-grouped query that uses overall aggregate functions cannot"),
        ("COUNT(Id) FROM Account OFFSET 1", "cannot also use OFFSET"),
        ("COUNT(), Name FROM Account", "COUNT() must be the only element in the SELECT list"),
        ("COUNT() FROM Account ORDER BY Name", "COUNT() must be the only element in the SELECT list"),
        ("SUM(Name) FROM Account", "field Name does not support aggregate operator SUM"),
        ("MAX(IsDeleted) FROM Account", "field IsDeleted does not support aggregate operator MAX"),
        ("COUNT(Description) FROM Account", "field Description does not support aggregate operator COUNT"),
        (
            "AnnualRevenue FROM Account GROUP BY AnnualRevenue",
            "field 'AnnualRevenue' can not be grouped in a query call",
        ),
        ("CreatedDate FROM Account GROUP BY CreatedDate", "field 'CreatedDate' can not be grouped in a query call"),
        ("Site, Site FROM Account GROUP BY Site", "duplicate alias: Site"),
        ("COUNT(Id) a, COUNT(Name) a FROM Account", "duplicate alias: a"),
        (
            "Site, (SELECT Id FROM Contacts) FROM Account GROUP BY Site",
            "Subqueries are not allowed in an aggregate query",
        ),
        ("Site FROM Account GROUP BY ROLLUP(Site), Type", "unexpected token: ','"),
        (
            "Site FROM Account GROUP BY Site HAVING MAX(AnnualRevenue) > USD5",
            "currency values can only be compared with",
        ),
        (
            "HOUR_IN_DAY(CloseDate) FROM Opportunity GROUP BY HOUR_IN_DAY(CloseDate)",
            "does not support function HOUR_IN_DAY",
        ),
    ],
)
def test_aggregates_that_salesforce_refuses(org: Org, query: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        execute(org, f"SELECT {query}")
    assert message in caught.value.errors[0].message
