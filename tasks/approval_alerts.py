"""Alerts of late approvals: whom to tell, by which channels, and that each is told once.

What is told is kept in the ledger by order and channel, with the time at which the order began to wait: an order that
went back to draft and waits anew is told anew. A message is noted once it is sent: after a crash in between it is sent
again, and never lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import RelatedResource, emit_event
from prefect.logging import get_run_logger

from prefect_crm_erp.blocks.crm.values import Person
from prefect_crm_erp.blocks.ledger import Notice
from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.approvals import in_words
from prefect_crm_erp.tasks.approvals import WaitingOrder
from prefect_crm_erp.tasks.claims import Turn
from prefect_crm_erp.tasks.document_run import DocumentRun
from prefect_crm_erp.tasks.notify import Message, send

LATE = "approval is late"
"""The ledger's kind of these notices, and of the turn to send them."""
EVENT = "prefect-crm-erp.approval.late"
"""The Prefect event of an order that has waited for an approval for too long."""
_EVENT_CHANNEL = "event"


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who is told of an order.

    Attributes:
        people: The deal's owner and the owner's manager, as far as they can be told.
        emails: Their addresses; where there are none, the policy's fallback.
        remark: Why somebody is not told; empty when both are.
    """

    people: tuple[Person, ...]
    emails: tuple[str, ...]
    remark: str

    @property
    def names(self) -> str:
        """Who they are, with their addresses."""
        told = [f"{each.name} ({each.email})" if each.email else each.name for each in self.people]
        return " and ".join(told) or ", ".join(self.emails) or "nobody by name"


@dataclass(frozen=True, slots=True)
class Alert:
    """What was told of a late order in this run.

    Attributes:
        order: The order.
        recipients: Whom it concerns.
        sent: Channels by which they were told now: `event`, and the names of notification blocks.
        already: Channels by which they had been told before.
        trouble: Why a channel did not take it, by channel; the next run tries again.
    """

    order: WaitingOrder
    recipients: Recipients
    sent: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    trouble: tuple[tuple[str, str], ...] = ()


@task(name="Alert owners and managers", cache_policy=NO_CACHE, persist_result=False)
def alert_people(run: DocumentRun, orders: Iterable[WaitingOrder]) -> list[Alert]:
    """Tell the owners of late orders' deals and their managers, once for each order and time of waiting.

    Each order emits the event `prefect-crm-erp.approval.late`. The policy's notification blocks get one message for all
    orders of an owner. In a dry run nobody is told.

    Args:
        run: The run.
        orders: Orders that wait; those within the policy's hours are passed over.
    """
    policy = run.integration.approvals
    late = [each for each in orders if each.is_late(policy.alert_after_hours)]
    if run.dry_run:
        return [Alert(each, recipients(run, each)) for each in late]
    sure = [each for each in late if each.is_confirmed]
    unsure = [_held_back(run, each, "the ERP did not answer") for each in late if not each.is_confirmed]
    with Turn(run, LATE, "all").taken() as is_mine:
        if is_mine:
            return [*_Round(run, sure).alerts(), *unsure]
        return [*(_held_back(run, each, "another run is sending alerts") for each in sure), *unsure]


def _held_back(run: DocumentRun, order: WaitingOrder, why: str) -> Alert:
    return Alert(order, recipients(run, order), trouble=(("any channel", why),))


def recipients(run: DocumentRun, order: WaitingOrder) -> Recipients:
    """The owner and the manager, where they are there and active; whoever is not is told of in a remark."""
    owner = order.owner
    manager = owner.manager if owner else None
    fallback = run.integration.approvals.fallback_email
    people = tuple(each for each in (owner, manager) if each is not None and each.is_active)
    remarks = [*_remarks(order, manager), *(f"{each.name} has no e-mail address" for each in people if not each.email)]
    emails = tuple(dict.fromkeys(each.email for each in people if each.email))
    if not emails:
        remarks.append(f"{fallback} is told" if fallback else "nobody is told by mail: name a fallback in the policy")
        emails = (fallback,) if fallback else ()
    return Recipients(people, emails, "; ".join(remarks))


def _remarks(order: WaitingOrder, manager: Person | None) -> list[str]:
    if order.owner is None:
        return ["the order was entered in the ERP and has no deal"] if order.deal is None else ["its deal has no owner"]
    found = [] if order.owner.is_active else [f"the owner {order.owner.name} is inactive"]
    if manager is None:
        return [*found, f"{order.owner.name} has no manager"]
    return found if manager.is_active else [*found, f"the manager {manager.name} is inactive"]


class _Round:
    """One round of alerts, of which this run has the turn."""

    def __init__(self, run: DocumentRun, orders: Sequence[WaitingOrder]) -> None:
        self.run = run
        self.policy = run.integration.approvals
        self.found = {each.key: Alert(each, recipients(run, each)) for each in orders}
        self.known = run.store.notices(LATE, list(self.found)) if orders else {}

    def alerts(self) -> list[Alert]:
        """Tell by each channel what was not told by it yet."""
        for order in self._due(_EVENT_CHANNEL):
            _emit(self.run, self.found[order.key])
            self._note(_EVENT_CHANNEL, [order])
        for channel in self.policy.notifications:
            for orders in _by_owner(self._due(channel)):
                self._send(channel, orders)
        return list(self.found.values())

    def _due(self, channel: str) -> list[WaitingOrder]:
        due: list[WaitingOrder] = []
        for key, alert in self.found.items():
            if self._is_due(alert.order, self.known.get((key, channel))):
                due.append(alert.order)
            else:
                self.found[key] = replace(alert, already=(*alert.already, channel))
        return due

    def _is_due(self, order: WaitingOrder, notice: Notice | None) -> bool:
        if notice is None or notice.since != order.since or notice.sent_at is None:
            return True
        again = self.policy.remind_after_hours
        return again is not None and self.run.started_at - notice.sent_at >= timedelta(hours=again)

    def _send(self, channel: str, orders: Sequence[WaitingOrder]) -> None:
        trouble = send(channel, _message(self.run, [self.found[each.key] for each in orders]))
        if trouble is None:
            self._note(channel, orders)
            return
        get_run_logger().warning("Late approvals were not told by %s: %s", channel, trouble)
        for each in orders:
            alert = self.found[each.key]
            self.found[each.key] = replace(alert, trouble=(*alert.trouble, (channel, trouble)))

    def _note(self, channel: str, orders: Iterable[WaitingOrder]) -> None:
        notices = [self._notice(channel, each) for each in orders]
        self.run.store.note_notices(notices)
        for each in notices:
            alert = self.found[each.key]
            self.found[each.key] = replace(alert, sent=(*alert.sent, channel))

    def _notice(self, channel: str, order: WaitingOrder) -> Notice:
        before = self.known.get((order.key, channel))
        times = before.times + 1 if before and before.since == order.since else 1
        return Notice(LATE, order.key, channel, order.since, self.found[order.key].recipients.names, times)


def _by_owner(orders: Iterable[WaitingOrder]) -> list[list[WaitingOrder]]:
    groups: dict[str, list[WaitingOrder]] = {}
    for order in orders:
        groups.setdefault(order.owner.id if order.owner else order.key, []).append(order)
    return list(groups.values())


# -------------------------------------------------------------------- what is said


def _message(run: DocumentRun, alerts: Sequence[Alert]) -> Message:
    """One message about all late orders of an owner."""
    told = alerts[0].recipients
    hours = f"{run.integration.approvals.alert_after_hours:g}"
    what = f"Order {alerts[0].order.number} waits" if len(alerts) == 1 else f"{len(alerts)} orders wait"
    system = " and ".join(sorted({run.erps[ErpSlot(each.order.erp)].system for each in alerts}))
    lines = [
        f"For {told.names}:",
        f"{what} in {system} for an approval, for more than {hours} hours.",
        *(f"- {_in_words(each.order)}" for each in alerts),
        f"What to do: ask those who approve orders in {system} to confirm or to refuse it. If the customer does not "
        "want it any more, cancel it there.",
        *([f"Note: {told.remark}."] if told.remark else []),
    ]
    return Message(f"{what} for an approval", "\n".join(lines), told.emails)


def _in_words(order: WaitingOrder) -> str:
    total = f"{order.total:,} {order.currency}" if order.total is not None else ""
    buyer = f"of {order.account_name}" if order.account_name else ""
    named = " ".join(filter(None, (f"Order {order.number}", buyer, f"({order.company})")))
    deal = f"deal {order.deal_name}: {order.deal_url}" if order.deal_url else ""
    return ", ".join(filter(None, (named, total, f"waits for {in_words(order.waited)}", order.url, deal)))


def _emit(run: DocumentRun, alert: Alert) -> None:
    order, told = alert.order, alert.recipients
    emit_event(
        event=EVENT,
        resource={
            "prefect.resource.id": f"prefect-crm-erp.order.{order.key}",
            "prefect.resource.name": f"Order {order.number}",
            "prefect-crm-erp.integration": run.integration.state_name,
            "prefect-crm-erp.company": order.company,
        },
        related=_related(order),
        payload={
            "number": order.number,
            "order": order.url,
            "account": order.account_name,
            "deal": order.deal_name,
            "record": order.deal_url or order.account_url,
            "company": order.company,
            "total": None if order.total is None else f"{order.total:,} {order.currency}",
            "pending_since": order.since.isoformat(),
            "hours": str(order.hours),
            "recipients": list(told.emails),
            "people": told.names,
            "remark": told.remark,
            "message": _message(run, [alert]).body,
        },
    )


def _related(order: WaitingOrder) -> list[RelatedResource]:
    owner = order.owner
    people = [("owner", owner), ("manager", owner.manager if owner else None)]
    return [
        RelatedResource(
            {
                "prefect.resource.id": f"prefect-crm-erp.person.{person.id}",
                "prefect.resource.role": role,
                "prefect.resource.name": person.name,
                "prefect-crm-erp.email": person.email or "",
                "prefect-crm-erp.active": str(person.is_active).lower(),
            }
        )
        for role, person in people
        if person is not None
    ]
