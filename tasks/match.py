"""Match: find each buyer among the ERP's customers, or create it there; never a second copy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.ledger import AuditEntry, Binding
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import TransientError
from prefect_crm_erp.models.keys import chunks, fingerprint
from prefect_crm_erp.models.matching import Match, match_customer
from prefect_crm_erp.models.outcomes import Change, Note, Queue, Rejected, Verdict, WriteResult
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Company, Contact, Customer
from prefect_crm_erp.tasks.claims import Turn
from prefect_crm_erp.tasks.known_customers import KnownCustomers
from prefect_crm_erp.tasks.run import BaseRun, by_slot
from prefect_crm_erp.tasks.side_by_side import side_by_side
from prefect_crm_erp.tasks.traveller import PLANNED, T, Traveller, open_items

CUSTOMER = "customer"
"""The ledger's kind of customers."""
MATCHING = "matching of customers"
"""The ledger's kind of the turn to look for customers in an ERP and create those that it does not have."""


@task(name="Match customers", cache_policy=NO_CACHE, persist_result=False)
def match_customers(run: BaseRun, page: Page[T]) -> Page[T]:
    """Give each deal its customer in the ERP: known by key, matched, or created.

    Accounts that might be an existing customer, and are not certain to be, send their deals to Pending Review with the
    candidates named. A customer that the ERP's master keeps for other companies does too.
    """
    for slot, items in by_slot(open_items(page)).items():
        if run.is_up(slot, items):
            with run.guard(slot, items):
                _Matching(run, slot, items).run_all()
    return page


