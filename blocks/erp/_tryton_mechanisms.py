"""A party's contact mechanisms: the customer's own phone and e-mail, and the contact persons that the CRM has there.

A contact person is one mechanism for the e-mail address and one for the phone number, each with the person's full name.
Its comment ties it to the CRM, in lines that people can read:

    CRM contact 003D000000abCDEIA2
    Title: Head of Accounting
    Last name: van der Berg
    Also the customer's own

The last name has a line where it is not simply the last word of the name. The last line stands where one mechanism
serves the person and, as `Customer.phone` or `Customer.email`, the customer too. Lines that people add stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import phonenumbers

from prefect_crm_erp.blocks.erp._tryton_maps import one_line
from prefect_crm_erp.blocks.erp._tryton_rpc import Row
from prefect_crm_erp.models.keys import is_salesforce_id
from prefect_crm_erp.models.records import Contact

MECHANISM_FIELDS = ("type", "value", "name", "comment")
"""Fields of a `party.contact_mechanism` that are read and written."""

KINDS = ("email", "phone")
"""What of a customer or a person is a contact mechanism, by the names of the canonical fields."""

_PHONES = ("phone", "mobile")
_AS_TYPED = {"phone": "Phone, as typed in the CRM", "email": "E-mail, as typed in the CRM"}
_KEY = re.compile(r"CRM contact ([a-zA-Z0-9]{18})")
_TITLE = "Title: "
_LAST_NAME = "Last name: "
_SHARED = "Also the customer's own"
_SHORTEST_PHONE = 6
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


@dataclass(eq=False, slots=True)
class Mechanism:
    """One contact mechanism.

    Attributes:
        type: Tryton's type: `phone`, `mobile`, `email`, `other` …
        value: Number or address; for a person without either the name.
        name: The person's full name, or what people call the mechanism.
        id: Tryton's id; None for one that is to be created.
        key: 18-character id of the CRM contact; None for a mechanism that is no contact person's.
        title: The person's title.
        last_name: The person's last name, where the name does not tell it.
        as_typed: `phone` or `email` of a person that Tryton does not take as such, and that is of type `other`.
        is_shared: Whether a person's mechanism is the customer's own too.
        remarks: Lines of the comment that people have written.
    """

    type: str = "other"
    value: str = ""
    name: str | None = None
    id: int | None = None
    key: str | None = None
    title: str | None = None
    last_name: str | None = None
    as_typed: str | None = None
    is_shared: bool = False
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, row: Row) -> Self:
        """A mechanism as Tryton has it."""
        mechanism = cls(row["type"], row["value"], row["name"], row["id"])
        lines = (row["comment"] or "").splitlines()
        keys = [match[1] for line in lines if (match := _KEY.fullmatch(line.strip())) and is_salesforce_id(match[1])]
        mechanism.key = keys[0] if keys else None
        mechanism.remarks = [line for line in lines if mechanism.key is None or not mechanism._take(line.strip())]
        return mechanism

    def _take(self, line: str) -> bool:
        """Take a line of the comment in; False when it is a remark."""
        if line.startswith(_TITLE):
            self.title = line.removeprefix(_TITLE)
        elif line.startswith(_LAST_NAME):
            self.last_name = line.removeprefix(_LAST_NAME)
        elif line == _SHARED:
            self.is_shared = True
        elif line in _AS_TYPED.values():
            self.as_typed = next(kind for kind, text in _AS_TYPED.items() if text == line)
        else:
            return bool(_KEY.fullmatch(line))
        return True

    @property
    def kind(self) -> str | None:
        """Whether it is an `email` or a `phone`, be it one that Tryton does not take as such."""
        if self.type in _PHONES:
            return "phone"
        if self.type == "email":
            return "email"
        if self.key:
            return self.as_typed
        return next((kind for kind, text in _AS_TYPED.items() if text == self.name), None)

    @property
    def has_own_name(self) -> bool:
        """Whether a person has named it."""
        return bool(self.name) and self.name not in _AS_TYPED.values()

    def values(self) -> Row:
        """The fields to write."""
        return {"type": self.type, "value": self.value, "name": self.name, "comment": self._comment()}

    def _comment(self) -> str | None:
        lines = [
            f"CRM contact {self.key}",
            f"{_TITLE}{self.title}" if self.title else "",
            f"{_LAST_NAME}{self.last_name}" if self.last_name else "",
            _AS_TYPED[self.as_typed] if self.as_typed else "",
            _SHARED if self.is_shared else "",
        ]
        return "\n".join([*(line for line in lines if line and self.key), *self.remarks]) or None

    def put(self, kind: str, value: str, *, is_valid: bool) -> None:
        """Take a new number or address; one that Tryton would refuse becomes another contact, as it was typed."""
        self.type, self.value = (kind if is_valid else "other"), value
        if self.key:
            self.as_typed = None if is_valid else kind
        elif not self.has_own_name:
            self.name = None if is_valid else _AS_TYPED[kind]

    def tie(self, contact: Contact) -> None:
        """Make it a contact person's."""
        kind = self.kind
        first, last = one_line(contact.first_name), one_line(contact.last_name)
        self.key, self.title = contact.key, one_line(contact.title)
        self.name = one_line(contact.full_name)
        self.last_name = last if split_name(self.name) != (first, last) else None
        self.as_typed = kind if self.type == "other" else None

    def untie(self) -> None:
        """Make it nobody's; what it is stays told by its name where Tryton does not take it as such."""
        self.name = _AS_TYPED[self.as_typed] if self.as_typed else None
        blank = Mechanism()
        for each in ("key", "title", "last_name", "as_typed", "is_shared"):
            setattr(self, each, getattr(blank, each))

    def apart(self) -> Mechanism:
        """The customer's own part of a shared mechanism, to be a mechanism of its own."""
        twin = Mechanism(**{each.name: getattr(self, each.name) for each in fields(self)})
        twin.id, twin.remarks = None, []
        twin.untie()
        self.is_shared = False
        return twin


