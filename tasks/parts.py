"""Parts: a deal whose lines lead to several subsidiaries, on its way as one order for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from prefect_crm_erp.blocks.ledger import CrossReference
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Route, Routes
from prefect_crm_erp.models.divisions import (
    Division,
    PartPrint,
    divide,
    part_key,
    place_of,
    status_together,
)
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Note, Outcome, Queue, Verdict
from prefect_crm_erp.models.paging import Page
from prefect_crm_erp.models.records import Deal, SalesOrder
from prefect_crm_erp.tasks.convert import crm_total, discounted_lines
from prefect_crm_erp.tasks.item import Item

_FIRST_SEEN_TO = (
    Queue.PENDING_REVIEW,
    Queue.DATA_QUALITY,
    Queue.PENDING_APPROVAL,
    Queue.RETRY,
    Queue.DEAD_LETTER,
    Queue.MANUAL_REVIEW,
)
"""Of several queues a deal waits in the one whose parts are tried again first, so that none waits for another's."""


class Part(Item):
    """What one subsidiary gets of a deal.

    Attributes:
        whole: The deal.
        former: Places that an earlier run may have sent something of the deal to.
    """

    __slots__ = ("former", "whole")

    def __init__(self, whole: Item, deal: Deal, route: Route) -> None:
        super().__init__(deal)
        self.whole = whole
        self.route = route
        self.customer = whole.customer
        self.former: tuple[str, ...] = ()

    @property
    def place(self) -> str | None:
        """Where its order is; None while the ERP has not told its companies."""
        return place_of(self.slot.value, self.company.id) if self.company else None

    @property
    def key(self) -> str:
        """Key of its order everywhere."""
        return part_key(self.deal_key, self.place or self.subsidiary)

    @property
    def claims(self) -> tuple[str, ...]:
        """The deal is claimed besides, so that no other run orders it as a whole or divided otherwise."""
        return (self.deal_key, self.key)

    @property
    def subsidiary(self) -> str:
        """Name of the subsidiary."""
        return self.route.subsidiary.name if self.route else ""

    @property
    def title(self) -> str:
        """Number and name of the deal with the subsidiary, as reports show it."""
        return f"{self.whole.title} ({self.subsidiary})"

    @property
    def whole_is_bound(self) -> bool:
        """Whether the ledger has the orders of all parts of the deal."""
        return all(part.binding is not None for part in self.whole.parts)

    def content_digest(self) -> str:
        """Fingerprint of what its order is made of, and of the deal that it belongs to."""
        return str(PartPrint(len(self.whole.parts), self.whole.content_digest(), super().content_digest()))

    def intents(self) -> dict[str, str]:
        """What is noted before it is sent: of itself, and of the deal where its parts may be."""
        places = [each.place for each in self.whole.parts if each.place]
        division = Division(self.whole.content_digest(), tuple(dict.fromkeys([*self.former, *places])))
        return {self.key: self.content_digest(), self.deal_key: str(division)}

    def is_at(self, reference: CrossReference) -> bool:
        """Whether an order of the deal is in its place; by the connection alone, if that has no other part."""
        if reference.erp != self.slot.value:
            return False
        if self.company is not None:
            return self.company.id == reference.company
        return sum(each.slot is self.slot for each in self.whole.parts) == 1

    def take(self, references: Sequence[CrossReference]) -> None:
        """Its own order among those of the deal."""
        self.bindings = tuple(references)
        self.binding = next((each for each in references if self.is_at(each)), None)


def divided(item: Item, routes: Routes) -> Verdict | None:
    """Divide a deal among its subsidiaries; the verdict says why that cannot be."""
    by_name = {route.subsidiary.name: route for route in routes.by_line}
    goals = [route.subsidiary.name for route in routes.by_line]
    deals = divide(item.deal, discounted_lines(item.deal), goals)
    whole, parts = crm_total(item.deal), sum((crm_total(deal) for deal in deals.values()), ZERO)
    if whole != parts:
        reason = f"The parts of the deal add up to {parts:,} {item.currency}, not to {whole:,}; correct its amounts"
        return Verdict.queued(Queue.MANUAL_REVIEW, reason, error="TotalsDiffer", fields=("total",))
    item.parts = tuple(Part(item, deal, by_name[name]) for name, deal in deals.items())
    return None


# -------------------------------------------------------------------- the parts together


