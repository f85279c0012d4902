"""Orders of a file as deals on the usual road: who sells, who buys, and a key that no other order has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import Person
from prefect_crm_erp.blocks.ledger import SourceRecord
from prefect_crm_erp.models.keys import fold, is_salesforce_id, salesforce_id
from prefect_crm_erp.models.money import round_money
from prefect_crm_erp.models.order_files import OrderLineOfFile, shown
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Account, Deal, DealLine, DealSource
from prefect_crm_erp.tasks.batch_run import BatchRun
from prefect_crm_erp.tasks.extract import PAGE_SIZE
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.match import CUSTOMER
from prefect_crm_erp.tasks.order_files import OrderOfFile

_PROBLEMS_NAMED = 20
_PEOPLE_KEPT = 5000
_DIGEST = 20
_REFERENCE = 24
_UNREADABLE = re.compile(r"[^0-9A-Za-z._-]+")


class FileOrder(Item):
    """One order of a file on its way.

    Attributes:
        label: File, lines and reference, as people find it.
    """

    __slots__ = ("_label",)

    def __init__(self, deal: Deal, label: str) -> None:
        super().__init__(deal)
        self._label = label

    @property
    def label(self) -> str:
        """File, lines and reference of the order."""
        return self._label

    @property
    def title(self) -> str:
        """The same, as reports show it."""
        return self._label


def order_key(seller: str, reference: str) -> str:
    """The key of an order in ledger and ERP: readable, unique over all representatives, and no id of a CRM.

    Args:
        seller: 18-character id of the CRM user; what the file says where there is no such user.
        reference: The representative's own number of the order.

    Example:
        >>> order_key("005000000000001AAA", "A 17")
        'A-17~8ebe1f59b88a5f3a3f7a'
    """
    digest = hashlib.sha256(f"{seller.casefold()}\n{reference.casefold()}".encode()).hexdigest()[:_DIGEST]
    return f"{_UNREADABLE.sub('-', reference)[:_REFERENCE]}~{digest}"


@task(name="Read orders", cache_policy=NO_CACHE, persist_result=False)
def read_orders(run: BatchRun, orders: Iterator[OrderOfFile]) -> Page[Item] | None:
    """Read the next page of a file's orders, find who sells and who buys, and note them in the ledger.

    Orders with anything wrong get their verdict (Data Quality Exception) with all of it named.

    Returns:
        The page; None after the last one.
    """
    found = list(islice(orders, PAGE_SIZE))
    if not found:
        return None
    _find_people(run, found)
    accounts = _Accounts(run, {order.head.values.get("account", "") for order in found} - {""})
    items = [_item(run, order, accounts) for order in found]
    return Page([*_noted(run, list(zip(found, items, strict=True)))])


def _noted(run: BatchRun, found: Sequence[tuple[OrderOfFile, FileOrder]]) -> Iterator[FileOrder]:
    """The orders as the ledger has noted them; one whose key came before stands for itself, as a duplicate."""
    fresh = set(run.store.note_read(run.run_id, [SourceRecord(item.key, item.label) for _, item in found]))
    for order, item in found:
        if item.key in fresh:
            fresh.remove(item.key)
            yield item
            continue
        text = f"the order {shown(order.head.values.get('order reference', ''))} of this representative came before"
        twin = _refused(run, order, (f"{_upper(order.place)}: {text}, under another name of the representative",))
        run.store.note_read(run.run_id, [SourceRecord(twin.key, twin.label)])
        yield twin


# -------------------------------------------------------------------- who sells and who buys


def _find_people(run: BatchRun, orders: Sequence[OrderOfFile]) -> None:
    if len(run.people) > _PEOPLE_KEPT:
        run.people.clear()
    wanted = {order.head.values.get("representative", "") for order in orders} - run.people.keys() - {""}
    found = run.crm.people_named(wanted) if wanted else {}
    run.people |= {name: found.get(name, []) for name in wanted}


class _Accounts:
    """The accounts that a page's orders name, by id, by number in the ERP or by exact name."""

    def __init__(self, run: BatchRun, names: Collection[str]) -> None:
        ids = {name: {salesforce_id(name)} for name in names if is_salesforce_id(name)}
        numbers = run.store.bound_by_number(CUSTOMER, names)
        named = run.crm.accounts_named(names) if names else {}
        self._keys: dict[str, set[str]] = {
            name: ids.get(name, set()) | {each.key for each in numbers.get(name, [])} | {*named.get(name, [])}
            for name in names
        }
        wanted = {key for keys in self._keys.values() for key in keys if is_salesforce_id(key)}
        custom = run.integration.deal_fields()
        found = run.crm.accounts(sorted(wanted), custom) if wanted else []
        self._accounts: Mapping[str, Account] = {account.crm_id: account for account in found}

    def find(self, name: str) -> Account | str:
        """The account, or what is wrong with its name."""
        found = [self._accounts[key] for key in sorted(self._keys.get(name, ())) if key in self._accounts]
        if len(found) == 1:
            return found[0]
        if not found:
            return f"there is no account {shown(name)}: give its CRM id, its customer number in the ERP, or its name"
        ids = ", ".join(account.crm_id for account in found[:5])
        return f"several accounts are {shown(name)} ({ids}): give the CRM id"


