"""WHERE: which rows a query finds, held against a second evaluator that is written as plainly as possible."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.clock import Clock
from prefect_crm_erp.sandbox.salesforce.errors import ApiError
from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.soql import ast, execute
from prefect_crm_erp.sandbox.salesforce.soql.text import like_matcher

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
TODAY = NOW.date()

# --- A plain evaluator ---------------------------------------------------------------------------------------------

TEXT, NUMBER, BOOLEAN, DATE, ID = "text", "number", "boolean", "date", "id"
KINDS = {
    ("Name",): TEXT,
    ("NextStep",): TEXT,
    ("ERP_Id__c",): TEXT,
    ("Amount",): NUMBER,
    ("Push_To_ERP__c",): BOOLEAN,
    ("CloseDate",): DATE,
    ("AccountId",): ID,
    ("Account", "Name"): TEXT,
    ("Account", "Site"): TEXT,
    ("Account", "NumberOfEmployees"): NUMBER,
    ("Account", "Push_To_ERP__c"): BOOLEAN,
    ("Account", "Parent", "Site"): TEXT,
}


def read(row: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = row
    for name in path:
        value = None if value is None else value.get(name)
    if KINDS[path] == BOOLEAN:
        return bool(value)
    return value.lower() if KINDS[path] == TEXT and value else value


def like(value: str, pattern: str, escaped: Collection[int], at: int = 0) -> bool:
    if at == len(pattern):
        return not value
    if pattern[at] == "%" and at not in escaped:
        return any(like(value[skip:], pattern, escaped, at + 1) for skip in range(len(value) + 1))
    if not value:
        return False
    fits = (pattern[at] == "_" and at not in escaped) or pattern[at] == value[0]
    return fits and like(value[1:], pattern, escaped, at + 1)


def equals(own: Any, literal: ast.Literal) -> bool:
    match literal:
        case ast.Null() | ast.Text(value=""):
            return own is None or own is False
        case ast.Text():
            return own == (literal.value if str(own).startswith("001") else literal.value.lower())
        case ast.RelativeDate(name="TODAY"):
            return own == TODAY
        case ast.RelativeDate(name="LAST_N_DAYS", count=count):
            assert count is not None
            return own is not None and TODAY - timedelta(days=count) <= own <= TODAY
    assert isinstance(literal, ast.Number | ast.Boolean | ast.Date)
    return own is not None and own == literal.value


def passes(condition: ast.Condition, row: dict[str, Any]) -> bool:
    match condition:
        case ast.And():
            return all(passes(term, row) for term in condition.terms)
        case ast.Or():
            return any(passes(term, row) for term in condition.terms)
        case ast.Not():
            return not passes(condition.term, row)
    assert isinstance(condition.left, ast.FieldPath)
    own, right = read(row, condition.left.names), condition.right
    if condition.operator in ("IN", "NOT IN"):
        assert isinstance(right, tuple)
        return any(equals(own, literal) for literal in right) == (condition.operator == "IN")
    assert not isinstance(right, tuple | ast.Query)
    match condition.operator, right:
        case "=", _:
            return equals(own, right)
        case "!=", _:
            return not equals(own, right)
        case "LIKE", ast.Text():
            return own is not None and like(own, right.value.lower(), right.escaped)
    return own is not None and ordered(own, condition.operator, right)


def ordered(own: Any, operator: str, literal: ast.Literal) -> bool:
    first: Any
    last: Any
    match literal:
        case ast.Null() | ast.Text(value=""):
            return False
        case ast.Text():
            own, first, last = own.upper(), literal.value.upper(), literal.value.upper()
        case ast.RelativeDate(count=count):
            first, last = TODAY - timedelta(days=count or 0), TODAY
        case _:
            first = last = literal.value
    return {"<": own < first, "<=": own <= last, ">": own > last, ">=": own >= first}[operator]


# --- Random rows and conditions ------------------------------------------------------------------------------------

words = st.text("aAbB%_\\'", min_size=1, max_size=4)
numbers = st.sampled_from([Decimal(n) for n in ("-1", "0", "1", "1.5", "20")])
dates = st.sampled_from([TODAY + timedelta(days=n) for n in (-40, -3, -1, 0, 1)])
accounts = st.fixed_dictionaries(
    {
        "Name": words,
        "Site": st.none() | words,
        "NumberOfEmployees": st.none() | st.sampled_from([0, 1, 20]),
        "Push_To_ERP__c": st.booleans(),
        "Parent": st.none() | st.integers(0, 2),
    }
)
opportunities = st.fixed_dictionaries(
    {
        "Name": words,
        "NextStep": st.none() | words,
        "ERP_Id__c": st.none() | words,
        "Amount": st.none() | numbers,
        "CloseDate": dates,
        "Push_To_ERP__c": st.booleans(),
        "Account": st.none() | st.integers(0, 2),
    }
)


@st.composite
def patterns(draw: st.DrawFn, alphabet: str = "aAbB%_\\'") -> ast.Text:
    value = draw(st.text(alphabet, max_size=5))
    wild = [position for position, letter in enumerate(value) if letter in "%_"]
    return ast.Text(value, tuple(position for position in wild if draw(st.booleans())))


LITERALS: dict[str, st.SearchStrategy[ast.Literal]] = {
    TEXT: st.builds(ast.Text, words | st.just("")),
    NUMBER: st.builds(ast.Number, numbers),
    BOOLEAN: st.builds(ast.Boolean, st.booleans()),
    DATE: st.builds(ast.Date, dates)
    | st.just(ast.RelativeDate("TODAY"))
    | st.builds(ast.RelativeDate, st.just("LAST_N_DAYS"), st.integers(0, 40)),
    ID: st.sampled_from([ast.Text(f"account {number}") for number in range(3)]),
}


@st.composite
def comparisons(draw: st.DrawFn) -> ast.Comparison:
    path, kind = draw(st.sampled_from(sorted(KINDS.items())))
    literals = LITERALS[kind] | st.just(ast.Null())
    operators = ["=", "!=", "IN", "NOT IN"]
    operators += ["<", "<=", ">", ">="] if kind in (TEXT, NUMBER, DATE) else []
    operators += ["LIKE"] if kind == TEXT else []
    operator = draw(st.sampled_from(operators))
    if operator == "LIKE":
        return ast.Comparison(ast.FieldPath(path), operator, draw(patterns()))
    if operator in ("IN", "NOT IN"):
        values = draw(st.lists(literals, min_size=1, max_size=3))
        return ast.Comparison(ast.FieldPath(path), operator, tuple(values))
    return ast.Comparison(ast.FieldPath(path), operator, draw(literals))


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    terms = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return terms.map(ast.And) | terms.map(ast.Or) | inner.map(ast.Not)


conditions = st.recursive(comparisons(), _combined, max_leaves=5)


def with_ids(condition: Any, ids: list[str]) -> Any:
    """The condition with account numbers replaced by ids, in their long or short form."""
    match condition:
        case ast.And() | ast.Or():
            return type(condition)(tuple(with_ids(term, ids) for term in condition.terms))
        case ast.Not():
            return ast.Not(with_ids(condition.term, ids))
        case ast.Comparison():
            return ast.Comparison(condition.left, condition.operator, with_ids(condition.right, ids))
        case tuple():
            return tuple(with_ids(value, ids) for value in condition)
        case ast.Text() if condition.value.startswith("account "):
            return ast.Text(ids[int(condition.value[-1])])
    return condition


@pytest.fixture(scope="module")
def org() -> Org:
    return Org(None, Clock(lambda: NOW))


def fill(
    org: Org, parents: list[dict[str, Any]], deals: list[dict[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Store random rows; gives the accounts' ids and the deals as they are to be read."""
    org.reset()
    ids: list[str] = []
    known: list[dict[str, Any]] = []
    for values in parents:
        above = values["Parent"]
        parent = known[above] if above is not None and above < len(known) else None
        stored = {name: value for name, value in values.items() if name != "Parent"}
        ids.append(org.create("Account", stored | {"ParentId": parent and parent["Id"]}))
        known.append(stored | {"Id": ids[-1], "Parent": parent})
    rows: list[dict[str, Any]] = []
    for number, values in enumerate(deals):
        account = known[values["Account"]] if values["Account"] is not None else None
        key = values["ERP_Id__c"] and f"{number}{values['ERP_Id__c']}"
        stored = {name: value for name, value in values.items() if name != "Account"} | {"ERP_Id__c": key}
        fixed = {"StageName": "Prospecting", "AccountId": account and account["Id"]}
        record_id = org.create("Opportunity", stored | fixed)
        rows.append(stored | {"Id": record_id, "Account": account, "AccountId": account and account["Id"]})
    return ids, rows


