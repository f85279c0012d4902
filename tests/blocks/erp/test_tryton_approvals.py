"""Orders that wait for somebody's approval in Tryton, by a rule of the company on the button that confirms them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from erp_client import ErpClient
from fixtures_tryton import new_key
from pydantic import SecretStr

from prefect_crm_erp.blocks.erp.tryton import Tryton
from prefect_crm_erp.models.outcomes import Rejected, Written
from prefect_crm_erp.models.paging import Cursor
from prefect_crm_erp.models.records import Company, OrderLine, OrderStatus, SalesOrder
from prefect_crm_erp.sandbox.tryton import TrytonAccess, TrytonSandbox
from prefect_crm_erp.sandbox.tryton.rpc import TrytonRpc


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonAccess]:
    """An ERP whose large orders need the VP Finance."""
    with TrytonSandbox(tmp_path_factory.mktemp("approvals"), approvals=True) as sandbox:
        yield sandbox.access


@pytest.fixture(scope="module")
def tryton(access: TrytonAccess) -> Tryton:
    return Tryton(
        server_url=access.url,
        database=access.database,
        username=access.user,
        password=SecretStr(access.password),
    )


@pytest.fixture(scope="module")
def customer(access: TrytonAccess) -> str:
    return str(ErpClient(access).customer("UK", "GB"))


@pytest.fixture
def uk(tryton: Tryton) -> Company:
    return tryton.company("UK")


def confirmed(tryton: Tryton, company: Company, customer: str, amount: str, currency: str = "GBP") -> SalesOrder:
    """An order of this amount, written and confirmed as quote-to-order does it."""
    order = SalesOrder(
        key=new_key("006"),
        company_id=company.id,
        customer_id=customer,
        currency=currency,
        order_date=date(2026, 3, 31),
        lines=(OrderLine(sku="NL-200", quantity=Decimal(1), unit_price=Decimal(amount)),),
    )
    (written,) = tryton.write([order], company)
    assert isinstance(written, Written)
    (result,) = tryton.confirm([written.record], company)
    assert not isinstance(result, Rejected)
    return result.record


def press(access: TrytonAccess, user: str, password: str, order: SalesOrder, button: str = "confirm") -> None:
    """A person presses a button at an order."""
    with TrytonRpc(access.url, access.database, user, password) as rpc:
        rpc(f"model.sale.sale.{button}", [int(str(order.erp_id))], {"company": int(order.company_id)})


@pytest.mark.requirement("R05")
@pytest.mark.parametrize(
    ("amount", "currency", "status"),
    [
        ("50000.00", "GBP", OrderStatus.APPROVED),
        ("50000.01", "GBP", OrderStatus.PENDING_APPROVAL),
        ("64705.88", "USD", OrderStatus.APPROVED),
        ("64705.89", "USD", OrderStatus.PENDING_APPROVAL),
        ("9529412", "JPY", OrderStatus.APPROVED),
        ("9529413", "JPY", OrderStatus.PENDING_APPROVAL),
    ],
)
def test_an_order_over_50_000_in_the_companys_currency_waits(
    tryton: Tryton, uk: Company, customer: str, amount: str, currency: str, status: OrderStatus
) -> None:
    assert confirmed(tryton, uk, customer, amount, currency).status is status


@pytest.mark.requirement("R05")
def test_only_the_vp_finance_lets_it_pass_and_the_next_look_sees_it(
    access: TrytonAccess, tryton: Tryton, uk: Company, customer: str
) -> None:
    waiting = confirmed(tryton, uk, customer, "70000.00")
    press(access, access.finance_user, access.finance_password, waiting)
    (still,) = tryton.read(SalesOrder, [str(waiting.erp_id)], uk)
    assert (still.status, still.approved_at) == (OrderStatus.PENDING_APPROVAL, None)
    assert still.pending_since is not None
    press(access, access.vp_finance_user, access.vp_finance_password, waiting)
    (again,) = tryton.confirm([waiting], uk)
    assert isinstance(again, Written)
    assert again.record.status is OrderStatus.APPROVED
    assert waiting.modified_at is not None
    changed = [each for page in tryton.changes(SalesOrder, Cursor(waiting.modified_at), uk) for each in page]
    (approved,) = [each for each in changed if each.erp_id == waiting.erp_id]
    assert approved.approved_at is not None
    assert approved.approved_at > still.pending_since


@pytest.mark.requirement("R05")
def test_an_order_that_went_back_to_draft_waits_again(
    access: TrytonAccess, tryton: Tryton, uk: Company, customer: str
) -> None:
    waiting = confirmed(tryton, uk, customer, "70000.00")
    press(access, access.user, access.password, waiting, "draft")
    (back,) = tryton.read(SalesOrder, [str(waiting.erp_id)], uk)
    assert back.status is OrderStatus.DRAFT
    (result,) = tryton.confirm([back], uk)
    assert result.record.status is OrderStatus.PENDING_APPROVAL
    assert tryton.find_one(SalesOrder, waiting.key) is not None
