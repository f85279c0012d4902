"""What a run over entries of the field knows."""

from __future__ import annotations

from typing import Self

from prefect_crm_erp.blocks.integration import Integration
from prefect_crm_erp.blocks.ledger import LedgerStore
from prefect_crm_erp.models.errors import ConfigurationError
from prefect_crm_erp.tasks.run import BaseRun


class FieldRun(BaseRun):
    """One run that brings payments and returns of the field to the ERPs.

    Args:
        integration: The saved integration.
        run_id: Identity of the run, in the ledger and in claims.
        store: The open ledger.
        confirm_returns: Whether returns become binding in the ERP; else they wait there as drafts.
        dry_run: Whether to write nothing.
        forced: Whether the operator named the records, which overrides waiting times.
    """

    __slots__ = ("confirm_returns",)

    def __init__(
        self,
        integration: Integration,
        *,
        run_id: str,
        store: LedgerStore,
        confirm_returns: bool = False,
        dry_run: bool = False,
        forced: bool = False,
    ) -> None:
        super().__init__(integration, run_id=run_id, store=store, dry_run=dry_run, forced=forced)
        self.confirm_returns = confirm_returns

    @property
    def kind(self) -> str:
        """Name under which the ledger keeps this run's records."""
        return "field entry"

    def preflight(self) -> Self:
        """Check the CRM's objects and the ERP connections before anything is written.

        Raises:
            ConfigurationError: Something must be changed first; the message names it.
            TransientError: The CRM cannot be reached.
        """
        missing = self.crm.missing_field_entry_fields()
        if missing:
            raise ConfigurationError(
                f"These fields are missing or hidden from the integration's user: {', '.join(missing)}; "
                "deploy the metadata package and give the user its permission set",
                system=self.crm.system,
            )
        self.check_erps(())
        return self
