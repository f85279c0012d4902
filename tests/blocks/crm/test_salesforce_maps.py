"""The tables of fields: one table gives both directions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.blocks import exact_json
from prefect_crm_erp.blocks.crm._salesforce_maps import ACCOUNT, DAY, NUMBER, SOURCES, TIME, WRITE_BACK
from prefect_crm_erp.models.field_map import FieldMap, FieldPair

TABLES = [
    ACCOUNT,
    *WRITE_BACK.values(),
    *(table for source in SOURCES.values() for table in (source.deal, source.line)),
]
VALUES: dict[int, st.SearchStrategy[Any]] = {
    id(NUMBER): st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12),
    id(DAY): st.dates(),
    id(TIME): st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=0)
    ),
}


def records(table: FieldMap) -> st.SearchStrategy[dict[str, Any]]:
    """Flat records: canonical path to value, for the fields that may be written."""
    pairs = [pair for pair in table.pairs if pair.writable]
    return st.fixed_dictionaries({pair.canonical: VALUES.get(id(pair.codec), st.text()) for pair in pairs})


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        place = record
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return record


@pytest.mark.parametrize("table", TABLES)
@given(data=st.data())
def test_what_is_written_reads_back_the_same(table: FieldMap, data: st.DataObject) -> None:
    record = nested(data.draw(records(table)))
    row = exact_json.loads(exact_json.dumps(table.encode(record)))
    writable = FieldMap([pair for pair in table.pairs if pair.writable])
    assert writable.decode(row) == record


@pytest.mark.parametrize("table", TABLES)
def test_a_field_has_one_place(table: FieldMap) -> None:
    canonical = [pair.canonical for pair in table.pairs]
    written = [pair.vendor for pair in table.pairs if pair.writable]
    assert len(set(canonical)) == len(canonical)
    assert len(set(written)) == len(written)


def test_salesforces_own_forms_are_read() -> None:
    pairs = [
        FieldPair("at", "SystemModstamp", TIME),
        FieldPair("on", "CloseDate", DAY),
        FieldPair("amount", "Amount", NUMBER),
    ]
    row = exact_json.loads('{"SystemModstamp":"2026-11-20T20:18:07.000+0000","CloseDate":"2026-11-20","Amount":1.5E7}')
    read = FieldMap(pairs).decode(row)
    assert read == {
        "at": datetime(2026, 11, 20, 20, 18, 7, tzinfo=UTC),
        "on": date(2026, 11, 20),
        "amount": Decimal(15000000),
    }
    assert f"{read['amount']}" == "15000000"
