"""What becomes of a party's contact mechanisms when a customer with phone, e-mail and contact persons is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_maps import one_line
from prefect_crm_erp.blocks.erp._tryton_mechanisms import (
    KINDS,
    Mechanism,
    command_lists,
    is_valid,
    own_mechanism,
    same_value,
)
from prefect_crm_erp.blocks.erp._tryton_rpc import Row
from prefect_crm_erp.models.errors import RejectedRecordError
from prefect_crm_erp.models.outcomes import Note
from prefect_crm_erp.models.records import Contact, Customer

_WHAT = {"phone": "phone number", "email": "e-mail address"}


class MechanismChanges:
    """Brings a party's mechanisms to a customer's phone, e-mail and contacts, as far as these are set in the record.

    First the customer's own, then the persons': a person takes an own mechanism with the same value and without a name
    along, so that no number stands there twice. Mechanisms of persons that are gone go; those of nobody stay.

    Args:
        customer: The customer.
        rows: The party's mechanisms as they are; none for a new party.
        countries: ISO codes of the party's addresses; national phone numbers are read for them.
        refusal: What Tryton said when it refused all of them; what is new is then kept as it was typed.
    """

    def __init__(
        self,
        customer: Customer,
        rows: Sequence[Row],
        countries: Collection[str],
        refusal: RejectedRecordError | None = None,
    ) -> None:
        self._customer = customer
        self._rows = rows
        self._mechanisms = [Mechanism.of(row) for row in rows]
        self._countries = countries
        self._refusal = refusal
        self._notes: list[Note] = []

    def commands(self) -> tuple[list[Any], list[Note]]:
        """Commands for the party's `contact_mechanisms`, empty when nothing differs, and what to tell the operator."""
        for kind in KINDS:
            if kind in self._customer.model_fields_set:
                self._write_own(kind, one_line(getattr(self._customer, kind)))
        if "contacts" in self._customer.model_fields_set:
            self._write_contacts()
        if self._refusal is not None and self._notes:
            self._notes.append(Note("contact", f"The ERP said: {self._refusal.message}"))
        return command_lists(self._mechanisms, self._rows), self._notes

    # ------------------------------------------------------------------ the customer's own

    def _write_own(self, kind: str, text: str | None) -> None:
        own = own_mechanism(self._mechanisms, kind)
        if same_value(kind, own.value if own else None, text) or self._changes_with_its_person(own, kind, text):
            return
        if own is not None and own.key:
            own.is_shared, own = False, None
        if own is not None and text is None:
            self._mechanisms.remove(own)
        elif text is not None:
            self._put(own or self._add(), kind, text)

    def _changes_with_its_person(self, own: Mechanism | None, kind: str, text: str | None) -> bool:
        """Whether a shared mechanism stays shared, for the person's value becomes the same."""
        people = [each for each in self._given_contacts() if own and own.key and each.key == own.key]
        return any(text and same_value(kind, getattr(each, kind), text) for each in people)

    # ------------------------------------------------------------------ persons

    def _given_contacts(self) -> list[Contact]:
        given = self._customer.contacts if "contacts" in self._customer.model_fields_set else ()
        return [each for each in given if each.key]

    def _write_contacts(self) -> None:
        kept = [mechanism for each in self._given_contacts() for mechanism in self._write_contact(each)]
        for each in [each for each in self._mechanisms if each.key and each not in kept]:
            if each.is_shared:
                each.untie()
            else:
                self._mechanisms.remove(each)

    def _write_contact(self, contact: Contact) -> list[Mechanism]:
        """The mechanisms of a person; one who has neither address nor number is kept by name."""
        texts: dict[str | None, str] = {
            kind: text for kind in KINDS if (text := one_line(getattr(contact, kind))) is not None
        }
        if not texts:
            texts = {None: one_line(contact.full_name) or str(contact.key)}
        return [self._write_mechanism(contact, kind, text) for kind, text in texts.items()]

    def _write_mechanism(self, contact: Contact, kind: str | None, text: str) -> Mechanism:
        mechanism = self._known(contact, kind) or self._adopted(kind, text) or self._add()
        if not same_value(kind, mechanism.value, text):
            if mechanism.is_shared and not self._is_customers(kind, text):
                self._mechanisms.append(mechanism.apart())
            self._put(mechanism, kind, text, contact.full_name)
        mechanism.tie(contact)
        return mechanism

    def _known(self, contact: Contact, kind: str | None) -> Mechanism | None:
        return next((each for each in self._mechanisms if each.key == contact.key and each.kind == kind), None)

    def _adopted(self, kind: str | None, text: str) -> Mechanism | None:
        """A mechanism of nobody with this value; the customer's own is shared from now on."""
        for each in self._mechanisms:
            is_free = kind is not None and each.kind == kind and not each.key and not each.has_own_name
            if is_free and same_value(kind, each.value, text):
                each.is_shared = each is own_mechanism(self._mechanisms, str(kind))
                return each
        return None

    def _is_customers(self, kind: str | None, text: str) -> bool:
        given = kind is not None and kind in self._customer.model_fields_set
        return given and same_value(kind, getattr(self._customer, str(kind)), text)

    # ------------------------------------------------------------------ values

    def _add(self) -> Mechanism:
        mechanism = Mechanism()
        self._mechanisms.append(mechanism)
        return mechanism

    def _put(self, mechanism: Mechanism, kind: str | None, text: str, person: str = "") -> None:
        if kind is None:
            mechanism.value = text
            return
        fits = self._refusal is None and is_valid(kind, text, self._countries)
        mechanism.put(kind, text, is_valid=fits)
        if not fits:
            whose = f" of {person}" if person else ""
            words = f"{text!r}{whose} is no {_WHAT[kind]} that the ERP takes; it is kept there as other contact."
            self._notes.append(Note("contacts" if person else kind, words, before=text))
