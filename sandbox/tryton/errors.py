"""What can go wrong with the embedded ERP."""

from __future__ import annotations

from pathlib import Path

_LOG_LINES = 25


class TrytonSandboxError(RuntimeError):
    """The embedded ERP cannot be built or started; the message says why, and what to do."""


def with_log(message: str, log: Path) -> TrytonSandboxError:
    """An error that shows the last lines of a log file."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    tail = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
    return TrytonSandboxError(f"{message} The last lines of {log}:\n{tail}" if tail else message)