# ---------------------------------------------------------------------- reading


def mechanisms_of(row: Row) -> list[Mechanism]:
    """The contact mechanisms of a party, in Tryton's order."""
    return [Mechanism.of(each) for each in row["contact_mechanisms"]]


def own_mechanism(mechanisms: Sequence[Mechanism], kind: str) -> Mechanism | None:
    """The mechanism that holds a customer's own `phone` or `email`.

    A contact person's is not taken for it, even if there is no other: the number on a customer is the company's own.
    Only one that the comment calls the customer's own too is both.
    """
    fitting = [each for each in mechanisms if each.kind == kind and (each.key is None or each.is_shared)]
    # One that Tryton takes as a number or address comes before one that was kept as it was typed.
    fitting.sort(key=lambda each: (each.key is not None, each.type == "other"))
    return next(iter(fitting), None)


def own_value(mechanisms: Sequence[Mechanism], kind: str) -> str | None:
    """A customer's own `phone` or `email` as Tryton shows it, or what stands in its place because it is none."""
    own = own_mechanism(mechanisms, kind)
    return own.value if own else None


def contacts_of(mechanisms: Sequence[Mechanism]) -> tuple[Contact, ...]:
    """The contact persons that came from the CRM, in the order of the ids of their first mechanisms.

    Name and title are those of a person's first mechanism. Of the contact's own times and of its account Tryton knows
    nothing.
    """
    people: dict[str, list[Mechanism]] = {}
    for each in sorted((each for each in mechanisms if each.key), key=lambda each: each.id or 0):
        people.setdefault(str(each.key), []).append(each)
    return tuple(_contact(key, theirs) for key, theirs in people.items())


def _contact(key: str, mechanisms: Sequence[Mechanism]) -> Contact:
    first, last = split_name(mechanisms[0].name, mechanisms[0].last_name)
    values = {kind: next((each.value for each in mechanisms if each.kind == kind), None) for kind in KINDS}
    return Contact(key=key, first_name=first, last_name=last, title=mechanisms[0].title, **values)


def split_name(name: str | None, last_name: str | None = None) -> tuple[str | None, str | None]:
    """First and last name; the last word is the last name, where nothing better is known.

    Example:
        >>> split_name("Anna van der Berg", "van der Berg"), split_name("Anna Maria Berg", "van der Berg")
        (('Anna', 'van der Berg'), ('Anna Maria', 'Berg'))
    """
    words = f" {name or ''}"
    known = last_name if last_name and words.endswith(f" {last_name}") else words.rpartition(" ")[2]
    return words[: len(words) - len(known)].strip() or None, known or None


# ---------------------------------------------------------------------- values


def is_valid(kind: str, value: str, countries: Iterable[str]) -> bool:
    """Whether Tryton takes a phone number or e-mail address; national numbers are read for countries (ISO codes)."""
    if kind == "email":
        return bool(_EMAIL.fullmatch(value))
    return any(_valid_in(value, country) for country in (*countries, None))


def _valid_in(text: str, country: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, country))
    except phonenumbers.NumberParseException:
        return False


def same_value(kind: str | None, left: str | None, right: str | None) -> bool:
    """Whether two phone numbers, e-mail addresses or other texts are one."""
    if kind == "phone":
        return same_phone(left, right)
    return (left or "").strip().casefold() == (right or "").strip().casefold()


def same_phone(left: str | None, right: str | None) -> bool:
    """Whether two phone numbers are one, whatever their spaces; the international prefix counts when both have it."""
    longer, shorter = sorted((re.sub(r"\D", "", text or "") for text in (left, right)), key=len, reverse=True)
    national = shorter.lstrip("0")
    if len(national) < _SHORTEST_PHONE:
        return (left or "").split() == (right or "").split()
    return longer == shorter or longer.endswith(national)


def command_lists(mechanisms: Sequence[Mechanism], rows: Sequence[Row]) -> list[Any]:
    """Commands that bring a party's `contact_mechanisms` from these rows to these mechanisms; empty without change."""
    before = {row["id"]: {name: row[name] or None for name in MECHANISM_FIELDS} for row in rows}
    gone = [identifier for identifier in before if identifier not in {each.id for each in mechanisms}]
    new = [each.values() for each in mechanisms if each.id is None]
    commands: list[Any] = []
    for each in mechanisms:
        known = before.get(each.id or 0, {})
        changed = {name: value for name, value in each.values().items() if known and known[name] != value}
        if changed:
            commands.append(("write", [each.id], changed))
    return commands + ([("delete", gone)] if gone else []) + ([("create", new)] if new else [])