@given(st.lists(accounts, min_size=3, max_size=3), st.lists(opportunities, max_size=6), conditions, st.booleans())
def test_where_finds_what_the_plain_evaluator_finds(
    org: Org, parents: list[dict[str, Any]], deals: list[dict[str, Any]], condition: Any, short_ids: bool
) -> None:
    ids, rows = fill(org, parents, deals)
    selected = (ast.SelectedExpression(ast.FieldPath(("Id",))),)
    written = with_ids(condition, [record_id[:15] if short_ids else record_id for record_id in ids])
    query = ast.Query(selected, (ast.Source(ast.FieldPath(("Opportunity",))),), where=written)
    expected = [row["Id"] for row in rows if passes(with_ids(condition, ids), row)]
    assert [record["Id"] for record in execute(org, query).records] == expected


@given(st.text(min_size=1, max_size=60), st.text(max_size=10))
def test_escaped_text_finds_its_row_and_no_other(org: Org, name: str, other: str) -> None:
    org.reset()
    stored = name.strip()
    if not stored:
        return
    org.create("Account", {"Name": stored})
    if other.strip().lower() not in ("", stored.lower()):
        org.create("Account", {"Name": other.strip()})
    escaped = stored.replace("\\", "\\\\").replace("'", "\\'")
    for operator, value in (("=", escaped), ("LIKE", escaped.replace("%", "\\%").replace("_", "\\_"))):
        result = execute(org, f"SELECT Name FROM Account WHERE Name {operator} '{value}'")
        assert [record["Name"] for record in result.records] == [stored]


