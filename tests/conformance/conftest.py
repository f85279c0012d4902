"""Fixtures that the conformance laws share."""

from .ledger_fixtures import ledgers, postgres, store

__all__ = ["ledgers", "postgres", "store"]