class _Matching:
    """Matching of one page's buyers in one ERP."""

    def __init__(self, run: BaseRun, slot: ErpSlot, items: Sequence[Traveller]) -> None:
        self.run = run
        self.slot = slot
        self.erp = run.erps[slot]
        self.known = run.known[slot]
        self.similarity = run.integration.accounts.similarity
        self.turn = Turn(run, MATCHING, slot.value)
        self.items: dict[str, list[Traveller]] = {}
        for item in items:
            self.items.setdefault(item.account_key, []).append(item)

    def run_all(self) -> None:
        """Known ones first; the others one run at a time, so that no two make a customer of the same company."""
        self._use_bound(list(self.items))
        if self._undecided() and self.run.dry_run:
            self._search()
        elif self._undecided():
            with self.turn.taken() as is_mine:
                if is_mine:
                    self._use_bound(self._undecided())  # to customers of a run that had its turn meanwhile
                    self._search()
                else:
                    self._leave(self._undecided())
        self._check_companies()

    def _search(self) -> None:
        """By key; then by content in rounds, so that an account finds the customer that its twin just became."""
        if not self.known.are_all:
            self._use_linked(self._undecided())
        waiting = self._undecided()
        while waiting:
            waiting = self._round(waiting)

    # ---------------------------------------------------------------- by key

    def _use_bound(self, keys: Sequence[str]) -> None:
        """Customers that the ledger knows by the account's id, and that are still there."""
        references = self.run.store.bound(CUSTOMER, keys, self.slot.value)
        ids = {key: found[0].erp_id for key, found in references.items() if found}
        standing = {each.erp_id: each for each in self.erp.read(Customer, list(ids.values()))} if ids else {}
        for key, erp_id in ids.items():
            if erp_id in standing:
                self._settle(key, standing[erp_id])

    def _use_linked(self, keys: Sequence[str]) -> None:
        """Customers that carry the account's id in the ERP, for instance because their creation was not answered."""
        linked: dict[str, Customer] = {}
        for key, found in (self.erp.find(Customer, keys) if keys else {}).items():
            if len(found) > 1:
                self._doubt(key, found, "has several customers with this account's id")
            else:
                linked[key] = found[0]
        self._bind([self._bound(key, customer, "linked", []) for key, customer in linked.items()])
        for key, customer in linked.items():
            self._settle(key, customer)

    def _undecided(self) -> list[str]:
        return [key for key, items in self.items.items() if items[0].verdict is None and not self._has_customer(key)]

    def _has_customer(self, key: str) -> bool:
        customer = self.items[key][0].customer
        return customer is not None and customer.erp_id is not None

    def _wanted(self, key: str) -> Customer:
        customer = self.items[key][0].customer
        if customer is None:
            raise LookupError(f"the account {key} was not cleaned before matching")
        return customer

    # ---------------------------------------------------------------- by content

    def _round(self, keys: Sequence[str]) -> list[str]:
        """Match against the ERP; create what is clearly new; give back the accounts that must look again."""
        candidates = [] if self.known.are_all else self.erp.candidates([self._wanted(key) for key in keys])
        new: list[Customer] = []
        fresh = KnownCustomers()
        again: list[str] = []
        for key in keys:
            wanted = self._wanted(key)
            if self._is_own_company(key, self.run.own_company(wanted.name)):
                continue
            if self._decide(key, match_customer(wanted, [*candidates, *self.known.like(wanted)], self.similarity)):
                continue
            twins = match_customer(wanted, fresh.like(wanted), self.similarity)
            if twins.customer or twins.doubtful:
                again.append(key)
            else:
                new.append(wanted)
                fresh.add(wanted)
        self._create(new)
        return again

    def _decide(self, key: str, match: Match) -> bool:
        if match.doubtful:
            candidates = [self._whole(each) for each in match.doubtful]
            self._doubt(key, candidates, "might be an existing customer of")
        elif match.customer:
            own = self.erp.own_companies([str(match.customer.erp_id)])
            if not self._is_own_company(key, next(iter(own.values()), None)):
                self._link(key, self._whole(match.customer), match.rule)
        return bool(match.doubtful or match.customer)

    def _whole(self, customer: Customer) -> Customer:
        """A customer with all that the ERP has of it: known ones are remembered by what matching needs."""
        if not self.known.are_all or customer.erp_id == PLANNED:
            return customer
        return next(iter(self.erp.read(Customer, [str(customer.erp_id)])), customer)

    def _link(self, key: str, customer: Customer, rule: str) -> None:
        """Tie an existing customer to the account: its key is added, nothing else is touched."""
        text = f"Found in {self.erp.system} as {customer.number or customer.name} by {rule}"
        for item in self.items[key]:
            item.notes.append(Note("account", text))
        if not self.run.dry_run and key not in {customer.key, *customer.other_keys}:
            linked = customer.model_copy(update={"key": key})
            (result,) = self.erp.write([linked], self._company(key))
            if isinstance(result, Rejected):
                self._refuse(key, result)
                return
            changes = [Change("crm_id", customer.key, key)]
            self._bind([self._bound(key, customer, f"linked by {rule}", changes)])
        self._settle(key, customer)

    def _create(self, customers: Sequence[Customer]) -> None:
        """Create customers; one whose creation is not answered is found by its key in the next run."""
        if self.run.dry_run:
            for customer in customers:
                self._pretend(customer)
            return
        by_company: dict[str, list[Customer]] = {}
        for customer in customers:
            by_company.setdefault(self._company(str(customer.key)).id, []).append(customer)
        size = self.erp.batch_size(Customer)
        groups = [group for found in by_company.values() for group in chunks(found, size)]
        jobs = [partial(self._write_new, group) for group in groups]
        created = side_by_side(jobs, self.erp.capabilities.writers, self.run.meanwhile)
        try:
            for group, results in zip(groups, created, strict=True):
                if results is None:
                    self._leave([str(customer.key) for customer in group])
                else:
                    self._take_created(results)
        except TransientError:
            self.known.are_all = False  # what was made without an answer is there too, and has to be searched for
            raise

    def _write_new(self, customers: Sequence[Customer]) -> list[WriteResult[Customer]] | None:
        """Create customers of one company, unless another run has taken the turn meanwhile."""
        return self.erp.write(customers, self._company(str(customers[0].key))) if self.turn.is_mine() else None

    def _take_created(self, results: Sequence[WriteResult[Customer]]) -> None:
        created: dict[str, Customer] = {}
        for result in results:
            key = str(result.record.key)
            if isinstance(result, Rejected):
                self._refuse(key, result)
                continue
            for item in self.items[key]:
                item.notes += result.notes
                item.is_new_customer = True
                item.credit = result.credit
            created[key] = result.record
            if self.known.are_all:
                self.known.add(result.record)
                self.known.note_made(result.record)
        self._bind([self._bound(key, each, "created", creation_changes(each)) for key, each in created.items()])
        for key, customer in created.items():
            self._settle(key, customer)

    def _leave(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.run.wait(self.items[key], "Another run is creating customers", "Busy")

    # ---------------------------------------------------------------- outcomes

    def _pretend(self, customer: Customer) -> None:
        key = str(customer.key)
        planned = customer.model_copy(update={"erp_id": PLANNED, "number": PLANNED})
        self.known.add(planned)
        self.items[key][0].changes += creation_changes(customer)
        self._settle(key, planned)

    def _settle(self, key: str, customer: Customer) -> None:
        for item in self.items[key]:
            terms = item.customer.payment_terms if item.customer else None
            item.customer = customer.model_copy(update={"payment_terms": terms or customer.payment_terms})

    def _bind(self, bound: Sequence[tuple[Binding, AuditEntry]]) -> None:
        """Tie accounts to customers in one transaction of the ledger; each one alone would wait for the disk."""
        if not self.run.dry_run:
            self.run.store.bind(self.run.run_id, [binding for binding, _ in bound], [entry for _, entry in bound])

    def _bound(
        self, key: str, customer: Customer, action: str, changes: Sequence[Change]
    ) -> tuple[Binding, AuditEntry]:
        binding = Binding(
            kind=CUSTOMER,
            key=key,
            erp=self.slot.value,
            company="",
            erp_id=str(customer.erp_id),
            erp_number=customer.number,
            fingerprint=fingerprint(self._wanted(key).model_dump(exclude={"erp_id", "number", "modified_at"})),
        )
        entry = AuditEntry(
            kind=CUSTOMER,
            key=key,
            system=self.erp.system,
            action=action,
            target_id=str(customer.erp_id),
            changes=tuple(changes),
        )
        return binding, entry

    def _is_own_company(self, key: str, company: Company | None) -> bool:
        """Orders between own companies are a matter of their books: for a person, unless the policy allows them."""
        if company is None or self.run.integration.routing.intercompany:
            return False
        reason = (
            f"The account {self.items[key][0].account_name!r} is the own company {company.name}; orders between own "
            "companies are entered in the ERP, or allowed in the Subsidiary Routing"
        )
        for item in self.items[key]:
            item.verdict = Verdict.queued(Queue.PENDING_REVIEW, reason, error="Intercompany", fields=("account",))
        return True

    def _doubt(self, key: str, candidates: Sequence[Customer], what: str) -> None:
        wanted = self.items[key][0].customer
        listed = "; ".join(describe(customer) for customer in candidates[:5])
        reason = (
            f"The account {wanted.name if wanted else key!r} {what} {self.erp.system}: {listed}. "
            "Merge the duplicates, or fill in the VAT number that tells them apart"
        )
        for item in self.items[key]:
            item.verdict = Verdict.queued(Queue.PENDING_REVIEW, reason, error="AmbiguousCustomer", fields=("account",))

    def _refuse(self, key: str, result: Rejected[Customer]) -> None:
        for item in self.items[key]:
            item.verdict = Verdict.from_error(result.error)

    def _company(self, key: str) -> Company:
        company = self.items[key][0].company
        if company is None:
            raise LookupError(f"the deals of {key} have no company yet")
        return company

    def _check_companies(self) -> None:
        """The ERP's customer master has the last word on which companies sell to a customer."""
        customers = {str(item.customer.erp_id) for items in self.items.values() for item in items if item.customer}
        own = self.erp.own_companies(customers)
        for key, items in self.items.items():
            customer = items[0].customer
            if customer and not items[0].verdict and self._is_own_company(key, own.get(str(customer.erp_id))):
                continue
            for item in items:
                allowed = item.customer.companies if item.customer else ()
                if item.verdict or not allowed or not item.company or item.company.id in allowed:
                    continue
                reason = (
                    f"{self.erp.system} does not keep the customer {item.customer and item.customer.name!r} for "
                    f"{item.company.name}; correct the account's subsidiary, or open the customer there"
                )
                item.verdict = Verdict.queued(
                    Queue.PENDING_REVIEW, reason, error="WrongSubsidiary", fields=("subsidiary",)
                )


def describe(customer: Customer) -> str:
    """A customer in one line, for a person to recognise it."""
    place = " ".join(filter(None, (customer.billing.postal_code, customer.billing.city)))
    linked = f"belongs to account {customer.key}" if customer.key else ""
    return ", ".join(filter(None, (customer.number, customer.name, place, customer.vat_number, linked)))


_NOT_TOLD = {"erp_id", "number", "key", "other_keys", "modified_at", "companies", "contacts", "is_active"}


def creation_changes(customer: Customer) -> list[Change]:
    """A new customer, field by field, for the audit trail and a dry run."""
    flat: dict[str, object] = {}
    for name, value in customer.model_dump(mode="json", exclude=_NOT_TOLD).items():
        nested = {f"{name}.{part}": each for part, each in value.items()} if isinstance(value, dict) else {name: value}
        flat |= nested
    told = [Change(f"customer.{name}", None, str(value)) for name, value in flat.items() if value not in (None, "")]
    return told + [Change("customer.contact", None, _in_words(contact)) for contact in customer.contacts]


def _in_words(contact: Contact) -> str:
    return ", ".join(filter(None, (contact.full_name, contact.title, contact.email, contact.phone)))
