"""The history of this database: its epochs, and the write log, which lists the writes that callers know were committed.

A restore replaces the state by an older one, so acknowledged writes can be lost. After a restore, the fingerprint of
the newest epoch no longer matches. Then a new epoch begins, which records what is left of the writes of earlier epochs.

Every write adds a row to the log as the last statement of its transaction. Therefore a snapshot that includes a row
also includes everything that was committed before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.types.multirange import Int8Multirange

from storage import coverage
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all, fetch_one, find_value

KEPT_WRITES = 200_000
"""Number of rows to keep: many more than are added between two reads of a server, or during a commit."""


@dataclass(frozen=True, slots=True)
class WriteMark:
    """A write: its key in the log, and the epoch in which it was committed."""

    epoch_id: UUID
    key: int


@dataclass(frozen=True, slots=True)
class UnloggedWrite:
    """A write of an older release without the log: up to three states, each with the number that it had after the
    write."""

    policy: tuple[UUID, int] | None = None
    contract: tuple[UUID, int] | None = None
    usage: tuple[UUID, int] | None = None


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch, and which writes of earlier epochs the database had when it began."""

    epoch_id: UUID
    inherited_up_to: int
    inherited_without: Int8Multirange

    def inherited(self, key: int) -> bool:
        """Returns whether the epoch includes a write of an earlier epoch."""
        return key <= self.inherited_up_to and not any(key in span for span in self.inherited_without)


async def log_write(tx: Connection, usage_of: Sequence[UUID] = (), merged: Sequence[UUID] = ()) -> WriteMark:
    """Adds a write to the log. This must be the last statement of its transaction.

    `usage_of` are the policies whose balances the write has changed, `merged` the members whom it has merged into
    others. Each of them after the first has its own row.
    """
    return await fetch_one(
        tx,
        WriteMark,
        "WITH added AS (INSERT INTO write_log (usage_of, merged)"
        " SELECT w.usage_of, w.merged FROM unnest(%s::uuid[], %s::uuid[]) AS w(usage_of, merged) RETURNING write_key)"
        " SELECT (SELECT epoch_id FROM history_epoch ORDER BY position DESC LIMIT 1) AS epoch_id, max(write_key) AS key"
        " FROM added",
        [list(usage_of) or [None], list(merged)],
    )


async def verify(connection: Connection) -> UUID:
    """Returns the current epoch. After a restore, begins a new one first. Must not run in a transaction."""
    current = await _current_epoch(connection)
    if not current.is_same_history:
        await connection.execute("SELECT recognize_restore()")
        current = await _current_epoch(connection)
    return current.epoch_id


@dataclass(frozen=True, slots=True)
class _CurrentEpoch:
    epoch_id: UUID
    is_same_history: bool


async def _current_epoch(connection: Connection) -> _CurrentEpoch:
    statement = "SELECT epoch_id, is_same_history() FROM history_epoch ORDER BY position DESC LIMIT 1"
    return await fetch_one(connection, _CurrentEpoch, statement)


async def read_epochs(connection: Connection) -> list[Epoch]:
    """Returns all epochs, in order."""
    statement = "SELECT epoch_id, inherited_up_to, inherited_without FROM history_epoch ORDER BY position"
    return await fetch_all(connection, Epoch, statement)


async def read_log(connection: Connection, after: int) -> tuple[int, set[int]]:
    """Returns the newest committed key, and the smaller keys in the log that are missing because they are not
    committed."""
    return await fetch_one(
        connection,
        _log,
        "SELECT (SELECT coalesce(max(write_key), %(after)s) FROM write_log) AS newest,"
        " coalesce(array_agg(missing), '{}') AS missing"
        " FROM (SELECT write_key, lag(write_key) OVER (ORDER BY write_key) AS before FROM write_log) k"
        " CROSS JOIN LATERAL generate_series(k.before + 1, k.write_key - 1) AS missing WHERE k.write_key > %(after)s",
        {"after": after},
    )


def _log(*, newest: int, missing: list[int]) -> tuple[int, set[int]]:
    return newest, set(missing)


@dataclass(frozen=True, slots=True)
class Look:
    """One snapshot of what has changed.

    `keys` are writes that were not known before, `policies` those whose balances these writes changed, `merged` the
    members whom they merged into others, and `oldest_key` is the smallest key in the log. `position` is the last
    position of the feed, and `first_pending` and `last_pending` are the keys of events without a position.
    `generation` is that of the projection which is served, None if there is none yet.
    """

    epoch_id: UUID
    is_same_history: bool
    oldest_key: int
    keys: Sequence[int]
    policies: Sequence[UUID]
    position: int
    first_pending: int | None
    last_pending: int | None
    merged: Sequence[UUID] = ()
    generation: int | None = None


async def look(connection: Connection, after: int, missing: Sequence[int]) -> Look:
    """Returns the writes after a key, and those of `missing` that have been committed since, in one statement."""
    return await fetch_one(
        connection,
        Look,
        "SELECT e.epoch_id, is_same_history(), coalesce((SELECT min(write_key) FROM write_log), 0) AS oldest_key,"
        " w.keys, w.policies, w.merged, h.position, (SELECT min(event_key) FROM feed_pending) AS first_pending,"
        " (SELECT max(event_key) FROM feed_pending) AS last_pending,"
        f" (SELECT generation FROM projection_checkpoints WHERE name = '{coverage.NAME}') AS generation"
        " FROM feed_head h, (SELECT epoch_id FROM history_epoch ORDER BY position DESC LIMIT 1) e,"
        " (SELECT coalesce(array_agg(write_key), '{}') AS keys,"
        " coalesce(array_agg(DISTINCT usage_of) FILTER (WHERE usage_of IS NOT NULL), '{}') AS policies,"
        " coalesce(array_agg(merged) FILTER (WHERE merged IS NOT NULL), '{}') AS merged"
        " FROM write_log WHERE write_key > %s OR write_key = ANY(%s::bigint[])) w",
        [after, list(missing)],
    )


async def has_states(connection: Connection, write: UnloggedWrite) -> bool:
    """Returns whether the database has the states of a write without a log, judging by their numbers."""
    found = (
        await _reached(connection, "SELECT revision FROM enrollment_group WHERE group_id = %s", write.policy),
        await _reached(connection, _CONTRACT_REVISION, write.contract),
        await _reached(connection, "SELECT version FROM accumulator_policy WHERE group_id = %s", write.usage),
    )
    return all(found)


_CONTRACT_REVISION = "SELECT max(revision) FROM contract_revision WHERE contract_id = %s"


async def _reached(connection: Connection, statement: LiteralString, state: tuple[UUID, int] | None) -> bool:
    if state is None:
        return True
    thing, number = state
    stored = await find_value(connection, int, statement, [thing])
    return stored is not None and stored >= number


async def trim(tx: Connection, keep: int = KEPT_WRITES) -> None:
    """Deletes all but the newest rows of the log."""
    await tx.execute("DELETE FROM write_log WHERE write_key <= (SELECT max(write_key) FROM write_log) - %s", [keep])
