"""How to reach a running sandbox."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class CompanyAccess:
    """A company of the ERP: its code, its id in Tryton, its name, and the ISO code of the currency of its books."""

    code: str
    id: int
    name: str
    currency: str


@dataclass(frozen=True)
class TrytonAccess:
    """Where the ERP answers, and who may log in.

    Attributes:
        url: Base address, such as ``http://127.0.0.1:40123``.
        user: The integration user, who has access to all companies and may not approve orders over a credit limit.
        finance_user: May approve orders over a credit limit.
        vp_finance_user: May, too, and approves large orders where the sandbox requires approvals.
        sales_director_user: Approves large discounts there.
    """

    url: str
    database: str
    user: str
    password: str
    admin_user: str
    admin_password: str
    finance_user: str
    finance_password: str
    vp_finance_user: str
    vp_finance_password: str
    sales_director_user: str
    sales_director_password: str
    companies: tuple[CompanyAccess, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as values that JSON knows; the passwords are those of a sandbox, and public."""
        document = asdict(self)
        document["companies"] = list(document["companies"])
        return document
