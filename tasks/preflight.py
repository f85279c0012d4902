"""Preflight: what is checked of the systems and the policies before a run writes anything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager

from prefect_crm_erp.blocks.crm.base import CRM
from prefect_crm_erp.blocks.erp.base import ERP
from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.policies.custom_fields import MappedRecord
from prefect_crm_erp.blocks.policies.routing import ErpSlot, Subsidiary
from prefect_crm_erp.models.capabilities import NameList, OrderSettings
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.models.records import Company, Customer, OrderLine, Record, SalesOrder
from prefect_crm_erp.tasks.traveller import Traveller

_ERP_RECORD: dict[MappedRecord, type[Record]] = {
    MappedRecord.ACCOUNT: Customer,
    MappedRecord.DEAL: SalesOrder,
    MappedRecord.LINE: OrderLine,
}


class Preflight(ABC):
    """What a run checks before it writes.

    Attributes:
        integration: The saved integration.
        crm: Its CRM.
        erps: Its ERP connections, by their place.
    """

    __slots__ = ()

    integration: Integration
    crm: CRM
    erps: dict[ErpSlot, ERP]

    @abstractmethod
    def company(self, slot: ErpSlot, name: str) -> Company:
        """A company of an ERP connection, looked up once in a run."""

    @abstractmethod
    def known_company(self, slot: ErpSlot, name: str) -> Company | None:
        """A company that was looked up in this run already."""

    @abstractmethod
    def guard(self, slot: ErpSlot, items: Collection[Traveller]) -> AbstractContextManager[None]:
        """Keep one ERP's trouble to its own deals: they wait in Retry, the others go on."""

    @abstractmethod
    def is_up(self, slot: ErpSlot, items: Iterable[Traveller]) -> bool:
        """Whether an ERP answered the last time; when not, its deals wait in Retry without another attempt."""

    def check_erps(self, records: Collection[MappedRecord]) -> None:
        """Check the ERP connections, their companies and the mapped fields; one that does not answer is left alone.

        Args:
            records: Records whose mapped fields the run writes.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
        """
        for slot in self.erps:
            self.check_erp(slot, records)
        if self.integration.routing.divides:
            self._check_companies_apart()

    def _check_companies_apart(self) -> None:
        """The orders of a divided deal are told apart by their companies."""
        seen: dict[tuple[ErpSlot, str], str] = {}
        for each in self.integration.routing.subsidiaries:
            company = self.known_company(each.erp, each.company)
            other = seen.setdefault((each.erp, company.id), each.name) if company else each.name
            if company and other != each.name:
                raise ConfigurationError(
                    f"The subsidiaries {other!r} and {each.name!r} are the same company, {company.name}, so that a "
                    "deal of both cannot be split; make them one, or let deals of several companies be reviewed",
                    system=self.erps[each.erp].system,
                )

    def check_erp(self, slot: ErpSlot, records: Collection[MappedRecord]) -> None:
        """Check one ERP connection, as `check_erps` checks all."""
        erp = self.erps[slot]
        with self.guard(slot, ()):
            erp.check()
            self._check_mapped_fields(erp, records)
            for subsidiary in self.integration.routing.subsidiaries:
                if subsidiary.erp is slot:
                    self._check_subsidiary(subsidiary)

    def check_order_settings(self) -> None:
        """See that the ERPs can do what the subsidiaries want of their orders; one that does not answer is left alone.

        Raises:
            ConfigurationError: One of them cannot; the message says what and why.
        """
        for subsidiary in self.integration.routing.subsidiaries:
            slot = subsidiary.erp
            if subsidiary.order_settings.wanted and self.is_up(slot, ()):
                with self.guard(slot, ()):
                    self.check_settings(subsidiary, subsidiary.order_settings)

    def check_settings(self, subsidiary: Subsidiary, wanted: OrderSettings) -> None:
        """See that a subsidiary's ERP has what it is named there.

        Raises:
            ConfigurationError: It has not; the message says what and why.
        """
        company, erp = self.company(subsidiary.erp, subsidiary.company), self.erps[subsidiary.erp]
        unfit = erp.unfit_settings(company, wanted)
        if unfit:
            raise ConfigurationError(
                f"Subsidiary {subsidiary.name!r}: {'; '.join(unfit)}. Add it in the ERP, or correct the Subsidiary "
                "Routing",
                system=erp.system,
            )

    def check_territories(self) -> None:
        """See that the ERPs have the field with the territory, where territories are compared.

        Raises:
            ConfigurationError: One of them has not.
        """
        field = self.integration.order_entry.erp_territory_field
        for slot, erp in self.erps.items() if field else ():
            with self.guard(slot, ()):
                if field not in erp.fields(Customer):
                    text = f"The order entry policy names the field {field!r}, which customers do not have; correct it"
                    raise ConfigurationError(text, system=erp.system)

    def check_code_lists(self) -> None:
        """Find the entries of the code lists that one of the systems does not have, or has no longer.

        What the ERPs have is asked only where the lists name something, and counts only when all of them answer: what
        one does not have, another one may.

        Raises:
            ConfigurationError: There are such entries; the message names them.
        """
        terms = list(self.integration.code_lists.payment_terms)
        missing = [*(self.crm.missing_choices({"payment_terms": terms}) if terms else ()), *self._names_missing()]
        if missing:
            raise ConfigurationError(
                f"The code lists name what is not there: {'; '.join(missing)}. Correct the code lists, or add it there",
                system="Prefect",
            )

    def _check_subsidiary(self, subsidiary: Subsidiary) -> None:
        try:
            company = self.company(subsidiary.erp, subsidiary.company)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"Subsidiary {subsidiary.name!r}: {error.message}. If it was renamed, correct its ERP company in the "
                "Subsidiary Routing; a code or number outlives a name",
                system=error.system,
            ) from None
        if subsidiary.currency and subsidiary.currency != company.currency:
            raise ConfigurationError(
                f"Subsidiary {subsidiary.name!r}: its books are in {subsidiary.currency}, those of the company "
                f"{company.name} in {company.currency}; correct the currency or the company in the Subsidiary Routing",
                system=self.erps[subsidiary.erp].system,
            )

    def _names_missing(self) -> Iterator[str]:
        lists = self.integration.code_lists
        systems = " or ".join(dict.fromkeys(erp.system for erp in self.erps.values()))
        for of, table in ((NameList.PAYMENT_TERMS, lists.payment_terms), (NameList.UNITS, lists.units)):
            there = self._names_in_erps(of) if table else None
            if there is not None:
                unknown = [name for name in dict.fromkeys(table.values()) if _spelled_alike(name) not in there]
                yield from (f"{of.value} {name!r} in {systems}" for name in unknown)

    def _names_in_erps(self, of: NameList) -> Collection[str] | None:
        found: set[str] = set()
        for slot, erp in self.erps.items():
            names = None
            if self.is_up(slot, ()):
                with self.guard(slot, ()):
                    names = erp.names(of)
            if names is None:
                return None
            found |= {_spelled_alike(name) for name in names}
        return found

    def _check_mapped_fields(self, erp: ERP, records: Collection[MappedRecord]) -> None:
        for record in records:
            kind = _ERP_RECORD[record]
            pairs = self.integration.custom_fields.pairs(record)
            known = set(erp.fields(kind)) if pairs else set()
            unknown = [field for _, field in pairs if field not in known]
            if unknown:
                raise ConfigurationError(
                    f"The custom field map names fields of a {kind.__name__} that do not exist: {', '.join(unknown)}; "
                    "correct the map",
                    system=erp.system,
                )


def _spelled_alike(name: str) -> str:
    return " ".join(name.casefold().split())
