"""Writing to Salesforce: values of records that are there, and accounts that may have to be created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect_crm_erp.blocks.crm._salesforce_account_plan import AccountPlanner
from prefect_crm_erp.blocks.crm._salesforce_connection import Connection
from prefect_crm_erp.blocks.crm._salesforce_errors import SYSTEM
from prefect_crm_erp.blocks.crm._salesforce_maps import OBJECT_NAMES
from prefect_crm_erp.blocks.crm._salesforce_rows import GONE, Record, save_rows
from prefect_crm_erp.blocks.crm._salesforce_values import CUSTOM, RowValues, needs_schema, refusal
from prefect_crm_erp.blocks.crm.values import CrmObject, Update, UpdateResult, Upserted
from prefect_crm_erp.models.errors import ConnectorError, GoneRecordError, RejectedRecordError, UnsupportedRecordError
from prefect_crm_erp.models.keys import salesforce_id
from prefect_crm_erp.models.records import Account

_HEADERS = {
    # Duplicate rules that only warn must not stop a status from being written; assignment rules must not run for it.
    "Sforce-Duplicate-Rule-Header": "allowSave=true",
    "Sforce-Auto-Assign": "FALSE",
}
# An account that looks like another one is for a person to decide about: no header that saves over duplicate rules.
_UPSERT_HEADERS = {"Sforce-Auto-Assign": "FALSE"}
_UPSERTED = (
    "erp_id",
    "name",
    "phone",
    "vat_number",
    "payment_terms",
    "currency",
    "billing",
    "shipping",
    "type",
    "subsidiary",
    "custom",
    "shown",
)


def write_back(connection: Connection, planner: AccountPlanner, updates: Sequence[Update]) -> list[UpdateResult]:
    """Write values back; updates of the same record travel as one row, the later ones winning.

    Raises:
        TransientError: Salesforce is not available. The values may be sent again.
    """
    refused = {index: error for index, update in enumerate(updates) if (error := _refusal(update))}
    accepted = [update for index, update in enumerate(updates) if index not in refused]
    connection.schema.load(OBJECT_NAMES[update.object] for update in accepted if needs_schema(update.values))
    rows = _rows(RowValues(connection.schema, planner), accepted)
    outcomes = save_rows(connection, "composite/sobjects", list(rows.values()), _HEADERS)
    errors = {key: outcome.error for key, outcome in zip(rows, outcomes, strict=True)}
    return [
        UpdateResult(update, refused[index] if index in refused else _explained(update, errors.get(_key(update))))
        for index, update in enumerate(updates)
    ]


def _explained(update: Update, error: ConnectorError | None) -> ConnectorError | None:
    """Tell a record that is gone from one that it would point at: only these values are, or may be, links."""
    may_be_a_link = update.values.keys() & {"parent_id", CUSTOM}
    if not isinstance(error, RejectedRecordError) or error.code not in GONE or may_be_a_link:
        return error
    return GoneRecordError(error.message, system=SYSTEM, code=error.code, fields=error.fields)


def _refusal(update: Update) -> ConnectorError | None:
    try:
        salesforce_id(update.record_id)
    except ValueError as error:
        return UnsupportedRecordError(str(error), system=SYSTEM)
    return refusal(update.object, update.values)


def _key(update: Update) -> tuple[CrmObject, str]:
    return update.object, salesforce_id(update.record_id)


def _rows(form: RowValues, updates: Sequence[Update]) -> dict[tuple[CrmObject, str], Record]:
    """One row for each record, objects together: a call may change between objects ten times at most.

    A record of which the org has nothing to take gets no row.
    """
    merged: dict[tuple[CrmObject, str], dict[str, Any]] = {}
    for update in updates:
        merged.setdefault(_key(update), {}).update(form.update(update.object, update.values))
    order = list(CrmObject)
    return {
        (target, record_id): {"attributes": {"type": OBJECT_NAMES[target]}, "id": record_id, **values}
        for (target, record_id), values in sorted(merged.items(), key=lambda item: order.index(item[0][0]))
        if values
    }


def upsert_accounts(connection: Connection, planner: AccountPlanner, accounts: Sequence[Account]) -> list[Upserted]:
    """Create accounts, or update those that carry the same ERP id; one result for each, in order.

    Raises:
        TransientError: Salesforce is not available. The accounts may be sent again.
    """
    refused = _unfit(accounts)
    accepted = [account for index, account in enumerate(accounts) if index not in refused]
    if not accepted:
        return [refused[index] for index in range(len(accounts))]
    table, form = planner.upserted(), RowValues(connection.schema, planner)
    rows = [
        {"attributes": {"type": "Account"}, **form.encoded(CrmObject.ACCOUNT, table, _given(account))}
        for account in accepted
    ]
    outcomes = iter(save_rows(connection, "composite/sobjects/Account/ERP_Id__c", rows, _UPSERT_HEADERS))
    return [refused[index] if index in refused else next(outcomes) for index in range(len(accounts))]


def _unfit(accounts: Sequence[Account]) -> dict[int, Upserted]:
    """Accounts that cannot be sent, by position: without ERP id, or with one that an earlier account has."""
    seen: set[str] = set()
    unfit: dict[int, Upserted] = {}
    for index, account in enumerate(accounts):
        key = (account.erp_id or "").strip().casefold()
        error = refusal(CrmObject.ACCOUNT, {"custom": account.custom})
        if not key:
            error = _no_key("An account is created or updated by its ERP id, and has none")
        elif key in seen:
            error = _no_key(f"The ERP id {account.erp_id} stands in several accounts of one call; the first one counts")
        if error:
            unfit[index] = Upserted(None, error=error)
        seen.add(key)
    return unfit


def _no_key(message: str) -> UnsupportedRecordError:
    return UnsupportedRecordError(message, system=SYSTEM, fields=("erp_id",))


def _given(account: Account) -> Mapping[str, Any]:
    """What of an account has been set; a currency can be changed and not be taken away."""
    given = {name: getattr(account, name) for name in _UPSERTED if name in account.model_fields_set}
    if "shown" in given:
        given["shown"] = account.shown.model_dump(exclude_unset=True)
    return {name: value for name, value in given.items() if name != "currency" or value}
