"""Credit: which orders of a dry run the ERP would most likely hold back, by what it says of its customers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.credit import CreditPosition
from prefect_crm_erp.models.errors import CreditLimitError
from prefect_crm_erp.models.money import ZERO
from prefect_crm_erp.models.outcomes import Note, Queue, Verdict
from prefect_crm_erp.models.records import Company, SalesOrder
from prefect_crm_erp.tasks.convert import in_minor_units
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.run import Run, by_company, by_slot
from prefect_crm_erp.tasks.traveller import PLANNED


def foresee_credit(run: Run, items: Sequence[Item]) -> None:
    """Send orders that would push a limited customer over its limit where a real run would: to Pending Approval.

    Each company is asked once for the customers of these items. The orders of a run add up, in the order of reading;
    those that would be held back do not count, as in the ERP. An ERP that does not answer sends its deals to Retry.
    """
    for slot, of_slot in by_slot(items).items():
        for group in by_company(of_slot).values():
            if run.is_up(slot, group):
                with run.guard(slot, group):
                    _Foresight(run, slot, group).judge()


class _Foresight:
    """The orders of one company, before any of them is sent."""

    def __init__(self, run: Run, slot: ErpSlot, items: Sequence[Item]) -> None:
        self.run = run
        self.slot = slot
        self.erp = run.erps[slot]
        self.items = items
        self.company: Company = next(item.company for item in items if item.company)

    def judge(self) -> None:
        customers = sorted({_customer_id(item) for item in self.items} - {PLANNED, ""})
        positions = self.erp.credit(customers, self.company) if customers else {}
        for item, position, limit in self._limited(positions):
            if item.currency != position.currency:
                item.notes.append(_not_compared(item, position))
            else:
                self._compare(item, position, limit)

    def _limited(self, positions: Mapping[str, CreditPosition]) -> Iterator[tuple[Item, CreditPosition, Decimal]]:
        """Items of customers with a limit, without those whose order stands: it is among what is used."""
        found = [(item, positions[_customer_id(item)]) for item in self.items if _customer_id(item) in positions]
        limited = [(item, position, position.limit) for item, position in found if position.limit is not None]
        keys = [item.key for item, _, _ in limited]
        orders = self.erp.find(SalesOrder, keys, self.company) if keys else {}
        for item, position, limit in limited:
            if not any(order.status and order.status.is_binding for order in orders.get(item.key, ())):
                yield item, position, limit

    def _compare(self, item: Item, position: CreditPosition, limit: Decimal) -> None:
        place = (self.slot, self.company.id, _customer_id(item))
        planned = self.run.planned_credit.get(place, ZERO)
        if item.expected > 0 and position.used + planned + item.expected > limit:
            reason = self._over(item, position.used + planned, limit, bool(planned))
            item.verdict = Verdict.queued(Queue.PENDING_APPROVAL, reason, error=CreditLimitError.__name__)
        else:
            self.run.planned_credit[place] = planned + item.expected

    def _over(self, item: Item, used: Decimal, limit: Decimal, with_planned: bool) -> str:
        order, before, most = (_money(amount, item.currency) for amount in (item.expected, used, limit))
        what = " (with the orders before it in this run)" if with_planned else ""
        return (
            f"Dry run: {self.erp.system} would most likely hold the order back for an approval: its {order}, on top "
            f"of the {before} used{what}, exceed the customer's credit limit of {most}"
        )


def _customer_id(item: Item) -> str:
    return str((item.customer and item.customer.erp_id) or "")


def _not_compared(item: Item, position: CreditPosition) -> Note:
    text = (
        f"The order is in {item.currency} and the customer's credit limit in {position.currency}; "
        "a dry run does not compare them"
    )
    return Note("order", text, "Finance")


def _money(amount: Decimal, currency: str) -> str:
    return f"{in_minor_units(amount, currency):,} {currency}"
