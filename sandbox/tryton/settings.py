"""What the embedded Tryton is made of: its database, its modules, its users and its configuration file."""

from __future__ import annotations

import os
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATABASE: Final = "erp"
"""Name of the database; its file is ``erp.sqlite``."""

HOST: Final = "127.0.0.1"
"""The server listens here, and nowhere else."""

STAGES: Final = ("schema", "empty", "demo")
"""The databases that are kept, each built from the one before; a sandbox starts from ``empty`` or from ``demo``."""

MODULES: Final = (
    "account",
    "account_credit_limit",
    "account_invoice",
    "account_invoice_stock",
    "account_payment",
    "account_product",
    "account_tax_rule_country",
    "company",
    "country",
    "currency",
    "party",
    "party_relationship",
    "product",
    "product_price_list",
    "sale",
    "sale_amendment",
    "sale_credit_limit",
    "sale_discount",
    "sale_history",
    "sale_invoice_grouping",
    "sale_price_list",
    "stock",
)
"""The activated Tryton modules, each a distribution ``trytond-<name>`` on PyPI."""

OWN_MODULES: Final = ("sale_largest_discount",)
"""Activated modules of the sandbox itself: folders here, which an entry point of the distribution tells Tryton of."""


@dataclass(frozen=True)
class Login:
    """A user of the ERP. The passwords are public on purpose: the server listens on the loopback interface only."""

    user: str
    password: str


INTEGRATION: Final = Login("crm", "northlight-crm")
ADMINISTRATOR: Final = Login("admin", "northlight-admin")
FINANCE: Final = Login("finance", "northlight-finance")
VP_FINANCE: Final = Login("vp.finance", "northlight-vp-finance")
SALES_DIRECTOR: Final = Login("sales.director", "northlight-sales-director")

_ONE_YEAR: Final = 365 * 24 * 3600

_OPTIONS: Final[dict[str, dict[str, str]]] = {
    # The files of the graphical web client are not served.
    "web": {"root": ""},
    "database": {"uri": "sqlite://"},
    # Sessions outlast a developer's week.
    "session": {"timeout": str(_ONE_YEAR), "max_age": str(_ONE_YEAR)},
    "cache": {"record": "10000", "model": "1000", "field": "1000"},
    "queue": {"worker": "False"},
}


def database_file(directory: Path) -> Path:
    """Path of the database's file in its directory."""
    return directory / f"{DATABASE}.sqlite"


def write_configuration(directory: Path) -> Path:
    """Write ``trytond.conf`` for the database in a directory and return the file's path."""
    parser = ConfigParser(interpolation=None)
    parser.read_dict(_OPTIONS)
    parser.set("database", "path", str(directory.resolve()))
    path = directory / "trytond.conf"
    with path.open("w", encoding="utf-8") as stream:
        parser.write(stream)
    return path


def clean_environment() -> dict[str, str]:
    """The environment for a process of Tryton, without what configures some other Tryton of the user."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRYTOND_")}
