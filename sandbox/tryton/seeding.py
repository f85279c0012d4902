"""Short words for seeding through proteus, Tryton's own client library, inside the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from proteus import Model
from proteus import config as proteus_config

from prefect_crm_erp.sandbox.tryton.settings import ADMINISTRATOR, DATABASE

Record = Any
"""A proteus record: its attributes are the fields of its model."""


def connect(configuration: Path) -> None:
    """Open the database as the administrator; what follows in this process works in it."""
    proteus_config.set_trytond(f"sqlite:///{DATABASE}", ADMINISTRATOR.user, config_file=str(configuration))


def reconnect() -> None:
    """Read the administrator's preferences again, after his companies have changed."""
    session = proteus_config.get_config()
    session._context = Model.get("res.user").get_preferences(True, {})


@contextmanager
def working_for(company: Record) -> Iterator[None]:
    """Work in the context of a company: what Tryton keeps per company is read and written for this one."""
    with proteus_config.get_config().set_context(company=company.id):
        yield


def new(model: str, **values: Any) -> Record:
    """A new, unsaved record with the model's defaults."""
    return Model.get(model)(**values)


def save(model: str, **values: Any) -> Record:
    """Create a record."""
    record = new(model, **values)
    record.save()
    return record


def find(model: str, *domain: Any) -> Record:
    """The one record that the domain describes.

    Raises:
        ValueError: There are none or several.
    """
    (record,) = Model.get(model).find(list(domain))
    return record


def same(record: Record) -> Record:
    """The record read again, in the context of the company that is worked for."""
    return type(record)(record.id)


def by_xml_id(model: str, name: str) -> Record:
    """The record that a module brings under a name such as ``stock.location_storage``."""
    identifier = Model.get("ir.model.data").get_id(name, proteus_config.get_config().context)
    return Model.get(model)(identifier)
