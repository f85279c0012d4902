"""What Tryton's records refer to by id: companies, currencies, countries, payment terms, warehouses; read once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from prefect_crm_erp.blocks.erp._tryton_rpc import ANY_ACTIVE, SYSTEM, Database, Row
from prefect_crm_erp.models.capabilities import NameList
from prefect_crm_erp.models.errors import ConfigurationError, MissingReferenceError, RejectedRecordError
from prefect_crm_erp.models.keys import chunks, fold
from prefect_crm_erp.models.records import Company

_FRESH_SECONDS = 30.0


class NameTable:
    """Records that have a name of their own, both ways: `USD` to 2 and back.

    A name that is not found is looked for again in Tryton, for it may have been added meanwhile.

    Args:
        load: Reads (id, name, active) of all records.
        missing: Sentence for a name that is not there, with `{name}` in it.
    """

    def __init__(self, load: Callable[[], Iterable[tuple[int, str, bool]]], missing: str) -> None:
        self._load = load
        self._missing = missing
        self._loaded_at = float("-inf")
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def id_of(self, name: str) -> int:
        """The id of an active record by its name, whatever the case.

        Raises:
            MissingReferenceError: When there is none.
        """
        found = self.find(name)
        if found is None:
            raise MissingReferenceError(self._missing.format(name=name), system=SYSTEM)
        return found

    def find(self, name: str) -> int | None:
        """As `id_of`, but None when there is none."""
        if _key(name) not in self._ids:
            self._refresh()
        return self._ids.get(_key(name))

    def name_of(self, identifier: int) -> str | None:
        """The name of a record, deactivated ones included."""
        if identifier not in self._names:
            self._refresh()
        return self._names.get(identifier)

    def names(self) -> list[str]:
        """Names of the active records."""
        self._refresh()
        return [self._names[identifier] for identifier in self._ids.values()]

    def _refresh(self) -> None:
        if time.monotonic() - self._loaded_at < _FRESH_SECONDS:
            return
        rows = [row for row in self._load() if row[1]]
        self._names = {identifier: name for identifier, name, _ in rows}
        self._ids = {_key(name): identifier for identifier, name, active in reversed(rows) if active}
        self._loaded_at = time.monotonic()


def _key(name: str) -> str:
    return " ".join(name.casefold().split())


class References:
    """The lookups of one connection.

    Args:
        database: The connection.
        warehouse: Name or code of the warehouse that every order ships from; None to choose by company.
        company_category: Party category whose subcategories name the companies that sell to a customer; empty for none.
    """

    def __init__(self, database: Database, warehouse: str | None = None, company_category: str = "") -> None:
        self._database = database
        self._warehouse_name = warehouse
        self.company_category = company_category
        self._fields: dict[str, dict[str, Row]] = {}
        self._subdivisions: dict[str, int | None] = {}
        self._readable: dict[str, bool] = {}
        self.currencies = self._table(
            "currency.currency", "code", "The ERP has no currency {name}. Add it there, or change the deal's currency."
        )
        self.payment_terms = self._table(
            "account.invoice.payment_term",
            "name",
            "The ERP has no payment term {name!r}. Add it there, or map the name in the code lists.",
        )
        self.countries = self._table("country.country", "code", "The ERP has no country {name}. Add it there.")
        self.categories = self._table(
            "product.category", "name", "The ERP has no product category {name!r}; check the name in the block.", ()
        )
        self.units = self._table("product.uom", "name", "The ERP has no unit of measure {name!r}.")
        self.relation_types = self._table(
            "party.relation.type", "name", "The ERP has no relation type {name!r}; check the name in the block.", ()
        )
        self._unit_symbols = self._table("product.uom", "symbol", "The ERP has no unit of measure {name!r}.")

    def _table(self, model: str, name: str, missing: str, domain: tuple[Any, ...] = (ANY_ACTIVE,)) -> NameTable:
        def load() -> Iterable[tuple[int, str, bool]]:
            fields = [name, "active"] if domain else [name]
            rows = self._database.search(model, list(domain), fields)
            return [(row["id"], row[name], row.get("active", True)) for row in rows]

        return NameTable(load, missing)

    def listed(self, of: NameList) -> frozenset[str]:
        """The active names of a list."""
        if of is NameList.PAYMENT_TERMS:
            return frozenset(self.payment_terms.names())
        return frozenset([*self.units.names(), *self._unit_symbols.names()])

    @cached_property
    def companies(self) -> list[Company]:
        """The companies that the user works for.

        Tryton has no short code for a company: it is the code of its party, unless that is a mere number from the
        sequence, or the code of the warehouse at its address.
        """
        return [
            Company(
                id=str(row["id"]),
                name=row["party"]["name"],
                code=_short_code(row["party"]["code"]) or self._code_at_home(row["party"]["id"]),
                currency=row["currency"]["code"],
            )
            for row in self.company_rows
        ]

    @cached_property
    def selling_companies(self) -> dict[int, str]:
        """Ids of companies by the party category that tells that they sell to a customer.

        Raises:
            ConfigurationError: The category does not exist, or one of its subcategories is named like no company.
        """
        if not self.company_category:
            return {}
        rows = self._database.search("party.category", [("parent.name", "=", self.company_category)], ["name"])
        if not rows:
            raise ConfigurationError(
                f"The party category {self.company_category!r} has no subcategories, which name the companies that "
                "sell to a customer; check the name in the block",
                system=SYSTEM,
            )
        return {int(row["id"]): self._company_named(row["name"]) for row in rows}

    def _company_named(self, name: str) -> str:
        for company in self.companies:
            if fold(name) in (fold(company.name), fold(company.code)):
                return company.id
        known = ", ".join(company.name for company in self.companies)
        raise ConfigurationError(
            f"The party category {name!r} of {self.company_category!r} is named like no company; there are: {known}",
            system=SYSTEM,
        )

    def _code_at_home(self, party: int) -> str | None:
        codes = [row["code"] for row in self._warehouses if row["address"] and row["address"]["party"] == party]
        return _short_code(codes[0]) if len(codes) == 1 else None

    @cached_property
    def company_rows(self) -> list[Row]:
        """The companies as Tryton has them, with their parties."""
        return self._database.search("company.company", [], ["party.name", "party.code", "currency.code"])

    def currency_of(self, company_id: int) -> str:
        """The currency of a company's books."""
        return next(each.currency for each in self.companies if each.id == str(company_id))

    def unit(self, name: str) -> int:
        """The id of a unit of measure by name or symbol.

        Raises:
            MissingReferenceError: When there is none.
        """
        return self.units.find(name) or self._unit_symbols.id_of(name)

    # ------------------------------------------------------------------ states

    def prepare_subdivisions(self, codes: Iterable[str]) -> None:
        """Look up ISO 3166-2 codes (`US-CA`) that are not known yet, all in one call."""
        for chunk in chunks(sorted({code for code in codes if code not in self._subdivisions}), 200):
            rows = self._database.search("country.subdivision", [("code", "in", chunk)], ["code", "type"])
            found = {row["code"]: row["id"] for row in rows if self._fits_country(row)}
            self._subdivisions |= {code: found.get(code) for code in chunk}

    def subdivision(self, code: str) -> int | None:
        """The id of a state by its ISO 3166-2 code; None when Tryton has none that an address may name."""
        self.prepare_subdivisions([code])
        return self._subdivisions[code]

    def _fits_country(self, row: Row) -> bool:
        allowed = self._subdivision_types.get(row["code"][:2])
        return not allowed or row["type"] in allowed

    @cached_property
    def _subdivision_types(self) -> dict[str, list[str]]:
        """Kinds of subdivision that addresses of a country may name; a country that is absent takes any."""
        rows = self._database.search("party.address.subdivision_type", [], ["country_code", "types"])
        return {row["country_code"]: list(row["types"] or ()) for row in rows}

    # ------------------------------------------------------------------ warehouses

    def warehouse(self, company_id: int) -> int | None:
        """The warehouse that a company's orders ship from.

        The one that the block names; else the only one; else the one at the company's own address. None leaves the
        choice to Tryton.

        Raises:
            ConfigurationError: When the block names one that does not exist.
        """
        if self._warehouse_name:
            return self._named_warehouse(self._warehouse_name)
        if len(self._warehouses) == 1:
            return int(self._warehouses[0]["id"])
        parties = {row["id"]: row["party"]["id"] for row in self.company_rows}
        at_home = (
            int(row["id"])
            for row in self._warehouses
            if row["address"] and row["address"]["party"] == parties.get(company_id)
        )
        return next(at_home, None)

    def _named_warehouse(self, name: str) -> int:
        for row in self._warehouses:
            if fold(name) in (fold(row["name"]), fold(row["code"])):
                return int(row["id"])
        known = ", ".join(row["name"] for row in self._warehouses)
        raise ConfigurationError(f"There is no warehouse {name!r}; there are: {known}", system=SYSTEM)

    @cached_property
    def _warehouses(self) -> list[Row]:
        return self._database.search("stock.location", [("type", "=", "warehouse")], ["name", "code", "address.party"])

    # ------------------------------------------------------------------ what the models have

    def fields(self, model: str) -> dict[str, Row]:
        """The definitions of a model's fields; which ones there are depends on the activated modules."""
        if model not in self._fields:
            self._fields[model] = self._database.fields(model)
        return self._fields[model]

    def has(self, model: str, field: str) -> bool:
        """Whether a model has a field."""
        return field in self.fields(model)

    def may_read(self, model: str) -> bool:
        """Whether the database has a model, and the user may read it."""
        if model not in self._readable:
            context = self._database.context(None)
            try:
                access = self._database.rpc.call("model.ir.model.access.get_access", [model], context=context)
                self._readable[model] = bool(access[model]["read"])
            except (ConfigurationError, RejectedRecordError):
                self._readable[model] = False
        return self._readable[model]

    @cached_property
    def identifier_types(self) -> frozenset[str]:
        """Types of party identifier that this Tryton offers, such as `eu_vat`."""
        context = self._database.context(None)
        types = self._database.rpc.call("model.party.identifier.get_types", context=context)
        return frozenset(name for name, _ in types if name)


def _short_code(code: str | None) -> str | None:
    return code if code and not code.isdigit() else None
