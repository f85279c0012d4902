"""Convert: make sales orders of deals, with unit prices such that the ERP arrives at the deal's amounts to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.blocks.policies.orders import MissingProducts
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import ConnectorError, MissingReferenceError, RecordError, UnsupportedRecordError
from prefect_crm_erp.models.keys import clean_text
from prefect_crm_erp.models.money import ZERO, minor_units, price_steps, round_money, split_amount
from prefect_crm_erp.models.outcomes import Note, Rejected, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Company, Deal, DealLine, OrderLine, Product, SalesOrder
from prefect_crm_erp.tasks.claims import Turn
from prefect_crm_erp.tasks.entry_checks import check_stock, check_territories
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import Run, by_company, by_slot
from prefect_crm_erp.tasks.traveller import PLANNED, open_items

HUNDRED = Decimal(100)
CREATING = "creation of products"
"""The ledger's kind of the turn to create products in an ERP."""


@task(name="Convert to orders", cache_policy=NO_CACHE, persist_result=False)
def convert_records(run: Run, page: Page[Item]) -> Page[Item]:
    """Make a sales order of each deal: products by SKU, the transaction currency as it is, line amounts to the cent.

    A deal whose product or currency the ERP does not have is parked, with its name.
    """
    for slot, items in by_slot(open_items(page)).items():
        if not run.is_up(slot, items):
            continue
        with run.guard(slot, items):
            for group in by_company(items).values():
                _load_products(run, slot, group)
                check_territories(run, slot, group)
                check_stock(run, slot, group)
                for item in (each for each in group if each.verdict is None):
                    _convert(run, slot, item)
    return page


def _convert(run: Run, slot: ErpSlot, item: Item) -> None:
    try:
        _require_currency(run, slot, item)
        item.expected, item.order = _order(run, slot, item)
    except RecordError as error:
        item.verdict = Verdict.from_error(error)


def _require_currency(run: Run, slot: ErpSlot, item: Item) -> None:
    erp = run.erps[slot]
    if item.currency not in erp.currencies():
        raise MissingReferenceError(
            f"{erp.system} has no currency {item.currency}; add it there with its rate, or correct the deal's currency",
            fields=("currency",),
        )


def _order(run: Run, slot: ErpSlot, item: Item) -> tuple[Decimal, SalesOrder]:
    deal, customer, company = item.deal, item.customer, item.company
    if customer is None or company is None or item.route is None:
        raise LookupError(f"{item.key} was not matched before it was converted")
    settings = item.route.subsidiary.order_settings
    products = run.products[slot, company.id]
    lines = discounted_lines(deal) + _shipping_line(run, deal)
    order_lines = [part for line in lines for part in _order_lines(run, slot, line, products, item.currency)]
    order = SalesOrder(
        key=item.key,
        company_id=company.id,
        customer_id=str(customer.erp_id),
        currency=item.currency,
        order_date=deal.closed_on or run.started_at.date(),
        lines=tuple(order_lines),
        customer_reference=clean_text(deal.customer_reference),
        description=clean_text(deal.name),
        payment_terms=customer.payment_terms,
        price_list=settings.price_list,
        tax_rule=settings.tax_rule,
        billing=customer.billing,
        shipping=customer.shipping,
        custom=_mapped(run, MappedRecord.DEAL, deal.custom),
    )
    return sum((line.amount for line in lines), ZERO), order


def discounted_lines(deal: Deal) -> list[DealLine]:
    """The deal's lines after its header discount, which is shared out so that not a cent is lost."""
    if deal.header_discount_percent == 0:
        return list(deal.lines)
    currency = (deal.currency or "").upper()
    before = sum((line.amount for line in deal.lines), ZERO)
    after = round_money(before * (1 - deal.header_discount_percent / HUNDRED), currency)
    shares = split_amount(after, [line.amount for line in deal.lines], currency)
    return [line.model_copy(update={"amount": share}) for line, share in zip(deal.lines, shares, strict=True)]


def exact_lines(deal: Deal) -> list[Decimal]:
    """The deal's lines after their own discounts, unrounded."""
    return [line.quantity * line.unit_price * (1 - line.discount_percent / HUNDRED) for line in deal.lines]


def crm_total(deal: Deal) -> Decimal:
    """The deal's total as the ERP's is compared with it: without tax, unless the deal shows its tax."""
    lines = sum((line.amount for line in discounted_lines(deal)), ZERO)
    return in_minor_units(lines + deal.shipping + (deal.tax or ZERO), deal.currency)


def in_minor_units(amount: Decimal, currency: str | None) -> Decimal:
    """An amount with its currency's decimal places (10409.6 USD as 10409.60); never another amount."""
    rounded = round_money(amount, (currency or "").upper())
    return rounded if rounded == amount else amount


def _shipping_line(run: Run, deal: Deal) -> list[DealLine]:
    if deal.shipping == 0:
        return []
    sku = run.integration.orders.shipping_sku
    return [
        DealLine(
            crm_id=deal.crm_id,
            sku=sku,
            product_name="Shipping and handling",
            description="Shipping and handling",
            quantity=Decimal(1),
            unit_price=deal.shipping,
            amount=deal.shipping,
        )
    ]


def _order_lines(
    run: Run, slot: ErpSlot, line: DealLine, products: dict[str, Product], currency: str
) -> list[OrderLine]:
    erp = run.erps[slot]
    product = products[(line.sku or "").strip()]
    _require_unit(run, line, product)
    try:
        steps = price_steps(line.quantity, line.amount, minor_units(currency), erp.capabilities.price_digits)
    except ValueError as error:
        raise UnsupportedRecordError(f"SKU {line.sku}: {error}", fields=("lines.quantity",)) from None
    return [
        OrderLine(
            product_id=product.erp_id,
            sku=product.key,
            description=line.description or line.product_name or product.name,
            quantity=quantity,
            unit_price=price,
            list_price=list_price_of(line) if erp.capabilities.takes_list_prices else None,
            custom=_mapped(run, MappedRecord.LINE, line.custom),
        )
        for quantity, price in steps
    ]