@given(st.text("ab%_", max_size=6), patterns("ab%_"))
def test_like(value: str, pattern: ast.Text) -> None:
    assert bool(like_matcher(pattern)(value)) == like(value, pattern.value, pattern.escaped)


def test_a_pattern_with_many_wildcards_is_no_slower(org: Org) -> None:
    org.reset()
    org.create("Account", {"Name": "a" * 255})
    assert execute(org, f"SELECT Id FROM Account WHERE Name LIKE '{'%a' * 60}%b'").records == []


# --- Cases by hand -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop() -> Iterator[Org]:
    """Accounts with and without deals, deals in several currencies."""
    org = Org(None, Clock(lambda: NOW))
    acme = org.create("Account", {"Name": "Acme", "Type": "Prospect", "ERP_Id__c": "A-1"})
    bell = org.create("Account", {"Name": "Bell"})
    org.create("Account", {"Name": "Cole", "Type": "Other", "ERP_Id__c": "C-3"})
    for name, account, amount, currency, day in (
        ("Dollar", acme, "5001", "USD", "2026-03-18"),
        ("Yen", acme, "7000", "JPY", "2026-03-01"),
        ("Euro", bell, "5001", "EUR", "2025-12-31"),
        ("Orphan", None, "1", "USD", "2026-04-01"),
    ):
        values = {"Name": name, "AccountId": account, "Amount": amount, "CurrencyIsoCode": currency, "CloseDate": day}
        org.create("Opportunity", {**values, "StageName": "Prospecting"})
    org.create("Contact", {"LastName": "Nobody's"})
    yield org
    org.close()


