"""Duplicates: read all accounts and customers, and keep of each only what it is compared by."""

from __future__ import annotations

from collections.abc import Iterator

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.duplicates import CRM, DuplicateRate, Duplicates, Entry, Place, find_duplicates
from prefect_crm_erp.models.geography import country_code
from prefect_crm_erp.models.keys import company_key, postcode_key
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Account, Customer
from prefect_crm_erp.tasks.account_extract import PAGE_SIZE
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_values import vat_value
from prefect_crm_erp.tasks.match import CUSTOMER

LINKS_PER_PAGE = 2000


class Census:
    """All records of all systems, as they are compared.

    Attributes:
        entries: The records by system.
    """

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}

    def add(self, system: str, page: Page[Entry]) -> None:
        """Add a page."""
        self.entries.setdefault(system, []).extend(page)

    @property
    def count(self) -> int:
        """Records of all systems."""
        return sum(map(len, self.entries.values()))

    @property
    def incomparable(self) -> int:
        """Records with neither VAT number nor postal code, of which nothing can be said."""
        return sum(not entry.is_comparable for entries in self.entries.values() for entry in entries)


class Findings:
    """The duplicates of a census.

    Attributes:
        inside: The duplicates of each system on its own.
        across: Accounts and customers that look alike and are not linked.
        rates: The rate of each system, then the one across all of them, in which linked records count as one.
    """

    __slots__ = ("across", "inside", "rates")

    def __init__(self, inside: dict[str, Duplicates], together: Duplicates, labels: dict[str, str]) -> None:
        self.inside = inside
        self.across = [group for group in together.groups if group.lacks_link]
        self.rates = [DuplicateRate(labels[system], found.units, found.surplus) for system, found in inside.items()]
        self.rates.append(DuplicateRate(ACROSS, together.units, together.surplus))


ACROSS = "across all systems"
"""Scope of the rate in which linked records count as one."""


def labels_of(run: AccountRun) -> dict[str, str]:
    """The systems' names as people read them, by entry's system; those of several ERPs with their place."""
    many = len(run.erps) > 1
    erps = {slot.value: f"{erp.system} ({slot.value})" if many else erp.system for slot, erp in run.erps.items()}
    return {CRM: run.crm.system} | erps


def readable_systems(run: AccountRun) -> list[str]:
    """The systems whose records can be read as a whole."""
    able = [slot.value for slot, erp in run.erps.items() if Customer in erp.capabilities.changes]
    return [CRM, *able]


def record_pages(run: AccountRun, system: str) -> Iterator[Page[Account] | Page[Customer]]:
    """All records of a system that are not deleted."""
    if system == CRM:
        yield from run.crm.account_pages(page_size=PAGE_SIZE)
    else:
        yield from run.erps[ErpSlot(system)].changes(Customer, None)


@task(name="Extract records", cache_policy=NO_CACHE, persist_result=False)
def extract_entries(
    run: AccountRun, system: str, pages: Iterator[Page[Account] | Page[Customer]]
) -> Page[Entry] | None:
    """Read the next page of a system's records, and keep what they are compared by; None after the last one.

    Raises:
        TransientError: The system does not answer.
    """
    page = next(pages, None)
    if page is None:
        return None
    entries = [
        _of_account(run, record) if isinstance(record, Account) else _of_customer(system, record)
        for record in page
        if not isinstance(record, Customer) or record.is_active
    ]
    return Page(entries, number=page.number, expected=page.expected)


def _of_account(run: AccountRun, account: Account) -> Entry:
    country = country_code(account.billing.country, run.integration.code_lists.countries)
    return Entry(
        system=CRM,
        id=account.crm_id,
        name=account.name or account.crm_id,
        name_key=company_key(account.name),
        postcode=postcode_key(account.billing.postal_code),
        country=country,
        vat=vat_value(account.vat_number, country),
    )


def _of_customer(system: str, customer: Customer) -> Entry:
    country = customer.billing.country
    return Entry(
        system=system,
        id=str(customer.erp_id),
        name=customer.name,
        name_key=company_key(customer.name),
        postcode=postcode_key(customer.billing.postal_code),
        country=country,
        vat=vat_value(customer.vat_number, country),
        number=customer.number,
        accounts=tuple(key for key in (customer.key, *customer.other_keys) if key),
    )


@task(name="Find duplicates", cache_policy=NO_CACHE, persist_result=False)
def find_all_duplicates(run: AccountRun, census: Census) -> Findings:
    """Group what looks alike in each system on its own, and across all of them where no link says so already."""
    inside = {system: find_duplicates(census.entries.get(system, [])) for system in readable_systems(run)}
    everything = (entry for entries in census.entries.values() for entry in entries)
    return Findings(inside, find_duplicates(everything, _links(run, census)), labels_of(run))


def _links(run: AccountRun, census: Census) -> list[tuple[Place, Place]]:
    """Links that the ledger knows, and those that customers name themselves."""
    links = [
        ((CRM, key), (reference.erp, reference.erp_id))
        for page in run.store.bound_pages(CUSTOMER, LINKS_PER_PAGE)
        for key, references in page.items()
        for reference in references
    ]
    named = [
        ((CRM, key), entry.place) for entries in census.entries.values() for entry in entries for key in entry.accounts
    ]
    return links + named
