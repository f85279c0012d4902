"""SELECT and ORDER BY: what the records look like, and in which order they come."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.objects.fields import sobject, text
from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.schema import Field, Schema
from prefect_crm_erp.sandbox.salesforce.soql import QueryResult, execute

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def org() -> Iterator[Org]:
    org = Org(None, Clock(lambda: NOW))
    parent = org.create("Account", {"Name": "Group", "Type": "Other"})
    address = {"BillingStreet": "1 Main St\nSuite 2", "BillingCity": "Berlin", "BillingCountry": "Germany"}
    acme = org.create("Account", {"Name": "Acme", "ParentId": parent, "AnnualRevenue": "1234567", **address})
    for last, first in (("Young", "Ada"), ("Old", "Bob"), ("Mid", None)):
        org.create("Contact", {"LastName": last, "FirstName": first, "AccountId": acme})
    for number, (amount, currency, stage) in enumerate(
        [
            ("100.50", "USD", "Qualification"),
            ("90", "GBP", "Closed Won"),
            ("14727", "JPY", "Prospecting"),
            (None, "USD", "Closed Lost"),
        ]
    ):
        values = {"Name": f"Deal {number}", "AccountId": acme, "Amount": amount, "CurrencyIsoCode": currency}
        org.create("Opportunity", {**values, "StageName": stage, "CloseDate": f"2026-01-0{number + 1}"})
    yield org
    org.close()


def records(org: Org, query: str, **options: Any) -> list[dict[str, Any]]:
    return execute(org, query, **options).records


def without_attributes(value: Any) -> Any:
    if isinstance(value, list):
        return [without_attributes(item) for item in value]
    if isinstance(value, dict):
        return {name: without_attributes(item) for name, item in value.items() if name != "attributes"}
    return value


def test_a_record_on_the_wire(org: Org) -> None:
    [record] = records(
        org,
        "select id, NAME, annualrevenue, createddate, site, parent.NAME, parent.parent.name "
        "from account where name = 'acme'",
        api_version="61.0",
    )
    parent = record["Parent"]["attributes"]["url"].rpartition("/")[2]
    assert record == {
        "attributes": {"type": "Account", "url": f"/services/data/v61.0/sobjects/Account/{record['Id']}"},
        "Id": record["Id"],
        "Name": "Acme",
        "AnnualRevenue": Decimal("1234567"),
        "CreatedDate": "2026-03-18T15:30:00.000+0000",
        "Site": None,
        "Parent": {
            "attributes": {"type": "Account", "url": f"/services/data/v61.0/sobjects/Account/{parent}"},
            "Name": "Group",
            "Parent": None,
        },
    }
    assert list(record) == ["attributes", "Id", "Name", "AnnualRevenue", "CreatedDate", "Site", "Parent"]


def test_children_are_nested_ordered_and_cut_for_each_parent(org: Org) -> None:
    found = records(
        org,
        "SELECT Account.Name, (SELECT c.LastName, Account.Name FROM a.Contacts c WHERE LastName != 'Old' "
        "ORDER BY LastName LIMIT 1) FROM Account a ORDER BY a.Name DESC",
    )
    assert found[0]["Contacts"] is None
    contacts = found[1]["Contacts"]
    assert (contacts["totalSize"], contacts["done"]) == (1, True)
    assert without_attributes(contacts["records"]) == [{"LastName": "Mid", "Account": {"Name": "Acme"}}]
    assert contacts["records"][0]["attributes"]["type"] == "Contact"


def test_grandchildren(org: Org) -> None:
    [group] = records(
        org,
        "SELECT Name, (SELECT Name, (SELECT Name FROM Opportunities ORDER BY Name LIMIT 1) FROM ChildAccounts) "
        "FROM Account WHERE ParentId = null",
    )
    [acme] = group["ChildAccounts"]["records"]
    assert acme["Opportunities"]["records"][0]["Name"] == "Deal 0"


def test_a_compound_address(org: Org) -> None:
    acme, group = records(org, "SELECT BillingAddress, BillingCity FROM Account ORDER BY Name")
    assert acme["BillingAddress"]["street"] == "1 Main St\nSuite 2"
    assert acme["BillingAddress"]["city"] == acme["BillingCity"] == "Berlin"
    assert acme["BillingAddress"]["postalCode"] is None
    assert group["BillingAddress"] is None


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Amount", [3, 2, 0, 1]),
        ("Amount DESC", [3, 1, 0, 2]),
        ("Amount DESC NULLS LAST", [1, 0, 2, 3]),
        ("Amount NULLS LAST", [2, 0, 1, 3]),
        ("StageName", [2, 0, 1, 3]),
        ("StageName DESC", [3, 1, 0, 2]),
        ("CurrencyIsoCode, CloseDate DESC", [1, 2, 3, 0]),
        ("Account.Name, Name DESC", [3, 2, 1, 0]),
        ("name ASC NULLS FIRST LIMIT 2 OFFSET 1", [1, 2]),
    ],
)
def test_order_by(org: Org, order: str, expected: list[int]) -> None:
    """Nulls first, stages in the order of the sales process, amounts by their corporate value."""
    found = records(org, f"SELECT Name FROM Opportunity ORDER BY {order}")
    assert [int(record["Name"][-1]) for record in found] == expected


@given(
    st.lists(
        st.tuples(st.none() | st.sampled_from(["a", "B", "b", "_", "Z"]), st.none() | st.integers(0, 3)), max_size=8
    ),
    st.booleans(),
    st.sampled_from([None, "FIRST", "LAST"]),
    st.booleans(),
)
def test_sorting_is_stable_and_puts_nulls_where_they_belong(
    rows: list[tuple[str | None, int | None]], first_desc: bool, nulls: str | None, second_desc: bool
) -> None:
    org = Org(None)
    for number, (site, employees) in enumerate(rows):
        org.create("Account", {"Name": str(number), "Site": site, "NumberOfEmployees": employees})
    order = f"Site{' DESC' if first_desc else ''}{f' NULLS {nulls}' if nulls else ''}"
    found = records(org, f"SELECT Name FROM Account ORDER BY {order}, NumberOfEmployees{' DESC' * second_desc}")

    def sign(desc: bool) -> int:
        return -1 if desc else 1

    def key(number: int) -> tuple[Any, ...]:
        site, employees = rows[number]
        return (
            (0 if nulls != "LAST" else 2) if site is None else 1,
            sign(first_desc) * ord((site or "_").upper()),
            employees is not None,
            sign(second_desc) * (employees or 0),
            number,
        )

    assert [int(record["Name"]) for record in found] == sorted(range(len(rows)), key=key)


def test_limit_zero_and_offsets_beyond_the_end(org: Org) -> None:
    assert records(org, "SELECT Id FROM Contact LIMIT 0") == []
    assert records(org, "SELECT Id FROM Contact OFFSET 2000") == []
    assert execute(org, "SELECT COUNT() FROM Contact LIMIT 2").total_size == 2


def test_functions_that_change_how_a_field_shows(org: Org) -> None:
    [record] = records(
        org,
        "SELECT Amount, FORMAT(amount) shown, convertCurrency(Amount) converted, FORMAT(convertCurrency(Amount)) both, "
        "FORMAT(CloseDate), FORMAT(CreatedDate) created, toLabel(StageName), toLabel(Account.Type), "
        "FORMAT(Probability) chance, FORMAT(Account.NumberOfEmployees) staff "
        "FROM Opportunity WHERE CurrencyIsoCode = 'JPY'",
    )
    assert without_attributes(record) == {
        "Amount": Decimal("14727"),
        "shown": "JPY 14,727 (USD 100.00)",
        "converted": Decimal("100"),
        "both": "USD 100.00",
        "CloseDate": "1/3/2026",
        "created": "3/18/2026, 3:30 PM",
        "StageName": "Prospecting",
        "Account": {"Type": None},
        "chance": "10%",
        "staff": None,
    }


def test_amounts_convert_to_the_users_currency_at_the_rate_of_the_close_date() -> None:
    org = Org(None, Clock(lambda: NOW))
    for start, rate in (("2026-01-01", "0.5"), ("2026-02-01", "0.8")):
        org.create("DatedConversionRate", {"IsoCode": "EUR", "StartDate": start, "ConversionRate": rate})
    account = org.create("Account", {"Name": "A", "AnnualRevenue": "100", "CurrencyIsoCode": "EUR"})
    for day in ("2025-12-31", "2026-01-31", "2026-02-01"):
        values = {"Name": day, "StageName": "Prospecting", "CloseDate": day, "Amount": "100", "CurrencyIsoCode": "EUR"}
        org.create("Opportunity", values)
    found = records(org, "SELECT Name, convertCurrency(Amount) usd FROM Opportunity ORDER BY Name")
    # 2025: the current rate; later the rate of the day. Other objects always take the current rate.
    assert [record["usd"] for record in found] == [Decimal("110"), Decimal("200"), Decimal("125")]
    [other] = records(org, f"SELECT convertCurrency(AnnualRevenue) FROM Account WHERE Id = '{account}'")
    assert other["AnnualRevenue"] == Decimal("110")
    user = org.create(
        "User",
        {
            "Username": "u@example.com",
            "LastName": "U",
            "Email": "u@example.com",
            "Alias": "u",
            "DefaultCurrencyIsoCode": "JPY",
        },
    )
    [yen] = records(org, "SELECT convertCurrency(AnnualRevenue) FROM Account", user_id=user)
    assert yen["AnnualRevenue"] == Decimal("16200")


def test_fields_all_standard_and_custom(org: Org) -> None:
    account = org.schema.get("Account")
    [everything] = records(org, "SELECT FIELDS(ALL) FROM Account LIMIT 1")
    assert set(everything) == {"attributes"} | {field.name for field in account.fields.values()}
    standard = records(org, "SELECT FIELDS(STANDARD) FROM Account")[0]
    custom = records(org, "SELECT Name, FIELDS(custom) FROM Account LIMIT 200")[0]
    assert set(custom) - {"attributes", "Name"} == set(everything) - set(standard)
    assert all(name.endswith("__c") for name in set(custom) - {"attributes", "Name"})


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"),
        ("FIELDS(CUSTOM) FROM Account LIMIT 201", "MALFORMED_QUERY", "must have a LIMIT of at most 200"),
        ("FIELDS(SOME) FROM Account LIMIT 1", "MALFORMED_QUERY", "FIELDS takes one of ALL, STANDARD and CUSTOM"),
        ("Id, FIELDS(ALL) FROM Account LIMIT 1", "INVALID_FIELD", "duplicate field selected: Id"),
        ("Parent.Name, parent.name FROM Account", "INVALID_FIELD", "duplicate field selected: Parent.Name"),
        ("Amount, FORMAT(Amount) FROM Opportunity", "INVALID_FIELD", "duplicate field selected: Amount"),
        ("Name n FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        ("FORMAT(Name) FROM Account", "MALFORMED_QUERY", "field Name does not support function FORMAT"),
        ("toLabel(Name) FROM Account", "MALFORMED_QUERY", "field Name does not support function toLabel"),
        (
            "convertCurrency(Probability) FROM Opportunity",
            "MALFORMED_QUERY",
            "does not support function convertCurrency",
        ),
        ("UPPER(Name) FROM Account", "MALFORMED_QUERY", "Invalid aggregate function: UPPER"),
        (
            "Id FROM Account ORDER BY Description",
            "MALFORMED_QUERY",
            "field 'Description' can not be sorted in a query call",
        ),
        ("Id, (SELECT COUNT(Id) FROM Contacts) FROM Account", "MALFORMED_QUERY", "only root queries support aggregate"),
        (
            "Id, (SELECT Id FROM Contacts OFFSET 1) FROM Account",
            "MALFORMED_QUERY",
            "OFFSET is only allowed in a subquery",
        ),
        (
            "Id, (SELECT Id FROM Contacts USING SCOPE mine) FROM Account",
            "MALFORMED_QUERY",
            "USING SCOPE is not allowed",
        ),
    ],
)
def test_select_lists_that_salesforce_refuses(org: Org, query: str, code: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        execute(org, f"SELECT {query}")
    assert caught.value.errors[0].code == code
    assert message in caught.value.errors[0].message


def test_columns_name_the_places_of_the_values(org: Org) -> None:
    result = execute(org, "SELECT Id, Parent.Parent.Name, (SELECT LastName FROM Contacts), Parent.Name FROM Account")
    assert [column.name for column in result.columns] == ["Id", "Parent.Parent.Name", "Contacts", "Parent.Name"]
    assert [result.columns[3].value(record) for record in result.records] == [None, "Group"]
    metadata = result.column_metadata()
    assert (metadata["entityName"], metadata["idSelected"], metadata["keyPrefix"]) == ("Account", True, "001")
    own, parent, contacts = metadata["columnMetadata"]
    assert (own["columnName"], own["apexType"], own["joinColumns"]) == ("Id", "Id", [])
    assert parent["columnName"] == "Parent"
    assert [column["columnName"] for column in parent["joinColumns"]] == ["Parent", "Name"]
    assert parent["joinColumns"][0]["joinColumns"][0]["columnName"] == "Name"
    assert contacts["aggregate"] is True
    assert contacts["joinColumns"][0]["columnName"] == "LastName"


class PicklistOrg:
    """The least that a query needs: one object with a multi-select picklist, which the real org does not have."""

    def __init__(self, values: list[str | None]) -> None:
        skills = Field(name="Skills__c", label="Skills", type="multipicklist")
        code = text("Code__c", 20, case_sensitive=True, unique=True)
        person = sobject("Person__c", "a01", [text("Name"), skills, code])
        self.schema = Schema([sobject("User", "005", [text("Name")]), person])
        self.clock = Clock()
        blank = person.blank
        self._rows = [
            {**blank, "Id": f"a01{n:015}", "Name": str(n), "Skills__c": v, "Code__c": v} for n, v in enumerate(values)
        ]

    def rows(self, obj: str, include_deleted: bool = False) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def row_by_id(self, obj: str, record_id: str) -> dict[str, Any] | None:
        return None

    def rows_by_field(
        self, obj: str, field: str, values: Collection[Any], include_deleted: bool = False
    ) -> Iterator[dict[str, Any]]:
        return (row for row in self._rows if row[field] in values)

    def to_wire(self, obj: str, row: Mapping[str, Any]) -> dict[str, Any]:
        return dict(row)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Skills__c INCLUDES ('a')", [0, 1, 2]),
        ("Skills__c INCLUDES ('A;c', 'd')", [2, 3]),
        ("Skills__c EXCLUDES ('a;b')", [0, 3, 4]),
        ("Skills__c = 'b;A'", [1]),
        ("Skills__c != 'a;b'", [0, 2, 3, 4]),
        ("Skills__c = null", [4]),
        ("Code__c = 'A'", []),
        ("Code__c LIKE 'a%'", [0, 1, 2]),
        ("Code__c LIKE 'A%'", []),
    ],
)
def test_multi_select_picklists_and_case_sensitive_text(where: str, found: list[int]) -> None:
    org = PicklistOrg(["a", "a;b", "a;b;c", "d", None])
    result: QueryResult = execute(org, f"SELECT Name FROM Person__c WHERE {where}")
    assert [int(record["Name"]) for record in result.records] == found


def test_a_year_of_deals_with_their_lines_comes_within_half_a_second() -> None:
    org = Org(None)
    with org.transaction():
        book = next(row["Id"] for row in org.rows("Pricebook2"))
        product = org.create("Product2", {"Name": "Pump", "ProductCode": "P-1", "IsActive": True})
        price = {"Pricebook2Id": book, "Product2Id": product, "UnitPrice": "9.99", "IsActive": True}
        entry = org.create("PricebookEntry", {**price, "CurrencyIsoCode": "USD"})
        accounts = [org.create("Account", {"Name": f"Account {number}"}) for number in range(91)]
        values = {"StageName": "Closed Won", "CloseDate": "2026-03-01", "Pricebook2Id": book, "CurrencyIsoCode": "USD"}
        for number in range(830):
            deal = {"Name": f"Deal {number}", "AccountId": accounts[number % 91]}
            deal_id = org.create("Opportunity", {**values, **deal})
            for _ in range(2 + (number < 495)):
                line = {"OpportunityId": deal_id, "PricebookEntryId": entry, "Quantity": 2, "UnitPrice": "9.99"}
                org.create("OpportunityLineItem", line)
    parents = ", ".join(f"Account.{field.name}" for field in list(org.schema.get("Account").fields.values())[:15])
    started = time.perf_counter()
    result = execute(
        org,
        f"SELECT Id, Name, Amount, {parents}, "
        "(SELECT Quantity, UnitPrice, Product2.ProductCode FROM OpportunityLineItems ORDER BY SortOrder) "
        "FROM Opportunity WHERE SystemModstamp >= 2020-01-01T00:00:00Z ORDER BY SystemModstamp, Id",
    )
    assert time.perf_counter() - started < 0.5
    lines = sum(record["OpportunityLineItems"]["totalSize"] for record in result.records)
    assert (result.total_size, lines) == (830, 2155)