def gather(page: Page[Item]) -> None:
    """Give the page's divided deals what became of their parts: a deal is done when all of them are."""
    for item in page:
        if item.parts and item.verdict is None:
            _gather(item)


def _gather(item: Item) -> None:
    parts = item.parts
    arrived = [part for part in parts if part.binding is not None]
    item.take([part.binding for part in arrived if part.binding])
    orders = [part.order for part in arrived or parts if part.order]
    item.order = together(orders) if len(orders) == len(parts) else next(iter(orders), None)
    item.customer = parts[0].customer
    item.verdict = _verdict(parts, arrived)
    item.notes += list(dict.fromkeys(replace(note, text=_said(part, note)) for part in parts for note in part.notes))
    item.changes += [
        replace(change, field=f"{part.subsidiary} {change.field}") for part in parts for change in part.changes
    ]


def _said(part: Part, note: Note) -> str:
    return note.text if note.field == "subsidiary" else f"{part.subsidiary}: {note.text}"


def _verdict(parts: Sequence[Part], arrived: Sequence[Part]) -> Verdict | None:
    verdicts = [(part, part.verdict) for part in parts if part.verdict]
    if len(verdicts) < len(parts):
        return None
    queued = [(part, verdict) for part, verdict in verdicts if verdict.outcome is Outcome.QUEUED]
    if queued:
        return _waits(parts, arrived, queued)
    outcomes = [verdict.outcome for _, verdict in verdicts]
    left = next((verdict for _, verdict in verdicts if verdict.outcome is Outcome.EXCLUDED), None)
    if left:
        return left
    outcome = Outcome.WRITTEN if Outcome.WRITTEN in outcomes else Outcome.UNCHANGED
    said = "; ".join(dict.fromkeys(f"{part.subsidiary}: {each.reason}" for part, each in verdicts if each.reason))
    return Verdict(outcome, said)


def _waits(parts: Sequence[Part], arrived: Sequence[Part], queued: Sequence[tuple[Part, Verdict]]) -> Verdict:
    first = min((verdict for _, verdict in queued), key=lambda each: _FIRST_SEEN_TO.index(each.queue or Queue.RETRY))
    there = [
        f"{part.binding.erp_number or part.binding.erp_id} ({part.subsidiary})" for part in arrived if part.binding
    ]
    why = "; ".join(f"{part.subsidiary}: {verdict.reason}" for part, verdict in queued)
    listed = f" ({', '.join(there)})" if there else ""
    reason = f"{len(arrived)} of {len(parts)} orders of this deal stand{listed}. {why}"
    return replace(first, reason=reason)


def together(orders: Sequence[SalesOrder]) -> SalesOrder | None:
    """The first of a deal's orders, with the status of all of them."""
    if len(orders) < 2:
        return next(iter(orders), None)
    return orders[0].model_copy(update={"status": status_together([each.status for each in orders if each.status])})


# -------------------------------------------------------------------- what stands already


def divided_otherwise(item: Item) -> Verdict | None:
    """What to say of a deal, or of a part, of which orders stand that are not those that it would become now."""
    item, bindings = (item.whole, item.bindings) if isinstance(item, Part) else (item, item.bindings)
    prints = [PartPrint.read(each.fingerprint) for each in bindings]
    parts = item.parts
    if not any(prints) and not (parts and prints):
        return None
    is_same = all(each and each.parts == len(parts) and each.deal == item.content_digest() for each in prints)
    if is_same and all(any(part.is_at(each) for part in parts) for each in bindings):
        return None
    return _otherwise(bindings, parts)


def _otherwise(bindings: Iterable[CrossReference], parts: Sequence[Part]) -> Verdict:
    """Orders of a deal stand that was divided otherwise when they were placed."""
    stand = ", ".join(f"{each.erp_number or each.erp_id} ({each.crm_total} {each.currency})" for each in bindings)
    now = ", ".join(f"{part.subsidiary} ({crm_total(part.deal)} {part.currency})" for part in parts) or "one subsidiary"
    reason = (
        f"The lines of the deal lead elsewhere than when its first orders were placed: {stand} stand, and now it leads "
        f"to {now}. Amend the orders in the ERP, or undo the change of the routing or of the deal"
    )
    return Verdict.queued(Queue.MANUAL_REVIEW, reason, error="DividedOtherwise", fields=("lines", "subsidiary"))


def slot_of(place: str) -> ErpSlot | None:
    """The ERP connection of a place."""
    name = place.partition("-")[0]
    return ErpSlot(name) if name in list(ErpSlot) else None