def names(org: Org, query: str, **options: Any) -> list[str]:
    return [record["Name"] for record in execute(org, query, **options).records]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Type = null", ["Bell"]),
        ("Type != 'Prospect'", ["Bell", "Cole"]),
        ("Type NOT IN ('Prospect')", ["Bell", "Cole"]),
        ("NOT Type = 'Prospect'", ["Bell", "Cole"]),
        ("NOT(Type LIKE 'P%')", ["Bell", "Cole"]),
        ("Type != null", ["Acme", "Cole"]),
        ("Type = ''", ["Bell"]),
        ("Type LIKE '%'", ["Acme", "Cole"]),
        ("type = 'PROSPECT' AND (name = 'x' OR NAME LIKE '_cme')", ["Acme"]),
        ("ERP_Id__c IN ('a-1', 'nope')", ["Acme"]),
        ("ERP_Id__c NOT IN ('a-1')", ["Bell", "Cole"]),
        ("Name > 'acme' AND Name <= 'BELL'", ["Bell"]),
        ("Push_To_ERP__c = null", []),
        ("Push_To_ERP__c != null", ["Acme", "Bell", "Cole"]),
        ("Id IN (SELECT AccountId FROM Opportunity)", ["Acme", "Bell"]),
        ("Id NOT IN (SELECT AccountId FROM Opportunity WHERE CurrencyIsoCode = 'JPY')", ["Bell", "Cole"]),
        ("Id IN (SELECT AccountId FROM Opportunity WHERE Amount > 1) AND Name != 'Acme'", ["Bell"]),
        ("CreatedDate = TODAY AND SystemModstamp >= 2026-03-18T16:30:00+01:00", ["Acme", "Bell", "Cole"]),
        ("CreatedDate > TODAY OR CreatedDate < 2026-03-18T15:30:00Z", []),
        (
            "CALENDAR_YEAR(CreatedDate) = 2026 AND HOUR_IN_DAY(convertTimezone(CreatedDate)) = 15",
            ["Acme", "Bell", "Cole"],
        ),
        ("DAY_ONLY(CreatedDate) = 2026-03-18 AND DAY_IN_WEEK(CreatedDate) = 4", ["Acme", "Bell", "Cole"]),
        ("toLabel(Type) = 'prospect'", ["Acme"]),
        ("Owner.Name != null AND Parent.Parent.Name = null", ["Acme", "Bell", "Cole"]),
    ],
)
def test_conditions_on_accounts(shop: Org, where: str, found: list[str]) -> None:
    assert names(shop, f"SELECT Name FROM Account WHERE {where}") == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Amount > USD5000", ["Dollar", "Euro"]),
        ("Amount > 5000", ["Dollar", "Yen", "Euro"]),
        ("Amount = EUR5001", ["Euro"]),
        ("Amount IN (USD5001, JPY7000)", ["Dollar", "Yen"]),
        ("Amount != USD5001", ["Yen", "Euro", "Orphan"]),
        ("Account.Name != 'Acme'", ["Euro", "Orphan"]),
        ("Account.Push_To_ERP__c = false", ["Orphan"]),
        ("Name = 'Orphan' OR Account.Name = 'Bell'", ["Euro", "Orphan"]),
        ("AccountId NOT IN (SELECT Id FROM Account WHERE Name = 'Acme')", ["Euro", "Orphan"]),
        ("AccountId IN (SELECT AccountId FROM Contact)", []),
        ("AccountId NOT IN (SELECT AccountId FROM Contact)", ["Dollar", "Yen", "Euro", "Orphan"]),
        ("CloseDate = THIS_MONTH", ["Dollar", "Yen"]),
        ("CloseDate = LAST_YEAR", ["Euro"]),
        ("CloseDate > TODAY", ["Orphan"]),
        ("CloseDate >= TODAY AND CloseDate < 2026-04-01", ["Dollar"]),
        ("CloseDate <= LAST_N_DAYS:1 AND CloseDate != THIS_YEAR", ["Euro"]),
        ("CloseDate IN (LAST_YEAR, 2026-03-01)", ["Yen", "Euro"]),
        ("CloseDate NOT IN (THIS_YEAR)", ["Euro"]),
        ("CALENDAR_QUARTER(CloseDate) = 4", ["Euro"]),
    ],
)
def test_conditions_on_deals(shop: Org, where: str, found: list[str]) -> None:
    assert names(shop, f"SELECT Name FROM Opportunity WHERE {where}") == found


