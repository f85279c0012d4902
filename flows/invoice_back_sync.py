"""Invoice back-sync: invoices, credit memos and payments of the ERPs come to the CRM, and accounts show their sales."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.documents import bring_documents, open_documents, refuse_nothing_named
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import aware
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.document_kinds import INVOICES, PAYMENTS
from prefect_crm_erp.tasks.report import RunReport

SOURCE: Final = "invoices and payments"


@flow(name="invoice-back-sync", validate_parameters=True, persist_result=False, retries=0)
def invoice_back_sync(
    integration: Annotated[Integration, titled("Integration")],
    records: Annotated[list[str] | None, titled("Only these records")] = None,
    since: Annotated[datetime | None, titled("Changed since")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    backfill: Annotated[bool, titled("First load")] = False,
) -> RunReport:
    """Bring invoices, credit memos and payments of the ERPs to the CRM, read-only, and show sales on accounts.

    Each is linked to its account, opportunity and order; the orders that they belong to come along. A document whose
    customer has no account yet waits, and follows by itself.

    Args:
        integration: The saved integration to run.
        records: Only these, whatever was read before: numbers of the ERP, or CRM ids of accounts or opportunities.
        since: Look at changes since this time (UTC when it names no zone) instead of since the last run.
        dry_run: Show what would be written, and write nothing.
        backfill: Read everything there is, whatever was read before, and alert nobody.

    Returns:
        The report: counts and one row for each document.

    Raises:
        ConfigurationError: Something must be changed first; the message says what.
        TransientError: The CRM is not available, or another run is at work.
        CoverageError: A document could not be accounted for.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import invoice_back_sync

        report = invoice_back_sync(integration=Integration.load("sandbox"))
        ```
    """
    log_errors_as_sentences()
    try:
        refuse_nothing_named(records)
        what = (INVOICES, PAYMENTS)
        run = open_documents(
            integration, what, "invoice-back-sync", records=records, dry_run=dry_run, backfill=backfill
        )
        report = bring_documents(run, SOURCE, records, aware(since))
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(report)  # type: ignore[return-value]  # likewise; a caller gets the report
