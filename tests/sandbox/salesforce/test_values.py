"""Values on their way in, on disk, and on their way out: nothing is lost, nothing slips through."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefect_crm_erp.sandbox.salesforce.errors import RowRejected
from prefect_crm_erp.sandbox.salesforce.objects import build_schema
from prefect_crm_erp.sandbox.salesforce.org import Org
from prefect_crm_erp.sandbox.salesforce.values import parse, round_half_up, wire_datetime, wire_number

ACCOUNT = build_schema().get("Account")
OPPORTUNITY = build_schema().get("Opportunity")
amounts = st.decimals("-9999999999999.99", "9999999999999.99", places=2)


def read(name: str, value: Any, sobject: Any = OPPORTUNITY) -> Any:
    return parse(sobject.field(name), value)


@given(st.decimals("-1e12", "1e12", allow_nan=False, places=6))
def test_a_number_on_the_wire_is_the_same_number_without_exponent(amount: Decimal) -> None:
    text = format(wire_number(amount), "f")
    assert Decimal(text) == amount
    assert orjson.loads(text) == pytest.approx(float(amount))
    assert "e" not in text.lower()
    assert "." in text


@given(st.integers(-(10**9), 10**9), st.integers(0, 3))
def test_rounding_is_half_up_away_from_zero(thousandths: int, places: int) -> None:
    """Against whole-number arithmetic."""
    unit = 10 ** (3 - places)
    expected = (abs(thousandths) + unit // 2) // unit
    rounded = round_half_up(Decimal(thousandths).scaleb(-3), places)
    assert abs(rounded) == Decimal(expected).scaleb(-places)
    assert -int(rounded.as_tuple().exponent) == places


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(
    amount=amounts,
    text=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp", "Cs"]), min_size=1, max_size=60
    ),
    day=st.dates(date(1900, 1, 1), date(4000, 12, 31)),
)
def test_values_survive_the_disk_to_the_last_digit(tmp_path: Path, amount: Decimal, text: str, day: date) -> None:
    org = Org(tmp_path)
    values = {"Name": text, "StageName": "Prospecting", "CloseDate": day, "Amount": amount, "Description": text}
    record_id = org.create("Opportunity", values)
    before = org.get("Opportunity", record_id)
    org.close()
    reopened = Org(tmp_path)
    after = reopened.get("Opportunity", record_id)
    reopened.close()
    assert after == before
    assert {name: after[name] for name in values} == values
    assert str(after["Amount"]) == str(amount.quantize(Decimal("0.01")))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Amount", 12, Decimal(12)),
        ("Amount", "12.50", Decimal("12.50")),
        ("Amount", "1e3", Decimal(1000)),
        ("Amount", "", None),
        ("Probability", Decimal("49.5"), Decimal(50)),
        ("Name", "  Acme \n", "Acme"),
        ("Name", "   ", None),
        ("Push_To_ERP__c", "TRUE", True),
        ("Push_To_ERP__c", "0", False),
        ("CloseDate", "2026-02-28", date(2026, 2, 28)),
        ("CloseDate", "2026-02-28T23:59:00Z", date(2026, 2, 28)),
        ("AccountId", "001A0000006Vm9r", "001A0000006Vm9rIAC"),
    ],
)
def test_json_and_csv_values_are_understood(name: str, value: Any, expected: Any) -> None:
    assert read(name, value) == expected


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00.000+0000", "2026-03-01T10:00:00.9Z"],
)
def test_moments_are_read_in_every_notation_and_kept_in_utc_seconds(text: str) -> None:
    field = build_schema().get("Order").field("ActivatedDate")
    assert parse(field, text) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert wire_datetime(parse(field, text)) == "2026-03-01T10:00:00.000+0000"
    eastern = datetime(2026, 3, 1, 5, tzinfo=timezone(timedelta(hours=-5)))
    assert parse(field, eastern) == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Amount", "12,50", "JSON_PARSER_ERROR"),
        ("Amount", "NaN", "JSON_PARSER_ERROR"),
        ("Amount", True, "JSON_PARSER_ERROR"),
        ("Amount", {"value": 1}, "JSON_PARSER_ERROR"),
        ("Amount", "1e999", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Amount", Decimal("1e16"), "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Probability", 1000, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("TotalOpportunityQuantity", "1e900", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("FiscalYear", Decimal("1.5"), "JSON_PARSER_ERROR"),
        ("Name", ["a"], "JSON_PARSER_ERROR"),
        ("Name", "x" * 121, "STRING_TOO_LONG"),
        ("Name", "🧪" * 61, "STRING_TOO_LONG"),
        ("CloseDate", "2026-02-30", "JSON_PARSER_ERROR"),
        ("CloseDate", "28.02.2026", "JSON_PARSER_ERROR"),
        ("CloseDate", 20260228, "JSON_PARSER_ERROR"),
        ("Push_To_ERP__c", "maybe", "JSON_PARSER_ERROR"),
        ("Push_To_ERP__c", None, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("AccountId", "not an id", "MALFORMED_ID"),
        ("AccountId", 7, "MALFORMED_ID"),
    ],
)
def test_what_does_not_fit_the_field_is_refused(name: str, value: Any, code: str) -> None:
    with pytest.raises(RowRejected) as caught:
        read(name, value)
    (error,) = caught.value.errors
    assert (error.code, error.fields) == (code, (name,))


@pytest.mark.parametrize("address", ["a", "a@b", "a b@example.com", "a@b@example.com", "<a@example.com>", "a@example."])
def test_a_malformed_email_address_is_refused(address: str) -> None:
    with pytest.raises(RowRejected, match="INVALID_EMAIL_ADDRESS"):
        read("Email", address, build_schema().get("Contact"))


def test_every_object_describes_itself_in_plain_json() -> None:
    schema = build_schema()
    for summary in schema.describe_global("60.0")["sobjects"]:
        described = schema.describe(summary["name"], "60.0")
        assert json.loads(json.dumps(described)) == described
        assert summary.items() <= {**described, "urls": summary["urls"]}.items()
        assert described["urls"]["sobject"] == f"/services/data/v60.0/sobjects/{summary['name']}"
        assert {field["name"] for field in described["fields"]} >= {"Id", "IsDeleted", "SystemModstamp"}


def test_child_relationships_and_lookups_mirror_each_other() -> None:
    schema = build_schema()
    for sobject in schema.objects.values():
        for child in schema.describe(sobject.name)["childRelationships"]:
            assert sobject.name in schema.get(child["childSObject"]).field(child["field"]).reference_to
        names = [child.name for child in sobject.child_relationships if child.name]
        assert len(names) == len(set(names))
