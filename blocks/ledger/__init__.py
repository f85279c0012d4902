"""The ledger: durable sync state of the integrations."""

from prefect_crm_erp.blocks.ledger.block import Ledger
from prefect_crm_erp.blocks.ledger.entries import (
    AuditEntry,
    Binding,
    BusyKey,
    ClaimResult,
    Coverage,
    CrossReference,
    Discrepancy,
    Document,
    LeaseLostError,
    Notice,
    Parked,
    ParkEntry,
    PartBinding,
    RetryPolicy,
    RunInfo,
    ShownSales,
    SourceRecord,
)
from prefect_crm_erp.blocks.ledger.store import LedgerDatabase, LedgerStore

__all__ = [
    "AuditEntry",
    "Binding",
    "BusyKey",
    "ClaimResult",
    "Coverage",
    "CrossReference",
    "Discrepancy",
    "Document",
    "LeaseLostError",
    "Ledger",
    "LedgerDatabase",
    "LedgerStore",
    "Notice",
    "ParkEntry",
    "Parked",
    "PartBinding",
    "RetryPolicy",
    "RunInfo",
    "ShownSales",
    "SourceRecord",
]
