"""Former: what an earlier run may have sent of a deal when it led elsewhere, or was divided otherwise.

The ledger tells under which keys that may stand in which ERP. Nothing is sent of such a deal before those ERPs have
said that they do not have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prefect_crm_erp.blocks.policies.routing import ErpSlot
from prefect_crm_erp.models.divisions import Division, Sent, part_key
from prefect_crm_erp.models.field_entries import PaymentEntry, ReturnEntry
from prefect_crm_erp.models.outcomes import Queue, Verdict
from prefect_crm_erp.models.records import OrderStatus, SalesOrder
from prefect_crm_erp.tasks.item import Item
from prefect_crm_erp.tasks.parts import Part, slot_of
from prefect_crm_erp.tasks.recognise import VIA
from prefect_crm_erp.tasks.run import BaseRun, Run
from prefect_crm_erp.tasks.traveller import Traveller


def leave_to_former(run: Run, items: Sequence[Item], unknown: Mapping[str, str]) -> dict[str, str]:
    """Park deals of which an ERP has an order from a former route; let those wait whose ERP does not answer.

    Args:
        run: The run, which holds the claims on these deals.
        items: Deals and parts of deals.
        unknown: Keys whose outcome is unknown from an earlier run, with the fingerprint of what it sent.

    Returns:
        Of the unknown keys those of orders that would be the same now.
    """
    suspects: dict[ErpSlot, dict[str, list[Item]]] = {}
    for item in items:
        sent = unknown.get(item.deal_key)
        if item.verdict is None and sent is not None and not sent.startswith(VIA):
            for slot, key in (*_former_keys(run, item, sent), *_outdated(item, unknown)):
                suspects.setdefault(slot, {}).setdefault(key, []).append(item)
    for slot, by_key in suspects.items():
        _look_up(run, slot, by_key)
    return {key: Sent.read(sent).fingerprint for key, sent in unknown.items() if Division.read(sent) is None}


def _former_keys(run: Run, item: Item, sent: str) -> Iterator[tuple[ErpSlot, str]]:
    """Keys that something of the deal may stand under, other than its own now, with the ERP to ask."""
    division = Division.read(sent)
    if division is None:
        yield from ((slot, item.deal_key) for slot in _former_slots(run, item, sent))
        return
    parts: Sequence[Part] = ()
    if isinstance(item, Part):
        parts, item.former = item.whole.parts, division.places
    wanted = {part.place for part in parts}
    not_known = {part.slot for part in parts if part.place is None}
    for place in division.places:
        slot = slot_of(place)
        if place in wanted or slot in not_known or slot is None:
            continue
        if slot in run.erps:
            yield slot, part_key(item.deal_key, place)
        else:
            run.wait([item], f"A part of it was sent to the {slot.value} ERP, which is not connected", "Unfinished")


def _former_slots(run: Run, item: Item, sent: str) -> Sequence[ErpSlot]:
    """ERPs that may have the deal as one order, other than the one that it is to be an order of now.

    Where it is not known which one it was sent to, it may have been any.
    """
    own = None if isinstance(item, Part) else item.slot
    to = sent_to(run, item, sent)
    if to is None:
        return [] if item.verdict else [slot for slot in run.erps if slot is not own]
    return [to] if to is not own else []


def sent_to(run: BaseRun, item: Traveller, kept: str) -> ErpSlot | None:
    """The ERP that an earlier run has sent a record to; where that is not connected any more, the record waits.

    Args:
        run: The run.
        item: The record.
        kept: What the ledger keeps of it.
    """
    slot = slot_of(Sent.read(kept).erp or "")
    if slot is None or slot in run.erps:
        return slot
    run.wait([item], f"It was sent to the {slot.value} ERP, which is not connected", "Unfinished")
    return None


def numbers_of(found: Iterable[SalesOrder | PaymentEntry | ReturnEntry]) -> str:
    """What people know records of an ERP by: their numbers, or else their ids."""
    return ", ".join(each.number or str(each.erp_id) for each in found)


def _outdated(item: Item, unknown: Mapping[str, str]) -> Iterator[tuple[ErpSlot, str]]:
    """Keys of the deal's parts that were sent with other lines than they have now."""
    for part in item.whole.parts if isinstance(item, Part) else ():
        if unknown.get(part.key, part.content_digest()) != part.content_digest():
            yield part.slot, part.key


def _look_up(run: Run, slot: ErpSlot, by_key: Mapping[str, Sequence[Item]]) -> None:
    concerned = list({id(item): item for items in by_key.values() for item in items}.values())
    if not run.is_up(slot, concerned):
        return
    with run.guard(slot, concerned):
        erp = run.erps[slot]
        for key, found in erp.find(SalesOrder, list(by_key)).items():
            own = {part.key for item in by_key[key] if isinstance(item, Part) for part in item.whole.parts}
            # A draft of a part that there still is will be brought to what the part has now.
            orders = [each for each in found if key not in own or each.status is not OrderStatus.DRAFT]
            if not orders:
                continue
            reason = (
                f"{erp.system} has {numbers_of(orders)} of this deal, from before it led elsewhere; cancel it there, "
                "or undo the change of the routing or of the deal"
            )
            for item in by_key[key]:
                item.verdict = Verdict.queued(Queue.MANUAL_REVIEW, reason, error="LedElsewhere")