def list_price_of(line: DealLine) -> Decimal:
    """What the discount is of: the price before the line's own discount, or the price book's where that is more."""
    return max(line.unit_price, line.list_price or ZERO)


def _require_unit(run: Run, line: DealLine, product: Product) -> None:
    if not run.integration.code_lists.same_unit(line.unit, product.unit, product.unit_symbol):
        raise UnsupportedRecordError(
            f"SKU {product.key} is sold by {line.unit!r} in the CRM and by {product.unit!r} in the ERP; "
            "correct the product, or map the unit in the code lists",
            fields=("lines.unit",),
        )


def _mapped(run: Run, record: MappedRecord, values: dict[str, object]) -> dict[str, object]:
    pairs = run.integration.custom_fields.pairs(record)
    return {erp: values[crm] for crm, erp in pairs if values.get(crm) is not None}


# -------------------------------------------------------------------- products


def _load_products(run: Run, slot: ErpSlot, items: Sequence[Item]) -> None:
    """Look up, once in a run, the products of these deals; create or park what the ERP does not have."""
    company = items[0].company
    if company is None:
        return
    catalogue = run.products.setdefault((slot, company.id), {})
    wanted = {sku for item in items for sku in _skus(run, item)} - catalogue.keys()
    if wanted:
        found = run.erps[slot].find(Product, sorted(wanted), company)
        catalogue.update(_active(found))
        if wanted - found.keys() and _creates_products(run, slot):
            catalogue.update(_add_missing(run, slot, company, items, wanted - found.keys()))
    for item in items:
        lacking = [sku for sku in _skus(run, item) if sku not in catalogue]
        if lacking and item.verdict is None:
            item.verdict = Verdict.from_error(_unknown_products(run, slot, item, lacking))


def _creates_products(run: Run, slot: ErpSlot) -> bool:
    """Whether unknown products are created in this run; an ERP without any is filled by the run that finds it so."""
    policy = run.integration.orders.missing_products
    if policy is MissingProducts.INITIAL_LOAD:
        return run.is_initial_load(slot)
    return policy is MissingProducts.CREATE


def _active(found: dict[str, list[Product]]) -> dict[str, Product]:
    return {sku: products[0] for sku, products in found.items() if products[0].is_active}


def _skus(run: Run, item: Item) -> list[str]:
    skus = [(line.sku or "").strip() for line in item.deal.lines]
    return skus + ([run.integration.orders.shipping_sku] if item.deal.shipping else [])


def _unknown_products(run: Run, slot: ErpSlot, item: Item, skus: Sequence[str]) -> ConnectorError:
    several = len(skus) > 1
    places = {(line.sku or "").strip(): line.named(number) for number, line in enumerate(item.deal.lines, start=1)}
    named = ", ".join(f"{sku} of {places[sku]}" if sku in places else sku for sku in dict.fromkeys(skus))
    them = "them" if several else "it"
    return MissingReferenceError(
        f"{run.erps[slot].system} has no product for sale with the SKU{'s' if several else ''} {named}; "
        f"create {them} there, open {them} for sale, or correct the product code in the CRM",
        fields=("lines.sku",),
    )


def _add_missing(
    run: Run, slot: ErpSlot, company: Company, items: Sequence[Item], missing: set[str]
) -> dict[str, Product]:
    """Create products, one run at a time, so that no two create the same one."""
    if run.dry_run:
        return _create_products(run, slot, company, items, missing)
    with Turn(run, CREATING, slot.value).taken() as is_mine:
        if not is_mine:
            concerned = [item for item in items if missing & {*_skus(run, item)}]
            run.wait(concerned, "Another run is creating products", "Busy")
            return {}
        found = run.erps[slot].find(Product, sorted(missing), company)
        still = missing - found.keys()
        return _active(found) | (_create_products(run, slot, company, items, still) if still else {})


def _create_products(
    run: Run, slot: ErpSlot, company: Company, items: Sequence[Item], missing: set[str]
) -> dict[str, Product]:
    planned = [
        _new_product(run, company, sku, line, item.currency)
        for sku, (line, item) in {
            (line.sku or "").strip(): (line, item) for item in items for line in item.deal.lines
        }.items()
        if sku in missing
    ]
    if run.integration.orders.shipping_sku in missing:
        planned.append(Product(key=run.integration.orders.shipping_sku, name="Shipping and handling", is_service=True))
    if run.dry_run:
        return {product.key: product.model_copy(update={"erp_id": PLANNED}) for product in planned}
    created: dict[str, Product] = {}
    for result in run.erps[slot].write(planned, company):
        if isinstance(result, Rejected):
            _note_refused(items, result)
        else:
            created[result.record.key] = result.record
    return created


def _new_product(run: Run, company: Company, sku: str, line: DealLine, currency: str) -> Product:
    """A product as its deal line describes it; a list price in another currency than the company's says nothing."""
    return Product(
        key=sku,
        name=clean_text(line.product_name) or sku,
        unit=line.unit and run.integration.code_lists.units.get(line.unit, line.unit),
        list_price=line.unit_price if currency == company.currency else None,
        currency=company.currency,
    )


def _note_refused(items: Sequence[Item], result: Rejected[Product]) -> None:
    for item in items:
        if result.record.key in {(line.sku or "").strip() for line in item.deal.lines}:
            item.notes.append(Note("lines.sku", f"The ERP refused the new product {result.record.key}: {result.error}"))
