"""Orders and collection are summed up without loss, whatever they are grouped by."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_crm_erp.models.collection import Collected, collection_summary
from prefect_crm_erp.models.money import ZERO


@dataclass(frozen=True)
class Entry:
    """A document with what counts of it."""

    kind: str
    account: str | None
    total: Decimal | None
    currency: str | None = "EUR"
    status: str | None = None


amounts = st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents).scaleb(-2))
entries = st.builds(
    Entry,
    kind=st.sampled_from(["order", "invoice", "payment"]),
    account=st.sampled_from(["001A", "001B", None]),
    total=amounts,
    currency=st.sampled_from(["EUR", "USD"]),
)


@pytest.mark.requirement("BB02")
@given(st.lists(entries, max_size=30), st.randoms(use_true_random=False))
def test_the_groups_add_up_to_the_whole_in_whatever_order_documents_come(entered: list[Entry], random: Random) -> None:
    shuffled = list(entered)
    random.shuffle(shuffled)
    by_account = collection_summary(entered, lambda entry: entry.account)
    assert collection_summary(shuffled, lambda entry: entry.account) == by_account
    for (_, currency), whole in collection_summary(entered, lambda _: "all").items():
        rows = [row for (_, code), row in by_account.items() if code == currency]
        for member in ("ordered", "invoiced", "collected"):
            assert sum((getattr(row, member) for row in rows), ZERO) == getattr(whole, member)


@pytest.mark.requirement("BB02")
def test_what_came_in_is_told_as_a_share_of_what_was_ordered() -> None:
    entered = [
        Entry("order", "001A", Decimal("300.00")),
        Entry("order", "001A", Decimal("50.00"), status="Cancelled"),
        Entry("order", "001A", Decimal("60.00"), status="Pending Approval"),
        Entry("invoice", "001A", Decimal("200.00"), status="Partly Paid"),
        Entry("invoice", "001A", Decimal("-20.00")),
        Entry("payment", "001A", Decimal("100.00"), status="Posted"),
        Entry("payment", "001A", Decimal("70.00"), status="Cancelled"),
        Entry("delivery", "001A", None),
        Entry("payment", "001B", Decimal("8.00"), "USD"),
    ]
    summary = collection_summary(entered, lambda entry: entry.account)
    assert summary == {
        ("001A", "EUR"): Collected(Decimal(300), Decimal(180), Decimal(100)),
        ("001B", "USD"): Collected(collected=Decimal(8)),
    }
    first = summary["001A", "EUR"]
    assert (first.share, first.invoiced_share) == (Decimal("0.3333"), Decimal("0.5556"))
    assert summary["001B", "USD"].share is None


def test_a_document_that_would_be_missing_in_a_sum_is_refused() -> None:
    for broken in (Entry("order", "001A", None), Entry("payment", "001A", ZERO, None)):
        with pytest.raises(ValueError, match="no total, or no currency"):
            collection_summary([broken], lambda entry: entry.account)
