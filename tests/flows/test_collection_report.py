"""The collection report tells orders from what was invoiced of them and from what came in, as Tryton's books say."""

from __future__ import annotations

from decimal import Decimal

import pytest
from artifacts import published
from office import US, Office

from prefect_crm_erp.flows import collection_report, order_status_sync
from prefect_crm_erp.models.collection import Collected
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.tasks.collection_report import NOBODY


def seller(office: Office, name: str) -> str:
    """A user who sells."""
    values = {"LastName": name, "Username": f"{name}@office.example", "Email": f"{name}@office.example", "Alias": name}
    return office.world.company.create("User", [values])[0]


@pytest.mark.requirement("BB02")
def test_orders_are_told_from_what_was_invoiced_and_collected_by_owner_account_and_subsidiary(office: Office) -> None:
    books, sf = office.books, office.world.company.sf
    (first, party), (second, other) = office.buyer(), office.buyer()
    for account, name in ((first, "Ada"), (second, "Grace")):
        sf.Account.update(account, {"OwnerId": seller(office, name)})
    (_, paid), (_, open_) = office.invoice(first, party), office.invoice(first, party, "EUR", "20.00")
    for invoice in (paid, open_):
        books.post(US, invoice)
    books.pay(US, paid, Decimal(120))
    office.invoice(second, other, price="50.00")  # ordered, and its invoice is a draft
    books.confirm(US, books.order(US, "USD", ("9.00",)))  # of a customer without account
    office.sync(order_status_sync)
    office.sync()

    report = collection_report(integration=office.world.integration(), since=books.today)
    ada = {"USD": Collected(Decimal(300), Decimal(300), Decimal(120)), "EUR": Collected(Decimal(60), Decimal(60))}
    assert {currency: each for (owner, currency), each in report.by_owner.items() if owner == "Ada"} == ada
    assert {currency: each for (account, currency), each in report.by_account.items() if account == first} == ada
    assert report.by_owner["Grace", "USD"] == report.by_account[second, "USD"] == Collected(Decimal(150))
    assert report.by_account[NOBODY, "USD"].ordered >= 27
    for currency, whole in report.totals.items():
        for sums in (report.by_owner, report.by_account, report.by_subsidiary):
            assert sum((each for (_, code), each in sums.items() if code == currency), Collected()) == whole
    assert report.by_owner["Ada", "USD"].share == Decimal("0.4")
    shown = published("collection-summary")
    assert "| Ada | 300.00" in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "40.0 %" in shown
    assert first in shown

    before = collection_report(integration=office.world.integration(), month="2020-02")
    assert (before.totals, str(before.period)) == ({}, "2020-02")
    with pytest.raises(ConfigurationError, match="looks like 2026-03"):
        collection_report(integration=office.world.integration(), month="March")
