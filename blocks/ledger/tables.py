"""The ledger's tables. Their names start with `ledger_`, so that they may live in a database with others.

Every row belongs to an integration: several may share one ledger. Change a table here and add a migration; a test
compares the two.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, Date, ForeignKey, Index, Integer, MetaData, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from prefect_crm_erp.blocks.ledger.columns import (
    Choice,
    ExactDecimal,
    FreeText,
    Json,
    JsonTuple,
    Key,
    RowId,
    UtcTime,
)
from prefect_crm_erp.models.outcomes import Change, Note, Outcome, Queue

TABLE_PREFIX = "ledger_"
Name = Key(100)
LongKey = Key(255)


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can change it on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class RunRow(Base):
    """A run of a flow."""

    __tablename__ = "ledger_run"
    __table_args__ = (
        UniqueConstraint("integration", "run_id"),
        Index("ix_ledger_run_integration_started_at", "integration", "started_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    integration: Mapped[str] = mapped_column(Name)
    run_id: Mapped[str] = mapped_column(Name)
    flow: Mapped[str] = mapped_column(FreeText)
    source: Mapped[str] = mapped_column(FreeText)
    dry_run: Mapped[bool] = mapped_column(Boolean)
    started_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    status: Mapped[str] = mapped_column(FreeText)
    source_count: Mapped[int | None] = mapped_column(Integer)
    summary: Mapped[Any] = mapped_column(Json, nullable=True)


class RunRecordRow(Base):
    """A source record of a run: read, and then with an outcome. `id` counts in the order of reading."""

    __tablename__ = "ledger_run_record"
    __table_args__ = (UniqueConstraint("run", "key"), Index("ix_ledger_run_record_run_id", "run", "id"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    run: Mapped[int] = mapped_column(RowId, ForeignKey("ledger_run.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(LongKey)
    was_read: Mapped[bool] = mapped_column(Boolean)
    modified_at: Mapped[datetime | None] = mapped_column(UtcTime)
    name: Mapped[str] = mapped_column(FreeText)
    outcome: Mapped[Outcome | None] = mapped_column(Choice(Outcome))
    queue: Mapped[Queue | None] = mapped_column(Choice(Queue))
    reason: Mapped[str] = mapped_column(FreeText)
    account: Mapped[str | None] = mapped_column(FreeText)
    subsidiary: Mapped[str | None] = mapped_column(FreeText)
    erp_id: Mapped[str | None] = mapped_column(FreeText)
    erp_number: Mapped[str | None] = mapped_column(FreeText)
    currency: Mapped[str | None] = mapped_column(FreeText)
    crm_total: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    erp_total: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    crm_url: Mapped[str | None] = mapped_column(FreeText)
    erp_url: Mapped[str | None] = mapped_column(FreeText)
    notes: Mapped[tuple[Note, ...]] = mapped_column(JsonTuple(Note), nullable=True)
    changes: Mapped[tuple[Change, ...]] = mapped_column(JsonTuple(Change), nullable=True)


class ClaimRow(Base):
    """Who works on a key, until when, and the fingerprint of what it meant to send.

    Without holder: the intent of an earlier run, whose outcome is unknown.
    """

    __tablename__ = "ledger_claim"

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    kind: Mapped[str] = mapped_column(Name, primary_key=True)
    key: Mapped[str] = mapped_column(LongKey, primary_key=True)
    run_id: Mapped[str | None] = mapped_column(Name)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    fingerprint: Mapped[str | None] = mapped_column(FreeText)
    intended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class CrossReferenceRow(Base):
    """A key and the ERP record that it became."""

    __tablename__ = "ledger_cross_reference"
    __table_args__ = (Index("ix_ledger_cross_reference_erp_id", "integration", "kind", "erp", "erp_id"),)

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    kind: Mapped[str] = mapped_column(Name, primary_key=True)
    key: Mapped[str] = mapped_column(LongKey, primary_key=True)
    erp: Mapped[str] = mapped_column(Name, primary_key=True)
    company: Mapped[str] = mapped_column(Key(100, may_be_empty=True), primary_key=True)
    erp_id: Mapped[str] = mapped_column(LongKey)
    erp_number: Mapped[str | None] = mapped_column(FreeText)
    fingerprint: Mapped[str] = mapped_column(FreeText)
    currency: Mapped[str | None] = mapped_column(FreeText)
    crm_total: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    erp_total: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    run_id: Mapped[str] = mapped_column(Name)
    bound_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class AgreementRow(Base):
    """What both systems had in the fields of a linked record when they were last in step."""

    __tablename__ = "ledger_agreement"

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    kind: Mapped[str] = mapped_column(Name, primary_key=True)
    key: Mapped[str] = mapped_column(LongKey, primary_key=True)
    erp: Mapped[str] = mapped_column(Name, primary_key=True)
    values: Mapped[Any] = mapped_column(Json)
    run_id: Mapped[str] = mapped_column(Name)
    agreed_at: Mapped[datetime] = mapped_column(UtcTime)


class DiscrepancyRow(Base):
    """A field in which a linked pair of records differed when it was last looked at; it goes when they agree again."""

    __tablename__ = "ledger_discrepancy"

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    kind: Mapped[str] = mapped_column(Name, primary_key=True)
    key: Mapped[str] = mapped_column(LongKey, primary_key=True)
    erp: Mapped[str] = mapped_column(Name, primary_key=True)
    field: Mapped[str] = mapped_column(LongKey, primary_key=True)
    crm_value: Mapped[str | None] = mapped_column(FreeText)
    erp_value: Mapped[str | None] = mapped_column(FreeText)
    owner: Mapped[str] = mapped_column(FreeText)
    name: Mapped[str] = mapped_column(FreeText)
    erp_id: Mapped[str] = mapped_column(FreeText)
    erp_number: Mapped[str | None] = mapped_column(FreeText)
    since: Mapped[datetime] = mapped_column(UtcTime)
    times: Mapped[int] = mapped_column(Integer)
    run_id: Mapped[str] = mapped_column(Name)


class DocumentRow(Base):
    """A document of an ERP that was copied to the CRM, or waits for it, with what the figures of its account need."""

    __tablename__ = "ledger_document"
    __table_args__ = (
        Index("ix_ledger_document_account", "integration", "account", "kind", "erp", "erp_id"),
        Index("ix_ledger_document_due", "integration", "is_open", "due_date"),
        Index("ix_ledger_document_opportunity", "integration", "opportunity_id"),
        Index("ix_ledger_document_status", "integration", "kind", "status"),
        Index("ix_ledger_document_approved", "integration", "approved_at"),
    )

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    kind: Mapped[str] = mapped_column(Name, primary_key=True)
    erp: Mapped[str] = mapped_column(Name, primary_key=True)
    erp_id: Mapped[str] = mapped_column(LongKey, primary_key=True)
    number: Mapped[str | None] = mapped_column(FreeText)
    company: Mapped[str] = mapped_column(Key(100, may_be_empty=True))
    customer_id: Mapped[str] = mapped_column(Key(255, may_be_empty=True))
    account: Mapped[str | None] = mapped_column(LongKey)
    opportunity_id: Mapped[str | None] = mapped_column(LongKey)
    order_ids: Mapped[tuple[str, ...]] = mapped_column(JsonTuple(str), nullable=True)
    order_keys: Mapped[tuple[str, ...]] = mapped_column(JsonTuple(str), nullable=True)
    fingerprint: Mapped[str | None] = mapped_column(FreeText)
    children: Mapped[tuple[str, ...]] = mapped_column(JsonTuple(str), nullable=True)
    type: Mapped[str | None] = mapped_column(FreeText)
    status: Mapped[str | None] = mapped_column(FreeText)
    currency: Mapped[str | None] = mapped_column(FreeText)
    company_currency: Mapped[str | None] = mapped_column(FreeText)
    payment_terms: Mapped[str | None] = mapped_column(FreeText)
    issued_on: Mapped[date | None] = mapped_column(Date)
    due_date: Mapped[date | None] = mapped_column(Date)
    paid_on: Mapped[date | None] = mapped_column(Date)
    untaxed: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    total: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    balance: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    company_untaxed: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    company_total: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    company_balance: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    is_open: Mapped[bool] = mapped_column(Boolean)
    modified_at: Mapped[datetime | None] = mapped_column(UtcTime)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    approved_at: Mapped[datetime | None] = mapped_column(UtcTime)
    written_at: Mapped[datetime] = mapped_column(UtcTime)


class AccountSalesRow(Base):
    """What an account shows of its invoices, and how many changes of these it has seen and has taken in."""

    __tablename__ = "ledger_account_sales"

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    account: Mapped[str] = mapped_column(LongKey, primary_key=True)
    changes: Mapped[int] = mapped_column(Integer)
    shown_changes: Mapped[int | None] = mapped_column(Integer)
    shown_on: Mapped[date | None] = mapped_column(Date)
    sales: Mapped[Any] = mapped_column(Json, nullable=True)
    run_id: Mapped[str | None] = mapped_column(Name)


class NoticeRow(Base):
    """That people were told of something, by one channel."""

    __tablename__ = "ledger_notice"

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    kind: Mapped[str] = mapped_column(Name, primary_key=True)
    key: Mapped[str] = mapped_column(LongKey, primary_key=True)
    channel: Mapped[str] = mapped_column(LongKey, primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcTime)
    told: Mapped[str] = mapped_column(FreeText)
    times: Mapped[int] = mapped_column(Integer)
    sent_at: Mapped[datetime] = mapped_column(UtcTime)


class WatermarkRow(Base):
    """How far a stream of changes has been dealt with."""

    __tablename__ = "ledger_watermark"

    integration: Mapped[str] = mapped_column(Name, primary_key=True)
    stream: Mapped[str] = mapped_column(LongKey, primary_key=True)
    modified_at: Mapped[datetime] = mapped_column(UtcTime)
    record_id: Mapped[str] = mapped_column(Key(255, may_be_empty=True))
    advanced_at: Mapped[datetime] = mapped_column(UtcTime)


class ParkedRow(Base):
    """A record's stay in a queue; resolved stays remain, and a key has at most one open one."""

    __tablename__ = "ledger_parked"
    __table_args__ = (
        Index(
            "uq_ledger_parked_open",
            "integration",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index("ix_ledger_parked_queue", "integration", "queue", "resolved_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    integration: Mapped[str] = mapped_column(Name)
    kind: Mapped[str] = mapped_column(Name)
    key: Mapped[str] = mapped_column(LongKey)
    name: Mapped[str] = mapped_column(FreeText)
    queue: Mapped[Queue] = mapped_column(Choice(Queue))
    reason: Mapped[str] = mapped_column(FreeText)
    error: Mapped[str | None] = mapped_column(FreeText)
    fields: Mapped[tuple[str, ...]] = mapped_column(JsonTuple(str), nullable=True)
    fingerprint: Mapped[str | None] = mapped_column(FreeText)
    attempts: Mapped[int] = mapped_column(Integer)
    run_id: Mapped[str] = mapped_column(Name)
    first_parked_at: Mapped[datetime] = mapped_column(UtcTime)
    parked_at: Mapped[datetime] = mapped_column(UtcTime)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcTime)
    resolution: Mapped[str | None] = mapped_column(FreeText)


class AuditRow(Base):
    """What was done to a record in one of the systems. Rows are only ever added."""

    __tablename__ = "ledger_audit"
    __table_args__ = (Index("ix_ledger_audit_key", "integration", "kind", "key", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    integration: Mapped[str] = mapped_column(Name)
    kind: Mapped[str] = mapped_column(Name)
    key: Mapped[str] = mapped_column(LongKey)
    system: Mapped[str] = mapped_column(FreeText)
    action: Mapped[str] = mapped_column(FreeText)
    target_id: Mapped[str | None] = mapped_column(FreeText)
    changes: Mapped[tuple[Change, ...]] = mapped_column(JsonTuple(Change), nullable=True)
    actor: Mapped[str] = mapped_column(FreeText)
    run_id: Mapped[str | None] = mapped_column(Name)
    at: Mapped[datetime] = mapped_column(UtcTime)