def test_ids_of_15_characters_keep_their_case_and_those_of_18_do_not_need_it(shop: Org) -> None:
    first = execute(shop, "SELECT Id FROM Account ORDER BY Name LIMIT 1").records[0]["Id"]
    assert names(shop, f"SELECT Name FROM Account WHERE Id = '{first[:15]}'") == ["Acme"]
    assert names(shop, f"SELECT Name FROM Account WHERE Id = '{first.upper()}'") == ["Acme"]
    # Another case of the 15 characters is another id.
    swapped = first[:15].swapcase()
    if swapped != first[:15]:
        assert names(shop, f"SELECT Name FROM Account WHERE Id = '{swapped}'") == []
    assert names(shop, f"SELECT Name FROM Account WHERE Id > '{first}' ORDER BY Id") == ["Bell", "Cole"]


def test_rows_in_the_recycle_bin_show_only_when_asked_for() -> None:
    org = Org(None)
    org.create("Account", {"Name": "kept"})
    gone = org.create("Account", {"Name": "gone"})
    org.create("Contact", {"LastName": "left", "AccountId": gone})
    org.delete("Account", gone)
    assert names(org, "SELECT Name FROM Account") == ["kept"]
    assert names(org, "SELECT Name FROM Account WHERE Id != null", include_deleted=True) == ["kept", "gone"]
    assert names(org, f"SELECT Name FROM Account WHERE Id = '{gone}' ALL ROWS") == ["gone"]
    assert names(org, "SELECT Name FROM Account WHERE IsDeleted = true", include_deleted=True) == ["gone"]
    assert execute(org, "SELECT COUNT() FROM Contact").total_size == 0
    [account] = execute(org, "SELECT (SELECT Name FROM Contacts) FROM Account WHERE IsDeleted = true ALL ROWS").records
    assert account["Contacts"]["totalSize"] == 1


WRONG = {
    "INVALID_TYPE": [
        ("Id FROM Nothing__c", "sObject type 'Nothing__c' is not supported. If you are"),
        ("Id, (SELECT Id FROM Foos) FROM Account", "Didn't understand relationship 'Foos' in FROM part"),
    ],
    "INVALID_FIELD": [
        (
            "Id, Foo__c FROM Account",
            "be sure to append the '__c' after the custom field name. Please reference your WSDL or",
        ),
        ("Foo.Name FROM Account", "Didn't understand relationship 'Foo' in field path."),
        ("Owner.Foo FROM Account", "No such column 'Foo' on entity 'User'."),
        ("Id FROM Account ORDER BY Foo", "No such column 'Foo' on entity 'Account'."),
        ("Id FROM Account WHERE Description LIKE 'a%'", "field 'Description' can not be filtered in a query call"),
        ("Id FROM Account WHERE BillingAddress = 'a'", "Address fields can only be filtered using Distance"),
        ("Id FROM Account WHERE Name = 5", "field 'Name' must be of type string and should be enclosed in quotes"),
        ("Id FROM Account WHERE AnnualRevenue = '5'", "field 'AnnualRevenue' must be of type double and should not"),
        ("Id FROM Opportunity WHERE CloseDate = '2026-01-01'", "type date and should not be enclosed in quotes"),
        ("Id FROM Opportunity WHERE CloseDate = 2026-01-01T00:00:00Z", "must be of type date and"),
        ("Id FROM Account WHERE CreatedDate > 2026-01-01", "must be of type dateTime and should not be enclosed"),
        ("Id FROM Account WHERE CALENDAR_YEAR(CreatedDate) = THIS_YEAR", "must be of type int and"),
        ("Id FROM Account WHERE Push_To_ERP__c = 'true'", "must be of type boolean and"),
    ],
    "INVALID_QUERY_FILTER_OPERATOR": [
        ("Id FROM Account WHERE Id = 'abc'", "invalid ID field: abc"),
        ("Id FROM Account WHERE Id LIKE '001%'", "invalid operator on id field"),
        ("Id FROM Account WHERE Push_To_ERP__c > false", "invalid operator"),
        ("Id FROM Account WHERE Type INCLUDES ('a')", "invalid operator"),
    ],
    "MALFORMED_QUERY": [
        ("Id FROM Account WHERE COUNT(Id) > 1", "Invalid aggregate function: COUNT"),
        ("Id FROM Account WHERE Site = USD5", "currency values can only be compared with currency fields"),
        ("Id FROM Opportunity WHERE Amount IN (USD5, 5)", "with and without a currency code can not be mixed"),
        ("Id FROM Opportunity WHERE Amount > XXX5", "unexpected token: 'XXX5'"),
        (
            "Id FROM Account WHERE Name = 'a' OR Id IN (SELECT AccountId FROM Contact)",
            "Semi join sub-selects are not allowed with the 'OR' operator",
        ),
        ("Id FROM Account WHERE NOT Id IN (SELECT AccountId FROM Contact)", "not allowed with the 'NOT' operator"),
        ("Id FROM Account WHERE Id IN (SELECT ParentId FROM Account)", "should not be on the same object type"),
        ("Id FROM Account WHERE Name IN (SELECT Name FROM Contact)", "Semi join sub-selects can only be used with ID"),
        (
            "Id FROM Account WHERE Id IN (SELECT Name FROM Contact)",
            "semi join sub-selects can only query id fields, cannot use: 'Name'",
        ),
        ("Id FROM Account WHERE Id IN (SELECT OwnerId FROM Contact)", "should point to the same object type"),
        (
            "Id FROM Account WHERE Owner.Id IN (SELECT OwnerId FROM Contact)",
            "The left operand cannot have more than one level of relationships",
        ),
        (
            "Id FROM Account WHERE Id IN (SELECT Account.Id FROM Contact)",
            "cannot have more than one level of relationships",
        ),
        (
            "Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 1)",
            "not supported in semi join sub-selects",
        ),
        (
            "Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT ContactId FROM Quote))",
            "Nesting of semi join sub-selects is not supported",
        ),
        (
            "Id FROM Account WHERE Owner.Manager.Manager.Manager.Manager.Manager.Name = 'a'",
            "5 parent levels are allowed",
        ),
    ],
    "NUMBER_OUTSIDE_VALID_RANGE": [
        ("Id FROM Account LIMIT 1 OFFSET 2001", "Maximum SOQL offset allowed is 2000"),
    ],
    "INVALID_QUERY_SCOPE": [
        ("Id FROM Account USING SCOPE team", "The requested scope is not supported: team"),
    ],
}


