"""Creates an empty Tryton database with the schema of all modules.

Nothing in this process may import the test helpers of Tryton's modules, such as ``account.tests.tools``: they switch
Tryton to its test mode, which adds models and scatters ids.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trytond import __series__, backend, config
from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError

from prefect_crm_erp.sandbox.tryton.passwords import keep_passwords_cheaply
from prefect_crm_erp.sandbox.tryton.settings import ADMINISTRATOR, DATABASE, MODULES, OWN_MODULES, database_file


def create_schema(directory: Path, configuration: Path) -> None:
    """Create the database in a directory: what ``trytond-admin --update … --password`` does, without its questions."""
    config.update_etc(str(configuration))
    keep_passwords_cheaply()
    database_file(directory).touch()
    database = backend.Database(DATABASE)
    database.connect()
    database.init()
    database.close()
    Pool.start()
    Pool(DATABASE).init(update=[*MODULES, *OWN_MODULES], lang=["en"], activatedeps=True, indexes=True)
    in_transaction(_sign)


def in_transaction(action: Callable[[], None], user: int = 0) -> None:
    """Run an action in a Tryton transaction, again with more locks when Tryton asks for them."""
    extras: dict[str, Any] = {}
    while True:
        with Transaction().start(DATABASE, user, **extras) as transaction:
            try:
                return action()
            except TransactionError as error:
                transaction.rollback()
                error.fix(extras)


def _sign() -> None:
    """Note the series, which a server checks before it opens a database, and set the administrator's password."""
    pool = Pool(DATABASE)
    settings = pool.get("ir.configuration")(1)
    settings.series = __series__
    settings.language = "en"
    settings.save()
    (administrator,) = pool.get("res.user").search([("login", "=", ADMINISTRATOR.user)])
    administrator.password = ADMINISTRATOR.password
    administrator.save()
