"""Adopt: find the account of a customer that has none, or make one; customers that nobody sold to stay in the ERP."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from prefect_crm_erp.blocks.crm.values import Upserted
from prefect_crm_erp.blocks.ledger import ParkEntry, SourceRecord
from prefect_crm_erp.blocks.policies import ErpCustomers
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Route
from prefect_crm_erp.models.geography import country_name
from prefect_crm_erp.models.matching import match_customer
from prefect_crm_erp.models.outcomes import Outcome, Queue, ReportRow, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Account, Address, Customer
from prefect_crm_erp.tasks.account_run import AccountRun
from prefect_crm_erp.tasks.account_tie import give_key, tie
from prefect_crm_erp.tasks.clean import clean_account
from prefect_crm_erp.tasks.match import CUSTOMER, describe
from prefect_crm_erp.tasks.write_back import erp_reference

LEFT = "It has no account, and has not bought anything: it stays in the ERP"


@task(name="Adopt customers", cache_policy=NO_CACHE, persist_result=False)
def adopt_customers(run: AccountRun, slot: ErpSlot, page: Page[Customer]) -> None:
    """Give the page's customers without an account theirs: the one whose key they carry, a matched one, or a new one.

    Customers that might belong to an account, and are not certain to, wait in Pending Review with the accounts named.
    """
    bound = run.store.bound_by_erp_id(CUSTOMER, slot.value, [str(each.erp_id) for each in page])
    orphans = [each for each in page if each.is_active and each.erp_id not in bound]
    if orphans:
        _Adoption(run, slot, orphans).run_all()


class _Adoption:
    """Customers of one page that no account belongs to yet."""

    def __init__(self, run: AccountRun, slot: ErpSlot, customers: Sequence[Customer]) -> None:
        self.run = run
        self.slot = slot
        self.erp = run.erps[slot]
        self.customers = list(customers)
        self.rows: list[ReportRow] = []

    def run_all(self) -> None:
        """By key, then by content, then as new accounts."""
        self._tie_keyed([each for each in self.customers if each.key])
        self._match([each for each in self.customers if not each.key])
        if self.rows:
            records = [SourceRecord(row.crm_id, row.name, None) for row in self.rows]
            self.run.store.note_read(self.run.run_id, records)
            self.run.store.note_outcomes(self.run.run_id, self.rows)
            self._park()

    def _tie_keyed(self, customers: Sequence[Customer]) -> None:
        """Customers that carry an account's id, which the ledger does not know of (any more)."""
        keys = [str(each.key) for each in customers]
        pages = self.run.crm.account_pages(ids=keys) if keys else iter(())
        existing = {account.crm_id for page in pages for account in page}
        for customer in customers:
            if customer.key in existing:
                self._tie(customer, str(customer.key), "carries the account's id", write=False)
            else:
                reason = f"It carries the id of an account that {self.run.crm.system} does not have ({customer.key})"
                self.rows.append(self._row(customer, Verdict.excluded(reason)))

    # ---------------------------------------------------------------- by content

    def _match(self, customers: Sequence[Customer]) -> None:
        accounts = {each.crm_id: each for each in self.run.crm.account_candidates(customers)} if customers else {}
        candidates = self._as_customers(list(accounts.values()))
        new: list[Customer] = []
        for customer in customers:
            match = match_customer(customer, candidates, self.run.integration.accounts.similarity)
            if match.customer:
                self._tie(customer, str(match.customer.erp_id), f"found by {match.rule}", write=True)
            elif match.doubtful:
                self._doubt(customer, match.doubtful)
            else:
                new.append(customer)
        self._create(new)

    def _as_customers(self, accounts: Sequence[Account]) -> list[Customer]:
        """Accounts in the form in which customers are compared; one that has a customer here already shows its key."""
        taken = self.run.store.bound(CUSTOMER, [each.crm_id for each in accounts], self.slot.value)
        return [
            clean_account(account, self.run.integration, ())[0].model_copy(
                update={"erp_id": account.crm_id, "key": account.crm_id if account.crm_id in taken else None}
            )
            for account in accounts
        ]

    def _doubt(self, customer: Customer, accounts: Sequence[Customer]) -> None:
        listed = "; ".join(describe(each) for each in accounts[:5])
        reason = (
            f"The customer {describe(customer)} of {self.erp.system} might belong to an account: {listed}. Merge the "
            "duplicates, or fill in the VAT number that tells them apart"
        )
        verdict = Verdict.queued(Queue.PENDING_REVIEW, reason, error="AmbiguousAccount")
        self.rows.append(self._row(customer, verdict))

    # ---------------------------------------------------------------- new accounts

    def _create(self, customers: Sequence[Customer]) -> None:
        wanted = self.run.integration.accounts.erp_customers is ErpCustomers.CREATE
        bought = self.erp.have_bought([str(each.erp_id) for each in customers]) if wanted and customers else frozenset()
        buyers = [each for each in customers if each.erp_id in bought]
        self.rows += [self._row(each, Verdict.excluded(LEFT)) for each in customers if each.erp_id not in bought]
        if self.run.dry_run:
            self.rows += [self._row(each, Verdict(Outcome.WRITTEN, "Dry run: an account")) for each in buyers]
            return
        results = self.run.crm.upsert_accounts([self._account(each) for each in buyers]) if buyers else []
        for customer, result in zip(buyers, results, strict=True):
            self._created(customer, result)

    def _created(self, customer: Customer, result: Upserted) -> None:
        if result.crm_id is not None:
            self._tie(customer, result.crm_id, "an account was made of it", write=True)
        elif result.error is not None:
            self.rows.append(self._row(customer, Verdict.from_error(result.error)))

    def _account(self, customer: Customer) -> Account:
        """The account that a customer becomes, in the CRM's spelling."""
        terms = customer.payment_terms
        account = Account(
            crm_id="",
            erp_id=erp_reference(self.slot, str(customer.erp_id)),
            name=customer.name,
            type=self.run.integration.orders.customer_type,
            phone=customer.phone,
            vat_number=customer.vat_number,
            payment_terms=self.run.integration.code_lists.crm_payment_term(terms) if terms else None,
            billing=_named(customer.billing),
            shipping=_named(customer.shipping),
            **({"currency": customer.currency} if customer.currency else {}),
        )
        return account.model_copy(update={"subsidiary": self._subsidiary(customer, account)})

    def _subsidiary(self, customer: Customer, account: Account) -> str | None:
        """The subsidiary that the new account names: the one that sells to the customer, else the one of its country.

        None where that is not certain, or where the CRM does not offer it; then the account is routed as any other.
        """
        here = [each for each in self.run.integration.routing.subsidiaries if each.erp is self.slot]
        sellers = [each for each in here if self.run.company(self.slot, each.company).id in customer.companies]
        routed = self.run.routing.route(account)
        chosen = sellers[0] if len(sellers) == 1 else routed.subsidiary if isinstance(routed, Route) else None
        if chosen is None or chosen.erp is not self.slot or (customer.companies and chosen not in sellers):
            return None
        return None if self.run.crm.missing_choices({"subsidiary": [chosen.name]}) else chosen.name

    # ---------------------------------------------------------------- links

    def _tie(self, customer: Customer, account: str, why: str, *, write: bool) -> None:
        """Link customer and account; the account is then brought in step as any other."""
        if self.run.dry_run:
            verdict = Verdict(Outcome.WRITTEN, f"Dry run: it would be linked to the account {account}: {why}")
            self.rows.append(self._row(customer, verdict))
            return
        self.run.again[account] = None
        if write and not self._write_key(customer, account):
            return
        tie(self.run, self.slot, customer, account, why)
        self.run.store.resolve(CUSTOMER, [self._key(customer)], resolution="linked")

    def _write_key(self, customer: Customer, account: str) -> bool:
        refusal = give_key(self.run, self.slot, customer, account)
        if refusal is not None:
            self.rows.append(self._row(customer, Verdict.from_error(refusal.error)))
        return refusal is None

    # ---------------------------------------------------------------- what becomes of them

    def _key(self, customer: Customer) -> str:
        return f"{self.slot.value}:{customer.erp_id}"

    def _row(self, customer: Customer, verdict: Verdict) -> ReportRow:
        return ReportRow(
            crm_id=self._key(customer),
            name=customer.name,
            outcome=verdict.outcome,
            queue=verdict.queue,
            reason=verdict.reason,
            erp_id=customer.erp_id,
            erp_number=customer.number,
            erp_url=self.erp.url(customer),
        )

    def _park(self) -> None:
        """Keep in the ledger which customers wait, and take the others out of their queue."""
        if self.run.dry_run:
            return
        waiting = [row for row in self.rows if row.queue is not None]
        entries = [
            ParkEntry(CUSTOMER, row.crm_id, row.name, Verdict.queued(row.queue, row.reason), row.erp_id)
            for row in waiting
            if row.queue is not None
        ]
        self.run.store.park(self.run.run_id, entries)
        done = [row.crm_id for row in self.rows if row.queue is None]
        self.run.store.resolve(CUSTOMER, done, resolution=Outcome.EXCLUDED.value)


def _named(address: Address) -> Address:
    """An address with the country's name, as people write it in a CRM."""
    return address.model_copy(update={"country": country_name(address.country)}) if address.country else address