@pytest.mark.parametrize(
    ("code", "query", "message"), [(code, *case) for code, cases in WRONG.items() for case in cases]
)
def test_wrong_names_types_and_operators_are_refused_in_salesforces_words(
    shop: Org, code: str, query: str, message: str
) -> None:
    with pytest.raises(ApiError) as caught:
        execute(shop, f"SELECT {query}")
    assert caught.value.status == 400
    assert caught.value.errors[0].code == code
    assert message in caught.value.errors[0].message


def test_wrong_names_are_pointed_at(shop: Org) -> None:
    with pytest.raises(ApiError) as caught:
        execute(shop, "SELECT Id, Foo__c FROM Account")
    assert caught.value.errors[0].message.startswith(
        "\nSELECT Id, Foo__c FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo__c' on entity"
    )


def test_a_condition_too_deep_to_evaluate_is_refused(shop: Org) -> None:
    deep = "NOT(" * 9_000 + "Name = 'a'" + ")" * 9_000
    with pytest.raises(ApiError, match="QUERY_TOO_COMPLICATED"):
        execute(shop, f"SELECT Id FROM Account WHERE {deep}")


def test_the_records_of_a_user(shop: Org) -> None:
    owner = execute(shop, "SELECT OwnerId FROM Account LIMIT 1").records[0]["OwnerId"]
    assert len(names(shop, "SELECT Name FROM Account USING SCOPE mine", user_id=owner)) == 3
    other = owner[:14] + ("0" if owner[14] != "0" else "1") + owner[15:]
    assert names(shop, "SELECT Name FROM Account USING SCOPE mine", user_id=other) == []


