"""Claims: at any time one run at most works on a key, and what it meant to send is known to the next one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, update

from prefect_crm_erp.blocks.ledger.database import insert
from prefect_crm_erp.blocks.ledger.entries import BusyKey, ClaimResult, LeaseLostError
from prefect_crm_erp.blocks.ledger.part import Part, distinct, lists_of
from prefect_crm_erp.blocks.ledger.tables import ClaimRow

Conditions = tuple[ColumnElement[bool], ...]


class Claims(Part):
    """Who works on which key."""

    def claim(self, kind: str, keys: Sequence[str], run_id: str, lease: timedelta) -> ClaimResult:
        """Take the keys that nobody holds, in one transaction. An expired lease is taken over.

        The same run may claim a key again, so that a retried task goes on where it stood; a run must not work on one
        key in two places at once.

        Args:
            kind: What the keys are of.
            keys: Keys to take.
            run_id: The run that takes them.
            lease: How long they are its own, unless renewed; longer than its longest request.
        """
        if lease <= timedelta(0):
            raise ValueError("A lease must last some time")
        mine: dict[str, str | None] = {}
        busy: dict[str, BusyKey] = {}
        wanted = distinct(keys)
        while wanted:
            with self.database.writing() as connection:
                mine |= self._take(connection, kind, wanted, run_id, lease)
                busy |= self._holders(connection, kind, [key for key in wanted if key not in mine])
            # Neither: the other run let it go between the two statements, so that it is free now.
            wanted = [key for key in wanted if key not in mine and key not in busy]
        unknown = {key: fingerprint for key, fingerprint in mine.items() if fingerprint is not None}
        return ClaimResult(frozenset(mine), busy, unknown)

    def renew(self, kind: str, keys: Collection[str], run_id: str, lease: timedelta) -> set[str]:
        """Begin the lease anew for the keys that the run still holds.

        Returns:
            Those keys; the others were taken over, released or bound.
        """
        if not keys:
            return set()
        with self.database.writing() as connection:
            mine = self._lock_mine(connection, kind, keys, run_id)
            now = self.database.now(connection)
            for some in lists_of(mine):
                changed = {"claimed_at": now, "expires_at": now + lease}
                connection.execute(update(ClaimRow).where(*self._are(kind, some)).values(changed))
        return set(mine)

    def intend(self, kind: str, intents: Mapping[str, str], run_id: str) -> None:
        """Note what is about to be sent, and begin the lease anew. All keys or none.

        Args:
            kind: What the keys are of.
            intents: Key to fingerprint of what will be sent.
            run_id: The run that holds the keys.

        Raises:
            LeaseLostError: Some keys are not held by the run; its `keys` says which. Nothing may be sent for them.
        """
        if not intents:
            return
        with self.database.writing() as connection:
            mine = self._lock_mine(connection, kind, intents, run_id)
            if lost := intents.keys() - mine.keys():
                raise LeaseLostError(kind, frozenset(lost))
            self._note_intents(connection, kind, intents, mine)

    def sent(self, kind: str, keys: Collection[str]) -> dict[str, str]:
        """Those of these keys that were about to be sent and are not bound, with the fingerprint of what was sent."""
        chosen = select(ClaimRow.key, ClaimRow.fingerprint).where(ClaimRow.fingerprint.is_not(None))
        with self.database.reading() as connection:
            return {
                key: str(fingerprint)
                for some in lists_of(keys)
                for key, fingerprint in connection.execute(chosen.where(*self._are(kind, some)))
            }

    def release(self, kind: str, keys: Collection[str], run_id: str, *, keep_intent: bool = False) -> None:
        """Let keys go.

        Args:
            kind: What the keys are of.
            keys: Keys to let go; those that the run does not hold stay as they are.
            run_id: The run that holds them.
            keep_intent: Whether the outcome of what was sent is unknown: the next claim will say so.
        """
        if not keys:
            return
        with self.database.writing() as connection:
            mine = list(self._lock_mine(connection, kind, keys, run_id))
            for some in lists_of(mine):
                ours = self._are(kind, some)
                if keep_intent:
                    free = {"run_id": None, "claimed_at": None, "expires_at": None}
                    intended = ClaimRow.fingerprint.is_not(None)
                    connection.execute(update(ClaimRow).where(*ours, intended).values(free))
                    ours = (*ours, ~intended)
                connection.execute(delete(ClaimRow).where(*ours))

    def _take(
        self, connection: Connection, kind: str, keys: Sequence[str], run_id: str, lease: timedelta
    ) -> dict[str, str | None]:
        """Insert what is new, take over what is free; give the fingerprints of old intents."""
        now = self.database.now(connection)
        is_free = or_(ClaimRow.run_id.is_(None), ClaimRow.expires_at <= now, ClaimRow.run_id == run_id)
        statement = insert(connection, ClaimRow)
        taken = {name: statement.excluded[name] for name in ("run_id", "claimed_at", "expires_at")}
        upsert = statement.on_conflict_do_update(
            index_elements=["integration", "kind", "key"], set_=taken, where=is_free
        ).returning(ClaimRow.key, ClaimRow.fingerprint)
        common = {"integration": self.integration, "kind": kind, "run_id": run_id, "claimed_at": now}
        rows = [{**common, "key": key, "expires_at": now + lease} for key in keys]
        return {row.key: row.fingerprint for row in connection.execute(upsert, rows)}

    def _holders(self, connection: Connection, kind: str, keys: Sequence[str]) -> dict[str, BusyKey]:
        columns = (ClaimRow.key, ClaimRow.run_id, ClaimRow.expires_at)
        found: dict[str, BusyKey] = {}
        for some in lists_of(keys):
            for key, run_id, until in connection.execute(select(*columns).where(*self._are(kind, some))):
                if run_id and until:
                    found[key] = BusyKey(run_id, until)
        return found

    def _lock_mine(self, connection: Connection, kind: str, keys: Collection[str], run_id: str) -> dict[str, timedelta]:
        """Keys that the run holds, with the length of their lease; nobody can take them over meanwhile."""
        columns = (ClaimRow.key, ClaimRow.claimed_at, ClaimRow.expires_at)
        found: dict[str, timedelta] = {}
        for some in lists_of(keys):
            held = select(*columns).where(*self._are(kind, some), ClaimRow.run_id == run_id)
            for key, since, until in connection.execute(held.order_by(ClaimRow.key).with_for_update()):
                if since and until:
                    found[key] = until - since
        return found

    def _note_intents(
        self, connection: Connection, kind: str, intents: Mapping[str, str], leases: Mapping[str, timedelta]
    ) -> None:
        now = self.database.now(connection)
        one = and_(ClaimRow.integration == self.integration, ClaimRow.kind == kind, ClaimRow.key == bindparam("of_key"))
        statement = update(ClaimRow).where(one).values(fingerprint=bindparam("digest"), expires_at=bindparam("until"))
        rows = [
            {"of_key": key, "digest": digest, "until": now + leases[key]} for key, digest in sorted(intents.items())
        ]
        connection.execute(statement.values(claimed_at=now, intended_at=now), rows)

    def _are(self, kind: str, keys: Sequence[str]) -> Conditions:
        return (ClaimRow.integration == self.integration, ClaimRow.kind == kind, ClaimRow.key.in_(keys))


def settle(connection: Connection, integration: str, kind: str, keys: Collection[str], run_id: str) -> None:
    """End the claims on keys whose outcome is known now; those that another run took over are its own to end.

    Until the transaction ends, no other one settles these keys.
    """
    is_ours = or_(ClaimRow.run_id == run_id, ClaimRow.run_id.is_(None))
    for some in lists_of(keys):
        these = and_(ClaimRow.integration == integration, ClaimRow.kind == kind, ClaimRow.key.in_(some))
        _lock(connection, these)
        connection.execute(delete(ClaimRow).where(these, is_ours))


def release_unsent(connection: Connection, integration: str, run_id: str) -> None:
    """End a run's claims on keys that nothing was sent for; the others stay until their lease ends."""
    held = and_(ClaimRow.integration == integration, ClaimRow.run_id == run_id, ClaimRow.fingerprint.is_(None))
    _lock(connection, held)
    connection.execute(delete(ClaimRow).where(held))


def _lock(connection: Connection, which: ColumnElement[bool]) -> None:
    # In the order of keys, as everywhere: DELETE and UPDATE take their locks in any order, and may deadlock.
    connection.execute(select(ClaimRow.key).where(which).order_by(ClaimRow.kind, ClaimRow.key).with_for_update())
