"""What account sync reads from and writes to this very org: the standard tables, and what org and block add to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prefect_crm_erp.blocks.crm._salesforce_maps import (
    ALWAYS_WRITTEN,
    CONTACT,
    OBJECT_NAMES,
    STATUS,
    SYNCED_ACCOUNT,
    WRITE_BACK,
    select,
)
from prefect_crm_erp.blocks.crm._salesforce_plan import Planner
from prefect_crm_erp.blocks.crm._salesforce_rights import unseen, unwritable
from prefect_crm_erp.blocks.crm._salesforce_stream import IN_ORDER
from prefect_crm_erp.blocks.crm.values import ContactScope, CrmObject, CustomFields
from prefect_crm_erp.models.field_map import FieldMap, FieldPair

CONTACTS = "Contacts"
"""Name of the relationship under which an account's contacts are read."""

SETTLED = ("payment_terms", "vat_number")
"""Account fields whose place the block's settings say; an org may have none."""

_DUTY = "Department"
_NEEDED_OF_CONTACTS = ("AccountId", "LastName")


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """What one read of accounts asks for.

    Attributes:
        account: Where an account's fields are.
        contact: Where its contacts' fields are; None when they are not read.
        duties: Contact fields that tell a billing contact.
    """

    account: FieldMap
    contact: FieldMap | None = None
    duties: tuple[str, ...] = ()

    def soql(self, where: Iterable[str]) -> str:
        """One query for accounts with their contacts, oldest first, in the order in which accounts were modified."""
        fields = self.account.vendor_fields
        if self.contact:
            # A query that sees the recycle bin sees deleted contacts too.
            living = ["IsDeleted = false"]
            wanted = [*self.contact.vendor_fields, *self.duties]
            fields = [*fields, f"({select(wanted, CONTACTS, where=living, order_by='CreatedDate, Id')})"]
        return select(fields, "Account", where=where, order_by=IN_ORDER)


class AccountPlanner(Planner):
    """Adds to the standard tables of accounts and contacts what the org has and the block names."""

    def accounts(self, custom: CustomFields, contacts: ContactScope = ContactScope.NONE) -> AccountPlan:
        """What reading accounts asks for."""
        if contacts is ContactScope.NONE:
            return AccountPlan(self.account(custom, SYNCED_ACCOUNT))
        self._schema.load(["Account", "Contact"])
        duties = [pair.vendor for pair in self._present("Contact", FieldPair("duty", _DUTY))]
        return AccountPlan(self.account(custom, SYNCED_ACCOUNT), self._contact_fields(), tuple(duties))

    def _contact_fields(self) -> FieldMap:
        """What of a contact the user sees. Who sees nothing asks all the same, and is refused with a reason."""
        return FieldMap(self._present("Contact", *CONTACT.pairs) or CONTACT.pairs)

    def writable(self, target: CrmObject) -> FieldMap:
        """Where the fields of an object are written; those that block and org decide about where the user may."""
        table = WRITE_BACK[target]
        return table if target is not CrmObject.ACCOUNT else table + self._changeable(self.settled())

    def upserted(self) -> FieldMap:
        """Where the fields of an account are written that is created or updated by its ERP id."""
        pairs = [pair for pair in SYNCED_ACCOUNT.pairs if pair.writable and pair.canonical != "parent_id"]
        optional = [FieldPair("currency", "CurrencyIsoCode"), *self.settled()]
        return FieldMap([*pairs, *self._changeable(optional)])

    def _changeable(self, pairs: Iterable[FieldPair]) -> Iterator[FieldPair]:
        """Those that are fields of the account itself and that the user may change."""
        for pair in pairs:
            field = self._schema.field("Account", pair.vendor)
            if field and field.updateable and "." not in pair.vendor:
                yield pair

    def own_name(self, name: str) -> str:
        """A field that people have named, in the org's spelling.

        Raises:
            ConfigurationError: It is no API name.
        """
        return self._spelled("Account", name)

    def missing_choices(self, values: Mapping[str, Collection[str]]) -> list[str]:
        """Values that a restricted picklist does not have, or has no longer, with the field's name."""
        account = OBJECT_NAMES[CrmObject.ACCOUNT]
        found: list[str] = []
        for pair in self.account(CustomFields(), SYNCED_ACCOUNT).pairs:
            field = self._schema.field(account, pair.vendor)
            if field and field.choices is not None:
                wanted = [value for value in values.get(pair.canonical, ()) if value not in field.choices]
                found += [f"{account}.{pair.vendor} = {value!r}" for value in wanted]
        return found

    def missing_for_accounts(self, custom: CustomFields, writable_custom: Collection[str]) -> list[str]:
        """Fields that a run over accounts and contacts needs and the user does not see, or may not write."""
        self._schema.load(["Account", "Contact"])
        written = [
            *ALWAYS_WRITTEN[CrmObject.ACCOUNT],
            *STATUS.vendor_fields,
            *(self._spelled("Account", name) for name in writable_custom),
        ]
        account = OBJECT_NAMES[CrmObject.ACCOUNT]
        fixed = (entry for name in written for entry in unwritable(self._schema, account, name))
        hidden = [
            *unseen(self._schema, account, self.account(custom, SYNCED_ACCOUNT).vendor_fields),
            *unseen(self._schema, "Contact", _NEEDED_OF_CONTACTS),
        ]
        return list(dict.fromkeys([*hidden, *fixed]))