def _seller(run: BatchRun, name: str) -> Person | str:
    people = [person for person in run.people.get(name, []) if person.is_active]
    if len(people) == 1:
        return people[0]
    if people:
        return f"several users have the address {shown(name)}: give the user name"
    return f"there is no active CRM user with the user name or e-mail address {shown(name)}"


# -------------------------------------------------------------------- orders


def _item(run: BatchRun, order: OrderOfFile, accounts: _Accounts) -> FileOrder:
    values, problems = order.head.values, list(order.problems)
    reference, representative = values.get("order reference"), values.get("representative")
    if not reference or not representative:
        return _refused(run, order, problems)
    seller = _seller(run, representative)
    account = accounts.find(values["account"]) if "account" in values else None
    problems += [f"{_upper(order.place)}: {each}" for each in (seller, account) if isinstance(each, str)]
    key = order_key(seller.id if isinstance(seller, Person) else representative, reference)
    if problems or not isinstance(seller, Person) or not isinstance(account, Account):
        return _refused(run, order, problems, key)
    deal = _deal(order, key, seller, account, run.integration.order_entry.deal_fields())
    return FileOrder(deal, _label(run, order))


def _refused(run: BatchRun, order: OrderOfFile, problems: Sequence[str], key: str | None = None) -> FileOrder:
    """An order that cannot be read as one: it waits, under its own key where it has one."""
    own = hashlib.sha256(f"{run.file}\n{order.head.number}".encode()).hexdigest()[:_DIGEST]
    deal = Deal(crm_id=key or f"line~{own}", source=DealSource.BATCH_FILES, facts={"problems": list(problems)})
    item = FileOrder(deal, _label(run, order))
    more = len(problems) - _PROBLEMS_NAMED
    text = "; ".join(problems[:_PROBLEMS_NAMED]) + (f"; and {more} more" if more > 0 else "")
    item.verdict = Verdict.queued(Queue.DATA_QUALITY, text, error="BadLine", fields=("file",))
    return item


def _label(run: BatchRun, order: OrderOfFile) -> str:
    reference = order.head.values.get("order reference")
    return f"{run.file}, {order.place}" + (f": {reference}" if reference else "")


def _deal(order: OrderOfFile, key: str, seller: Person, account: Account, rule_fields: Sequence[str]) -> Deal:
    values = order.head.values
    currency = values.get("currency") or account.currency
    day = values.get("order date")
    return Deal(
        crm_id=key,
        source=DealSource.BATCH_FILES,
        number=values["order reference"],
        name=f"Order {values['order reference']} of {seller.name}",
        account=account,
        currency=currency,
        lines=tuple(_line(key, line, currency) for line in order.lines),
        closed_on=date.fromisoformat(day) if day else None,
        customer_reference=values.get("customer reference"),
        owner_id=seller.id,
        owner_name=seller.name,
        facts=_facts(order.head, rule_fields),
    )


def _facts(line: OrderLineOfFile, fields: Sequence[str]) -> dict[str, str]:
    """What the rules of the order entry policy look at, by the names that they have there."""
    said = {fold(name): value for name, value in (line.values | line.facts).items()}
    return {field: said[fold(field)] for field in fields if fold(field) in said}


def _line(key: str, line: OrderLineOfFile, currency: str | None) -> DealLine:
    quantity, price = (Decimal(line.values[name]) for name in ("quantity", "unit price"))
    discount = Decimal(line.values.get("discount", "0"))
    exact = quantity * price * (1 - discount / 100)
    return DealLine(
        crm_id=f"{key}/{line.number}",
        sku=line.values["SKU"],
        quantity=quantity,
        unit_price=price,
        discount_percent=discount,
        amount=round_money(exact, currency) if currency else exact,
        place=f"Line {line.number} of the file",
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def resolve_gone(run: BatchRun) -> None:
    """Take out of the queues what waited of an earlier version of this file, and does not stand in it any more."""
    if run.dry_run:
        return
    start, gone, offset = f"{run.file}, line", [], 0
    while entries := run.store.parked(kind=run.kind, limit=1000, offset=offset):
        mine = [entry.key for entry in entries if entry.name.startswith(start)]
        gone += sorted(set(mine) - run.store.noted(run.run_id, mine))
        offset += len(entries)
    run.store.resolve(run.kind, gone, resolution="gone")
