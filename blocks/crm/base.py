"""What every CRM connection can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field

from prefect_crm_erp.blocks.form import OrderedForm
from prefect_crm_erp.blocks.http import CallCount
from prefect_crm_erp.models.capabilities import SystemInfo
from prefect_crm_erp.models.errors import ConnectorError
from prefect_crm_erp.models.paging import Cursor, Page
from prefect_crm_erp.models.records import Account, Deal, DealSource


class CrmObject(StrEnum):
    """CRM objects that a flow writes back to, in the words of the business."""

    ACCOUNT = "account"
    OPPORTUNITY = "opportunity"
    QUOTE = "quote"
    ORDER = "order"
    PRODUCT = "product"


OBJECT_OF_SOURCE = {
    DealSource.CLOSED_WON: CrmObject.OPPORTUNITY,
    DealSource.ACCEPTED_QUOTES: CrmObject.QUOTE,
    DealSource.ACTIVATED_ORDERS: CrmObject.ORDER,
}


@dataclass(frozen=True, slots=True)
class Update:
    """Values to write back to one CRM record.

    Attributes:
        object: Which object.
        record_id: 18-character id.
        values: Canonical field to value: `erp_order_number`, `erp_status`, `erp_amount`, `erp_sync_status`,
            `erp_sync_error`, `erp_id`, `stage`, `type`.
    """

    object: CrmObject
    record_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """What became of one `Update`; `error` is None when it was taken."""

    update: Update
    error: ConnectorError | None = None


@dataclass(frozen=True, slots=True)
class CustomFields:
    """CRM fields that a customer's field map adds, by record: names as the CRM spells them."""

    account: tuple[str, ...] = ()
    deal: tuple[str, ...] = ()
    line: tuple[str, ...] = ()


class CRM(OrderedForm, CredentialsBlock, ABC):
    """Base of the CRM connections."""

    system: ClassVar[str]

    timeout_seconds: float = Field(
        default=60, gt=0, title="Timeout", description="Longest wait for an answer of the system, in seconds."
    )

    @property
    @abstractmethod
    def calls(self) -> CallCount:
        """Requests sent since the connection was opened, and the system's own count of its daily limit."""

    @abstractmethod
    def check(self) -> SystemInfo:
        """Sign in and say who and what is there.

        Raises:
            AuthenticationError: The credentials were refused.
            ConfigurationError: The address or the user's rights are wrong.
            TransientError: The system cannot be reached.
        """

    @abstractmethod
    def missing_fields(self, source: DealSource, custom: CustomFields) -> list[str]:
        """Fields that a run needs and the CRM does not have (or does not show to the user), as `Object.Field`."""

    @abstractmethod
    def deals(
        self,
        source: DealSource,
        *,
        since: Cursor | None = None,
        overlap: timedelta = timedelta(minutes=10),
        ids: Collection[str] | None = None,
        custom: CustomFields = CustomFields(),
        page_size: int = 200,
    ) -> Iterator[Page[Deal]]:
        """Read deals with their account and lines, page by page, ordered by (modified, id).

        Args:
            source: Which CRM records are deals.
            since: Only deals modified at or after this place, less the overlap; None for all.
            overlap: How far back of `since` to read again: rows become visible late and clocks differ.
            ids: Just these records (15 or 18 characters), whether or not the source's condition still holds for
                them; those that do not exist are left out. `since` is then ignored.
            custom: Further fields to read into `custom` of deals, accounts and lines.
            page_size: Deals of one page.

        Yields:
            Pages; their `cursor` is the place of their last record, `expected` the number of deals of the stream.
        """

    @abstractmethod
    def is_deal(self, deal: Deal) -> bool:
        """Whether the source's condition holds for a deal as it was read (closed and won, accepted, activated)."""

    @abstractmethod
    def accounts(self, ids: Collection[str], custom: CustomFields = CustomFields()) -> list[Account]:
        """Read accounts by id."""

    @abstractmethod
    def write_back(self, updates: Sequence[Update]) -> list[UpdateResult]:
        """Write values back, in as few calls as the CRM allows; one refused row does not stop the others.

        Returns:
            One result for each update, in the same order.

        Raises:
            TransientError: The system is not available. The values are idempotent: the same call may be made again.
        """

    @abstractmethod
    def url(self, record_id: str) -> str:
        """Address under which a person opens the record."""

    def get_client(self) -> Self:
        """The connection itself: its verbs are its methods."""
        return self
