"""A private certificate authority of the sandbox, kept in the state directory so that clients can go on trusting it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import trustme

HOST_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerCertificate:
    """Files that a TLS server needs.

    Args:
        ca_file: Certificate of the authority: what clients verify against.
        chain_file: Private key and certificate chain of the server.
    """

    ca_file: Path
    chain_file: Path


def server_certificate(directory: Path) -> ServerCertificate:
    """Certificate for this machine's local names; the authority is made on first use and then kept.

    Args:
        directory: Where the files lie; made when missing, readable by its owner only.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_file, key_file, chain_file = directory / "ca.pem", directory / "ca.key", directory / "server.pem"
    authority = _authority(ca_file, key_file)
    leaf = authority.issue_cert(*HOST_NAMES)
    write_private(chain_file, leaf.private_key_and_cert_chain_pem.bytes())
    return ServerCertificate(ca_file, chain_file)


def _authority(ca_file: Path, key_file: Path) -> trustme.CA:
    if ca_file.exists() and key_file.exists():
        return trustme.CA.from_pem(ca_file.read_bytes(), key_file.read_bytes())
    authority = trustme.CA(organization_name="prefect-crm-erp sandbox")
    # The certificate goes last: it is there only when its key is.
    write_private(key_file, authority.private_key_pem.bytes())
    write_private(ca_file, authority.cert_pem.bytes())
    return authority


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, all of it or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)
