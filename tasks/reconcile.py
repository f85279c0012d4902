"""Reconcile: look at linked accounts and customers on both sides as they stand, and note where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from prefect_crm_erp.blocks.ledger import CrossReference, Discrepancy
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.keys import chunks
from prefect_crm_erp.models.ownership import SETTLED, Agreed, Owner, decide
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.tasks.account_check import crm_side, look_up_links, look_up_parents, shown_as_text
from prefect_crm_erp.tasks.account_extract import PAGE_SIZE, named_pages
from prefect_crm_erp.tasks.account_fields import erp_side, keepers, parent_keys, read_standing
from prefect_crm_erp.tasks.account_item import AccountItem, Link
from prefect_crm_erp.tasks.account_place import route_linked
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_show import show_customers
from prefect_crm_erp.tasks.account_values import crm_values, in_words
from prefect_crm_erp.tasks.clean import clean_account
from prefect_crm_erp.tasks.match import CUSTOMER

RECORD: Final = "record"
"""Stands for a field where a whole record is gone."""
SHOWN: Final = (
    "erp_customer_number",
    "erp_credit_limit",
    "erp_outstanding",
    "erp_credit_used",
    "erp_credit_currency",
    "erp_payment_terms",
)
"""What an account shows of its customer and that is compared."""


class State(StrEnum):
    """What a link turned out to be; their counts add up to the links of the ledger."""

    IN_STEP = "in step"
    DIFFERING = "differing"
    GONE = "gone"
    LEFT_ALONE = "left alone"


class Linked:
    """A link between an account and a customer, and what a look at both has found.

    Attributes:
        reference: The ledger's cross-reference.
        item: The account as it stands, with its links; None when it is gone.
        state: What the link turned out to be; None before it is compared.
        found: Where the two differ.
        agreed: Fields that differ because one side cannot hold the other's value, or keeps one of its own.
    """

    __slots__ = ("agreed", "found", "item", "reference", "state")

    def __init__(self, reference: CrossReference) -> None:
        self.reference = reference
        self.item: AccountItem | None = None
        self.state: State | None = None
        self.found: list[Discrepancy] = []
        self.agreed = 0

    @property
    def link(self) -> Link | None:
        """The account's link to this customer; None when one of them is gone, or its ERP is not connected any more."""
        return self.item.links.get(ErpSlot(self.reference.erp)) if self.item else None

    def differs(self, field: str, crm: str | None, erp: str | None, owner: str) -> None:
        """Note a difference."""
        reference = self.reference
        name = self.item.label if self.item else reference.key
        erp_id, number = reference.erp_id, reference.erp_number
        found = Discrepancy(reference.key, reference.erp, field, crm, erp, owner, name, erp_id, number)
        self.found.append(found)


class Tally:
    """What a reconciliation has counted, page by page.

    Attributes:
        states: Links by what they turned out to be.
        agreed: Fields that differ as agreed on.
        discrepancies: Fields that differ, and records that are gone.
    """

    __slots__ = ("agreed", "discrepancies", "states")

    def __init__(self) -> None:
        self.states = dict.fromkeys(State, 0)
        self.agreed = 0
        self.discrepancies = 0

    @property
    def linked(self) -> int:
        """Links that were looked at."""
        return sum(self.states.values())

    def add(self, page: Page[Linked]) -> None:
        """Count a page."""
        for linked in page:
            if linked.state is None:
                raise LookupError(f"the link of {linked.reference.key} was not compared")
            self.states[linked.state] += 1
            self.agreed += linked.agreed
            self.discrepancies += len(linked.found)


# -------------------------------------------------------------------- reading


def link_pages(run: AccountRun, named: Sequence[str] | None) -> Iterator[Page[Linked]]:
    """All links of the ledger, or those of the named accounts; 200 accounts at a time."""
    if named is None:
        found = run.store.bound_pages(CUSTOMER, PAGE_SIZE)
    else:
        found = (_bound(run, keys) for keys in chunks(named, PAGE_SIZE))
    for bound in found:
        yield Page([Linked(reference) for references in bound.values() for reference in references])


def _bound(run: AccountRun, named: Sequence[str]) -> dict[str, list[CrossReference]]:
    bound = run.store.bound(CUSTOMER, named)
    for key in named:
        if key not in bound:
            get_run_logger().warning("The account %s is linked to no customer: there is nothing to compare", key)
    return bound