class CountingOrg(Org):
    """An org that counts how it is read."""

    scans = 0
    lookups = 0
    sought = 0

    def rows(self, obj: str, include_deleted: bool = False) -> Iterator[dict[str, Any]]:
        self.scans += 1
        return super().rows(obj, include_deleted)

    def rows_by_field(
        self, obj: str, field: str, values: Collection[Any], include_deleted: bool = False
    ) -> Iterator[dict[str, Any]]:
        self.lookups += 1
        self.sought += len(values)
        return super().rows_by_field(obj, field, values, include_deleted)


@pytest.mark.parametrize(
    ("where", "scans"),
    [
        ("Id = '{0}'", 0),
        ("Id IN ('{0}', '{1}')", 0),
        ("ERP_Id__c IN ('E-0', 'e-1')", 0),
        ("ParentId = '{0}'", 0),
        ("SystemModstamp >= 2020-01-01T00:00:00Z AND Id IN ('{0}') AND ParentId != null", 0),
        ("Id IN (SELECT AccountId FROM Contact WHERE AccountId IN ('{0}'))", 0),
        ("Id = '{0}' OR Name = 'x'", 1),
        ("Id NOT IN ('{0}')", 1),
        ("ERP_Id__c IN (null, 'E-0')", 1),
        ("Owner.Id = '{0}'", 1),
    ],
)
def test_indexed_fields_are_looked_up_not_scanned(where: str, scans: int) -> None:
    org = CountingOrg(None)
    ids = [org.create("Account", {"Name": f"Account {n}", "ERP_Id__c": f"E-{n}"}) for n in range(3)]
    org.scans = 0
    execute(org, f"SELECT Id FROM Account WHERE {where.format(*ids)}")
    assert org.scans == scans


def test_the_most_selective_index_is_taken() -> None:
    org = CountingOrg(None)
    ids = [org.create("Account", {"Name": f"Account {n}"}) for n in range(3)]
    listed = "', '".join(ids)
    for where in (f"Id IN ('{listed}') AND Name = 'account 1'", f"Name = 'account 1' AND Id IN ('{listed}')"):
        org.sought = 0
        assert names(org, f"SELECT Name FROM Account WHERE {where}") == ["Account 1"]
        assert org.sought == 1


def test_children_of_many_parents_are_read_at_once() -> None:
    org = CountingOrg(None)
    with org.transaction():
        for number in range(300):
            account = org.create("Account", {"Name": f"Account {number}"})
            org.create("Contact", {"LastName": f"Contact {number}", "AccountId": account})
    org.scans = org.lookups = 0
    result = execute(org, "SELECT Name, (SELECT LastName FROM Contacts) FROM Account")
    assert (org.scans, org.lookups) == (1, 1)
    assert all(r["Contacts"]["records"][0]["LastName"][7:] == r["Name"][7:] for r in result.records)


def test_date_literals_follow_the_orgs_clock() -> None:
    org = Org(None, Clock(lambda: NOW))
    org.create("Opportunity", {"Name": "due", "StageName": "Prospecting", "CloseDate": date(2026, 3, 19)})
    assert names(org, "SELECT Name FROM Opportunity WHERE CloseDate = TOMORROW") == ["due"]
    org.clock.skew = timedelta(days=1)
    assert names(org, "SELECT Name FROM Opportunity WHERE CloseDate = TODAY") == ["due"]


@pytest.mark.requirement("GB11")
@given(st.lists(st.integers(0, 2), min_size=1, max_size=20), st.integers(1, 5))
def test_pages_by_modification_stamp_and_id_lose_no_row_to_ties(seconds: list[int], page: int) -> None:
    clock = Clock(lambda: NOW)
    org = Org(None, clock)
    for number, second in enumerate(seconds):
        clock.skew = timedelta(seconds=second)
        org.create("Account", {"Name": str(number)})
    seen: list[dict[str, Any]] = []
    where = "SystemModstamp >= 2026-03-18T15:30:00Z"
    for _ in range(len(seconds) + 1):
        query = f"SELECT Id, SystemModstamp FROM Account WHERE {where} ORDER BY SystemModstamp, Id LIMIT {page}"
        seen += execute(org, query).records
        stamp = seen[-1]["SystemModstamp"].replace("+0000", "Z")
        where = f"SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{seen[-1]['Id']}')"
    assert len({record["Id"] for record in seen}) == len(seen) == len(seconds)
