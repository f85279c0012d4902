"""Payment status: what a customer owes right now, for somebody who has it on the phone."""

from __future__ import annotations

from typing import Annotated

from prefect import flow

from prefect_crm_erp.blocks import Integration
from prefect_crm_erp.flows.documents import open_documents
from prefect_crm_erp.flows.forms import titled
from prefect_crm_erp.flows.outcome import completed, failed, log_errors_as_sentences
from prefect_crm_erp.flows.starting import recorded
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.tasks.document_kinds import INVOICES
from prefect_crm_erp.tasks.payment_status import SOURCE, PaymentPosition, ask_for_position, show_position


@flow(name="payment-status", validate_parameters=True, persist_result=False, retries=0)
def payment_status(
    integration: Annotated[Integration, titled("Integration")],
    account: Annotated[str, titled("Account")],
) -> PaymentPosition:
    """Ask the ERPs what an account owes right now: every open invoice with its due date, and its credit.

    Args:
        integration: The saved integration to ask.
        account: The account: its CRM id (15 or 18 characters, as in its address) or its customer number.

    Returns:
        The open invoices and credit memos, and the credit position by company.

    Raises:
        ConfigurationError: There is no such account, or it is no customer.
        TransientError: A system does not answer.

    Example:
        ```python
        from prefect_crm_erp.blocks import Integration
        from prefect_crm_erp.flows import payment_status

        position = payment_status(integration=Integration.load("sandbox"), account="C-00017")
        print(position.in_words())
        ```
    """
    log_errors_as_sentences()
    try:
        run = open_documents(
            integration, (INVOICES,), "payment-status", records=[account], dry_run=True, backfill=False
        )
        with recorded(run) as note:
            position = ask_for_position(run, account)
            show_position(run, position)
            note(position, len(position.invoices))
    except ConnectorError as error:
        return failed(error, SOURCE)  # type: ignore[return-value]  # a state ends the run
    return completed(position)  # type: ignore[return-value]  # likewise; a caller gets the position