@task(name="Extract links", cache_policy=NO_CACHE, persist_result=False)
def extract_links(run: AccountRun, pages: Iterator[Page[Linked]]) -> Page[Linked] | None:
    """Read the next page of links and both their sides; None after the last one.

    Raises:
        TransientError: A system does not answer; nothing can be said about its records.
    """
    page = next(pages, None)
    if page is None:
        return None
    keys = dict.fromkeys(linked.reference.key for linked in page)
    items = {account.crm_id: AccountItem(account) for accounts in named_pages(run, keys) for account in accounts}
    for linked in page:
        linked.item = items.get(linked.reference.key)
    _see_accounts(run, list(items.values()))
    for slot in run.erps:
        _see_customers(run, slot, {key: item for key, item in items.items() if slot in item.links})
    used = set(run.used_slots)
    show_customers(run, [item for item in items.values() if item.links.keys() <= used])
    return page


def _see_accounts(run: AccountRun, items: Sequence[AccountItem]) -> None:
    look_up_links(run, items)
    for item in items:
        customer, _, _ = clean_account(item.account, run.integration, run.erp_needs_state())
        item.crm = crm_values(item.account, customer, run.integration)
        route_linked(run, item)
    look_up_parents(run, items)


def _see_customers(run: AccountRun, slot: ErpSlot, items: Mapping[str, AccountItem]) -> None:
    read_standing(run, slot, list(items.values()))
    standing = {key: each for key, item in items.items() if (each := item.links[slot].standing)}
    parents = parent_keys(run, slot, list(standing.values()))
    first = keepers(run, slot, list(standing.values()))
    for key, customer in standing.items():
        if first.get(str(customer.erp_id), key) == key:  # what another account keeps in step is not compared
            items[key].links[slot].erp = erp_side(run, slot, customer, parents)


# -------------------------------------------------------------------- comparing


@task(name="Compare both sides", cache_policy=NO_CACHE, persist_result=False)
def compare_sides(run: AccountRun, page: Page[Linked]) -> Page[Linked]:
    """Find out what each link is, and in which fields its two sides differ."""
    for linked in page:
        if _is_left_alone(run, linked):
            linked.state = State.LEFT_ALONE
        elif _note_what_is_gone(linked):
            linked.state = State.GONE
        else:
            _compare(run, linked)
            linked.state = State.DIFFERING if linked.found else State.IN_STEP
    return page


def _is_left_alone(run: AccountRun, linked: Linked) -> bool:
    """Whether account sync leaves the link alone on purpose, so that a difference says nothing about ownership."""
    item, link = linked.item, linked.link
    if ErpSlot(linked.reference.erp) not in run.erps:
        return True
    if item is None or item.account.is_deleted:
        return False
    if not item.account.push_to_erp or link is None:
        return True
    customer = link.standing
    return customer is not None and customer.is_active and not link.erp


def _note_what_is_gone(linked: Linked) -> bool:
    item, link = linked.item, linked.link
    customer = link.standing if link else None
    number = linked.reference.erp_number or linked.reference.erp_id
    if item is None:
        linked.differs(RECORD, "gone", number, "")
    elif item.account.is_deleted:
        survivor = item.account.merged_into
        linked.differs(RECORD, f"merged into {survivor}" if survivor else "deleted", number, "")
    elif customer is None:
        linked.differs(RECORD, item.label, "gone", "")
    elif not customer.is_active:
        linked.differs(RECORD, item.label, "closed", "")
    return bool(linked.found)


def _compare(run: AccountRun, linked: Linked) -> None:
    item, link = linked.item, linked.link
    if item is None or link is None:
        raise LookupError(f"the link of {linked.reference.key} was not read")
    said = crm_side(item, link)
    for field, rule in run.rules.items():
        if field not in said or field not in link.erp or said[field] == link.erp[field]:
            continue
        pair = (link.agreed or {}).get(field)
        if decide(rule, said[field], link.erp[field], Agreed(*pair) if pair else None) == SETTLED:
            linked.agreed += 1
        else:
            linked.differs(field, in_words(said[field]), in_words(link.erp[field]), rule.owner.value)
    _compare_shown(linked, item, link)


def _compare_shown(linked: Linked, item: AccountItem, link: Link) -> None:
    """What the account shows of its customer; one with customers in several ERPs shows the first one's."""
    if item.shows is None or link is not next(iter(item.links.values())):
        return
    shown, now = shown_as_text(item.account.shown), shown_as_text(item.shows)
    for name in SHOWN:
        if (shown[name] or None) != (now[name] or None):
            linked.differs(name, shown[name], now[name], Owner.ERP.value)


# -------------------------------------------------------------------- noting


@task(name="Note discrepancies", cache_policy=NO_CACHE, persist_result=False)
def note_discrepancies(run: AccountRun, page: Page[Linked], tally: Tally) -> None:
    """Keep in the ledger where the page's links differ, since when and how often in a row, and count them."""
    links = [(linked.reference.key, linked.reference.erp) for linked in page]
    run.store.note_discrepancies(run.run_id, CUSTOMER, links, [found for linked in page for found in linked.found])
    tally.add(page)
