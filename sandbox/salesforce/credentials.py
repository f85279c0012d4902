"""The ways into the org: made at random for each state directory, then kept there."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from prefect_crm_erp.sandbox.salesforce.tls import write_private

_RSA_BITS = 2048
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


@dataclass(frozen=True)
class Credentials:
    """Secrets of the integration user and of the two apps that may log in as this user.

    Args:
        password: For the SOAP login, followed by the security token.
        security_token: What Salesforce mails to a user.
        client_id: App with the client credentials flow.
        client_secret: Its secret.
        jwt_client_id: App with the JWT bearer flow.
        jwt_private_key_file: RSA key whose public half that app knows.
    """

    password: str = field(repr=False)
    security_token: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    jwt_client_id: str
    jwt_private_key_file: Path

    def jwt_public_key(self) -> rsa.RSAPublicKey:
        """The half of the key pair that the app was registered with."""
        key = serialization.load_pem_private_key(self.jwt_private_key_file.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"{self.jwt_private_key_file} is not an RSA key")
        return key.public_key()


def load_or_create(directory: Path) -> Credentials:
    """The credentials kept in a directory; new ones on first use.

    Args:
        directory: Made when missing; readable by its owner only.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, key_file = directory / "credentials.json", directory / "jwt.key"
    if not key_file.exists():
        write_private(key_file, _new_rsa_key())
    if file.exists():
        return Credentials(**json.loads(file.read_text()), jwt_private_key_file=key_file)
    credentials = _new_credentials(key_file)
    values = {name: value for name, value in asdict(credentials).items() if name != "jwt_private_key_file"}
    write_private(file, json.dumps(values, indent=2).encode())
    return credentials


def _new_credentials(key_file: Path) -> Credentials:
    return Credentials(
        password=secrets.token_urlsafe(12),
        security_token="".join(secrets.choice(_LETTERS) for _ in range(24)),
        client_id=_new_client_id(),
        client_secret=secrets.token_hex(32).upper(),
        jwt_client_id=_new_client_id(),
        jwt_private_key_file=key_file,
    )


def _new_client_id() -> str:
    """A consumer key in Salesforce's form."""
    return f"3MVG9{secrets.token_urlsafe(60).replace('-', '.')}"


def _new_rsa_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
