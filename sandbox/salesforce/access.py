"""How to reach a running sandbox, and what to sign in with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class SalesforceAccess:
    """Addresses and credentials of a running sandbox.

    Attributes:
        http_url: Address by plain HTTP, without a slash at the end.
        https_url: Address by TLS; clients must trust `ca_file`.
        ca_file: Certificate (PEM) of the authority that signed the server's.
        api_version: Newest API version that it speaks, like `64.0`.
        username: The integration user.
        password: For the SOAP login, followed by the security token.
        security_token: What Salesforce mails to a user.
        client_id: Consumer key of the app with the client credentials flow.
        client_secret: Its consumer secret.
        jwt_client_id: Consumer key of the app with the JWT bearer flow.
        jwt_private_key_file: Private key (PEM) for that flow.
        organization_id: 18-character id of the org.
        organization_name: Its name.
    """

    http_url: str
    https_url: str
    ca_file: str
    api_version: str
    username: str
    password: str = field(repr=False)
    security_token: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    jwt_client_id: str
    jwt_private_key_file: str
    organization_id: str
    organization_name: str

    def to_json(self) -> dict[str, Any]:
        """All of it, secrets too: they are the sandbox's own."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{name: str(value) if isinstance(value, Path) else value for name, value in values.items()})


class SalesforceSandboxError(Exception):
    """The sandbox does not start, or does not run; the message shows the end of its log."""
