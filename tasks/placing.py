"""Placing one batch of orders in one company: find, create, prove, confirm, bind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from prefect_crm_erp.blocks.ledger import AuditEntry, Binding, CrossReference, LeaseLostError, PartBinding
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.errors import CreditLimitError
from prefect_crm_erp.models.money import ZERO, plain
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue, Rejected, Verdict, WriteResult
from prefect_crm_erp.models.records import Company, OrderStatus, SalesOrder
from prefect_crm_erp.models.rounding import explain_totals
from prefect_crm_erp.tasks.convert import crm_total, exact_lines
from prefect_crm_erp.tasks.former import numbers_of
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.recognise import (
    OPPORTUNITY,
    already_done,
    intend_opportunities,
    opportunities_kept,
    via,
)
from prefect_crm_erp.tasks.run import Run


class Placing:
    """One batch of orders on its way into one company of one ERP.

    Args:
        run: The run, which holds the claims on these orders.
        slot: The ERP connection.
        items: Converted deals of one company.
        unknown: Keys whose outcome is unknown from an earlier run, with the fingerprint of what it sent.
    """

    def __init__(self, run: Run, slot: ErpSlot, items: Sequence[Item], unknown: Mapping[str, str]) -> None:
        self.run = run
        self.slot = slot
        self.erp = run.erps[slot]
        self.items = {item.key: item for item in items}
        self.unknown = unknown
        self.company: Company = next(item.company for item in items if item.company)
        self.standing: set[str] = set()

    def run_all(self) -> None:
        """Find what is there, create what is not, prove the totals, confirm and bind.

        Items that another run holds or has taken over stay without verdict.

        Raises:
            TransientError: The ERP does not answer; what was sent is found by key in the next run.
        """
        self._drop_lost_claims()
        with opportunities_kept(self.run, self._open()) as mine:
            self._drop({item.key for item in self._open()} - {item.key for item in mine})
            self._place()

    def _place(self) -> None:
        found = self.erp.find(SalesOrder, [item.key for item in self._open()])
        for key, orders in found.items():
            self._judge_found(self.items[key], orders)
        self._update_drafts([self.items[key] for key in found])
        self._create([item for item in self._open() if item.key not in found])
        self._prove()
        self._drop_lost_claims()
        self._confirm()
        self._bind()

    def _open(self) -> list[Item]:
        return [item for item in self.items.values() if item.verdict is None]

    def _drop_lost_claims(self) -> None:
        """A run that slept through its lease must not write what another one has taken over."""
        keys = [key for item in self.items.values() for key in item.claims]
        mine = self.run.store.renew(self.run.kind, keys, self.run.run_id, self.run.lease)
        self._drop({key for key, item in self.items.items() if not mine.issuperset(item.claims)})

    def _drop(self, keys: Collection[str]) -> None:
        self.items = {key: item for key, item in self.items.items() if key not in keys}

    # ---------------------------------------------------------------- what is there already

    def _judge_found(self, item: Item, orders: Sequence[SalesOrder]) -> None:
        """An order with this key exists: several, in another company, a draft to finish, or simply there."""
        order = orders[0]
        if len(orders) > 1:
            numbers = numbers_of(orders)
            _review(item, f"{self.erp.system} has several orders for this deal ({numbers}); cancel all but one there")
        elif order.company_id != self.company.id:
            reason = (
                f"{self.erp.system} has order {order.number or order.erp_id} for this deal in another company; "
                "cancel it there, or set the account's subsidiary to that company's"
            )
            _review(item, reason)
        elif order.status is OrderStatus.DRAFT and item.order is not None:
            item.order = item.order.model_copy(update={"erp_id": order.erp_id, "status": order.status})
        else:
            self._use_as_it_is(item, order)

    def _use_as_it_is(self, item: Item, order: SalesOrder) -> None:
        if _is_binding(order):
            self.standing.add(item.key)
            item.notes.append(Note("order", f"Found in {self.erp.system} by its key; nothing was sent again"))
            if item.key in self.unknown and not self._is_outdated(item):
                item.changes += order_changes(item.order)
        elif self._is_outdated(item):
            number = order.number or order.erp_id
            _review(item, f"Order {number} in {self.erp.system} is of this deal before it changed; cancel it there")
        item.order = order

    def _is_outdated(self, item: Item) -> bool:
        """Whether the ledger knows that what an earlier run sent is not what the deal says now."""
        return self.unknown.get(item.key, item.content_digest()) != item.content_digest()

    def _update_drafts(self, found: Sequence[Item]) -> None:
        """Bring drafts that an earlier run left behind to what the deal says now."""
        drafts = [
            item for item in found if item.verdict is None and item.order and item.order.status is OrderStatus.DRAFT
        ]
        for item in drafts:
            item.changes += order_changes(item.order)
        self._take(drafts, self.erp.write([item.order for item in drafts if item.order], self.company))

    # ---------------------------------------------------------------- the road of a new order

    def _create(self, items: Sequence[Item]) -> None:
        intended = self._intend(items)
        for item in intended:
            item.changes += order_changes(item.order)
        if intended:
            self._take(intended, self.erp.write([item.order for item in intended if item.order], self.company))

    def _intend(self, items: Sequence[Item]) -> Sequence[Item]:
        """Write the intents; a run that slept must not send what another one has taken over meanwhile."""
        try:
            intend_opportunities(self.run, items)
            intents = {key: sent for item in items for key, sent in item.intents().items()}
            self.run.store.intend(self.run.kind, intents, self.run.run_id)
        except LeaseLostError as error:
            lost = {item.key for item in items if error.keys & {*item.claims, item.deal.opportunity_id}}
            self._drop(lost)
            return self._intend([item for item in items if item.key not in lost])
        return items

    def _take(self, items: Sequence[Item], results: Sequence[WriteResult[SalesOrder]]) -> None:
        for item, result in zip(items, results, strict=True):
            item.order = result.record
            if not isinstance(result, Rejected):
                item.notes += result.notes
                continue
            item.verdict = Verdict.from_error(result.error)
            if isinstance(result.error, CreditLimitError):
                reason = f"{result.error} Order {_number(item)} waits there for an approval"
                item.verdict = replace(item.verdict, reason=reason)

    def _prove(self) -> None:
        """Compare the ERP's total with the deal's, to the cent, before the order becomes binding."""
        for item in self._open():
            ours, theirs = crm_total(item.deal), erp_total(item)
            if theirs == ours or (item.key in self.standing and self._is_outdated(item)):
                continue
            shown = "no total" if theirs is None else f"{theirs:,} {item.currency}"
            shown += _rounding(item, ours, theirs)
            reason = (
                f"The totals differ: {ours:,} {item.currency} in {self.run.crm.system}, {shown} in {self.erp.system} "
                f"(order {_number(item)}, left as it is); correct the deal or the order, then run the deal by its id"
            )
            _review(item, reason, "TotalsDiffer")

    def _confirm(self) -> None:
        """Make drafts binding; an order that the ERP holds back for approval waits there, and here in its queue.

        What was not authorised beforehand is left to the ERP's people.
        """
        waiting = [item for item in self._open() if item.order and not _is_binding(item.order)]
        confirmed = [item for item in waiting if item.left_to_people is None]
        if confirmed:
            self._take(confirmed, self.erp.confirm([item.order for item in confirmed if item.order], self.company))
        left = [item for item in waiting if item.left_to_people is not None]
        if left:
            self._take(left, self.erp.submit([item.order for item in left if item.order], self.company))
        for item in self._open():
            if item.order and not _is_binding(item.order):
                reason = f"Order {_number(item)} waits in {self.erp.system} for an approval"
                reason += f": {item.left_to_people}" if item.left_to_people else ""
                item.verdict = Verdict.queued(Queue.PENDING_APPROVAL, reason, error="PendingApproval")

    # ---------------------------------------------------------------- bind

    def _bind(self) -> None:
        """Cross-reference and audit in one transaction; from here on the deal is done."""
        done = self._open()
        bindings = [binding for item in done for binding in self._bindings(item)]
        self.run.store.bind(self.run.run_id, bindings, [self._audit(item) for item in done])
        bound = self.run.store.bound(self.run.kind, {item.deal_key for item in done}, self.slot.value)
        for item in done:
            item.take([each for each in bound[item.deal_key] if self._is_of(item, each)])
            item.verdict = self._verdict(item)

    def _is_of(self, item: Item, reference: CrossReference) -> bool:
        return item.order is not None and reference.erp_id == str(item.order.erp_id)

    def _verdict(self, item: Item) -> Verdict:
        if item.key not in self.standing:
            return Verdict(Outcome.WRITTEN)
        done = already_done(item)
        if done and done.outcome is not Outcome.UNCHANGED:
            return done
        if item.key in self.unknown:
            return Verdict(Outcome.WRITTEN, "An earlier run had sent it; its outcome was looked up by its key")
        return Verdict(Outcome.UNCHANGED, f"It was in {self.erp.system} already and is linked now")

    def _bindings(self, item: Item) -> list[Binding]:
        if item.order is None:
            return []
        outdated = item.key in self.standing and self._is_outdated(item)
        binding = Binding(
            kind=self.run.kind,
            key=item.deal_key,
            erp=self.slot.value,
            company=self.company.id,
            erp_id=str(item.order.erp_id),
            erp_number=item.order.number,
            fingerprint=self.unknown[item.key] if outdated else item.content_digest(),
            currency=item.currency,
            crm_total=erp_total(item) if outdated else crm_total(item.deal),
            erp_total=erp_total(item),
        )
        own = binding if item.key == item.deal_key else PartBinding.of(binding, item.key)
        opportunity = item.deal.opportunity_id
        if not opportunity or opportunity == item.deal_key:
            return [own]
        # An opportunity that was ordered through its quote or order must not be ordered again as itself.
        return [own, replace(binding, kind=OPPORTUNITY, key=opportunity, fingerprint=via(self.run, item))]

    def _audit(self, item: Item) -> AuditEntry:
        return AuditEntry(
            kind=self.run.kind,
            key=item.deal_key,
            system=self.erp.system,
            action="created" if item.changes else "found",
            target_id=str(item.order.erp_id) if item.order else "",
            changes=tuple(item.changes),
        )


def erp_total(item: Item) -> Decimal | None:
    """The ERP's total as it is compared with the deal's: without tax, unless the deal shows its tax."""
    if item.order is None:
        return None
    return item.order.total if item.deal.tax else item.order.untaxed


def _rounding(item: Item, ours: Decimal, theirs: Decimal | None) -> str:
    """How rounding explains two totals, if it does."""
    beside = item.deal.shipping + (item.deal.tax or ZERO)
    lines = exact_lines(item.deal)
    why = theirs is not None and explain_totals(lines, item.currency, ours - beside, theirs - beside)
    return f" ({why})" if why else ""


def order_changes(order: SalesOrder | None) -> list[Change]:
    """A new order, field by field, for the audit trail and a dry run."""
    if order is None:
        return []
    header = (
        "currency",
        "order_date",
        "payment_terms",
        "price_list",
        "tax_rule",
        "customer_reference",
        "description",
        "customer_id",
    )
    values = [(f"order.{name}", getattr(order, name)) for name in header]
    values += [
        (f"order.line {position}", f"{plain(line.quantity)} × {line.sku} at {line.unit_price:f}")
        for position, line in enumerate(order.lines, start=1)
    ]
    return [Change(name, None, str(value)) for name, value in values if value not in (None, "")]


def _is_binding(order: SalesOrder) -> bool:
    return order.status is not None and order.status.is_binding


def _number(item: Item) -> str:
    return str((item.order and (item.order.number or item.order.erp_id)) or "without number")


def _review(item: Item, reason: str, error: str = "ManualReview") -> None:
    item.verdict = Verdict.queued(Queue.MANUAL_REVIEW, reason, error=error)
