"""Premium runs: policies to compute, in parts that any server can process, and the policies that failed.

A part is locked, computed and marked as done in one transaction, together with what it adds to the ledger. If a server
dies, its parts are left as they were, and no part is computed twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.catalog.prices import EngineParameters
from domain.enrollment.decisions import GroupKey
from domain.errors import DomainError, PremiumRunUnknown, RequestIdReused
from domain.premiums.months import Month
from storage.listing import ListFilter, Listing, RowPosition, order_of, page_of
from storage.migration_stages import CONTRACTS_WITHOUT_PREMIUMS
from storage.postgres.database import Connection
from storage.postgres.documents import (
    Document,
    actor_from_document,
    actor_to_document,
    engine_parameters_from_document,
    engine_parameters_to_document,
)
from storage.postgres.instants import NOW
from storage.postgres.locks import Lock, lock
from storage.postgres.rows import fetch_all, fetch_first, fetch_one, fetch_value
from storage.recomputes import ConcernedGroups
from storage.requests import WriteKey

POLICIES_OF_A_PART = 200


class RunState(StrEnum):
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class PremiumRun:
    """A run over many policies, its progress, and who started it. If `contract_id` is None, it covers all contracts."""

    run_key: int
    run_id: UUID
    contract_id: UUID | None
    first: Month
    last: Month
    state: RunState
    policies: int
    done: int
    failed: int
    offsets: int
    entries: int
    recorded_at: datetime
    actor: Actor

    @property
    def position(self) -> RowPosition:
        """The position of the run in lists."""
        return RowPosition(self.recorded_at, self.run_key)


@dataclass(frozen=True, slots=True)
class NewRun:
    contract_id: UUID | None
    first: Month
    last: Month
    parameters: EngineParameters | None
    actor: Actor


@dataclass(frozen=True, slots=True)
class RunPart:
    """A locked part of a run with some of its policies. `started_by` is the subject of the run's actor."""

    run_key: int
    part: int
    group_keys: Sequence[int]
    first: Month
    last: Month
    parameters_document: Document | None
    started_by: str

    def parameters(self) -> EngineParameters | None:
        """Returns the parameters of the run. They are parsed only here, so that damaged ones fail the policies of this
        run and no other run.

        Raises DocumentDamaged.
        """
        return engine_parameters_from_document(self.parameters_document) if self.parameters_document else None


@dataclass(frozen=True, slots=True)
class PremiumFailure:
    """A policy that could not be computed, and the reason."""

    group_key: int
    group_id: UUID
    key: GroupKey
    reason: str
    message: str
    facts: Mapping[str, str]


async def begin_run(tx: Connection, key: WriteKey, new: NewRun, max_ids: int) -> ConcernedGroups:
    """Starts a run over all current policies, or continues a stopped run. It passes over those of contracts whose
    premiums can't be computed yet, because their country is being migrated.

    Returns the number of its policies, and up to `max_ids` of their ids. Raises RequestIdReused.
    """
    await lock(tx, Lock.REQUEST, key.request_id)
    cursor = await tx.execute("SELECT fingerprint FROM premium_run WHERE run_id = %s", [key.request_id])
    if row := await cursor.fetchone():
        if bytes(row[0]) != key.fingerprint:
            raise RequestIdReused(key.request_id)
        await tx.execute("UPDATE premium_run SET stopped = false WHERE run_id = %s", [key.request_id])
    else:
        await _add_run(tx, key, new)
    return await fetch_one(
        tx,
        ConcernedGroups,
        "SELECT r.policies::bigint AS count, ARRAY(SELECT g.group_id FROM premium_run_part p"
        " CROSS JOIN unnest(p.group_keys) AS k(group_key) JOIN enrollment_group g USING (group_key)"
        " WHERE p.run_key = r.run_key AND p.part < %s ORDER BY g.group_key LIMIT %s) AS first_ids"
        " FROM premium_run r WHERE r.run_id = %s",
        [-(-max_ids // POLICIES_OF_A_PART), max_ids, key.request_id],
    )


async def _add_run(tx: Connection, key: WriteKey, new: NewRun) -> None:
    await tx.execute(
        "WITH policies AS (SELECT group_key, (row_number() OVER (ORDER BY group_key) - 1) / %(size)s AS part"
        " FROM enrollment_group WHERE (%(contract_id)s::uuid IS NULL OR contract_id = %(contract_id)s)"
        f" AND contract_id NOT IN ({CONTRACTS_WITHOUT_PREMIUMS})),"
        " run AS (INSERT INTO premium_run (run_id, fingerprint, contract_id, first_month, last_month, parameters,"
        " stopped, policies, recorded_at, actor)"
        " VALUES (%(run_id)s, %(fingerprint)s, %(contract_id)s, %(first)s, %(last)s,"
        f" %(parameters)s, false, (SELECT count(*) FROM policies), {NOW}, %(actor)s) RETURNING run_key)"
        " INSERT INTO premium_run_part (run_key, part, group_keys, done, offsets, entries, failed)"
        " SELECT run_key, part, array_agg(group_key ORDER BY group_key), false, 0, 0, 0 FROM policies, run"
        " GROUP BY run_key, part",
        {
            "size": POLICIES_OF_A_PART,
            "run_id": key.request_id,
            "fingerprint": key.fingerprint,
            "contract_id": new.contract_id,
            "first": new.first,
            "last": new.last,
            "parameters": Jsonb(engine_parameters_to_document(new.parameters)) if new.parameters else None,
            "actor": Jsonb(actor_to_document(new.actor)),
        },
    )


async def stop_run(tx: Connection, run_id: UUID) -> None:
    """Keeps further parts of a run from being started. Has no effect on runs that do not exist or have ended."""
    await tx.execute("UPDATE premium_run SET stopped = true WHERE run_id = %s", [run_id])


_RUN = (
    "SELECT r.run_key, r.run_id, r.contract_id, r.first_month AS first, r.last_month AS last, r.stopped,"
    " r.policies, r.recorded_at, r.actor, r.done, r.failed, r.offsets, r.entries"
)

RUNS = Listing(
    table="premium_run",
    key="run_key",
    at="recorded_at",
    # Cast to integer, because PostgreSQL rewrites comparisons of boolean expressions, which then don't match the index.
    states={
        RunState.RUNNING: ["(done = policies)::integer = 0 AND NOT stopped"],
        RunState.STOPPED: ["(done = policies)::integer = 0 AND stopped"],
        RunState.DONE: ["(done = policies)::integer = 1 AND NOT stopped", "(done = policies)::integer = 1 AND stopped"],
    },
    newest_first=True,
)


async def premium_run(connection: Connection, run_id: UUID) -> PremiumRun:
    """Returns a run with its progress. Raises PremiumRunUnknown."""
    found = await fetch_first(connection, _premium_run, f"{_RUN} FROM premium_run r WHERE r.run_id = %s", [run_id])
    if found is None:
        raise PremiumRunUnknown(run_id)
    return found


async def list_runs(
    connection: Connection, which: ListFilter, after: RowPosition | None, limit: int
) -> list[PremiumRun]:
    """Returns runs after a position, newest first."""
    rows, named = page_of(RUNS, which, after, limit)
    return await fetch_all(
        connection, _premium_run, f"{_RUN} FROM ({rows}) AS r ORDER BY {order_of(RUNS, which)}", named
    )


def _premium_run(*, stopped: bool, policies: int, done: int, actor: Document, **columns: Any) -> PremiumRun:
    return PremiumRun(
        state=RunState.DONE if done == policies else RunState.STOPPED if stopped else RunState.RUNNING,
        policies=policies,
        done=done,
        actor=actor_from_document(actor),
        **columns,
    )


LEFT = " FROM premium_run_part p JOIN premium_run r USING (run_key) WHERE NOT p.done AND NOT r.stopped"
"""Parts of active runs that are left."""


async def count_left(connection: Connection) -> int:
    """Returns how many parts of active runs are left: 0, 1, or 2 for any larger number."""
    return await fetch_value(connection, int, f"SELECT count(*) FROM (SELECT {LEFT} LIMIT 2) AS l")


async def take_part(tx: Connection) -> RunPart | None:
    """Returns the first part that is left and not locked by others, locked until the transaction ends; None if there is
    none."""
    return await fetch_first(
        tx,
        RunPart,
        "SELECT p.run_key, p.part, p.group_keys, r.first_month AS first, r.last_month AS last,"
        f" r.parameters AS parameters_document, r.actor->>'subject' AS started_by {LEFT}"
        " ORDER BY p.run_key, p.part LIMIT 1 FOR NO KEY UPDATE OF p SKIP LOCKED",
    )


async def finish_part(
    tx: Connection, part: RunPart, offsets: int, entries: int, failures: Mapping[int, DomainError]
) -> None:
    """Marks a part as done, and stores which of its policies failed. A trigger updates the totals of the run."""
    await tx.execute(
        "UPDATE premium_run_part SET done = true, offsets = %s, entries = %s, failed = %s"
        " WHERE run_key = %s AND part = %s",
        [offsets, entries, len(failures), part.run_key, part.part],
    )
    await tx.execute(
        "INSERT INTO premium_run_failure (run_key, group_key, failure)"
        " SELECT %s, f.group_key, f.failure FROM unnest(%s::bigint[], %s::jsonb[]) AS f(group_key, failure)",
        [part.run_key, list(failures), [Jsonb(_failure(error)) for error in failures.values()]],
    )


def _failure(error: DomainError) -> dict[str, Any]:
    return {"reason": error.reason.value, "message": str(error), "facts": error.facts}


async def note_failures(tx: Connection, failures: Mapping[int, DomainError]) -> None:
    """Stores that following some policies failed. The next successful computation clears the failure."""
    await tx.execute(
        "UPDATE premium_policy p SET failure = f.failure"
        " FROM unnest(%s::bigint[], %s::jsonb[]) AS f(group_key, failure) WHERE p.group_key = f.group_key",
        [list(failures), [Jsonb(_failure(error)) for error in failures.values()]],
    )


_FAILURE = "SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, f.failure"
_FAILURE_PAGE = " AND g.group_id > %s ORDER BY g.group_id LIMIT %s"


async def run_failures(connection: Connection, run_key: int, after: UUID, limit: int) -> list[PremiumFailure]:
    """Returns the failed policies of a run in order of group id, starting after a given one."""
    return await fetch_all(
        connection,
        _premium_failure,
        f"{_FAILURE} FROM premium_run_failure f JOIN enrollment_group g USING (group_key)"
        f" WHERE f.run_key = %s {_FAILURE_PAGE}",
        [run_key, after, limit],
    )


async def new_run_failures(
    connection: Connection, run_key: int, reported: Iterable[int], limit: int
) -> list[PremiumFailure]:
    """Returns failed policies of a run, without those that were reported before."""
    return await fetch_all(
        connection,
        _premium_failure,
        f"{_FAILURE} FROM premium_run_failure f JOIN enrollment_group g USING (group_key)"
        " WHERE f.run_key = %s AND f.group_key <> ALL(%s::bigint[]) LIMIT %s",
        [run_key, list(reported), limit],
    )


async def following_failures(
    connection: Connection, contract_id: UUID, after: UUID, limit: int
) -> list[PremiumFailure]:
    """Returns the policies of a contract whose following failed, in order of group id, starting after a given one."""
    return await fetch_all(
        connection,
        _premium_failure,
        f"{_FAILURE} FROM premium_policy f JOIN enrollment_group g USING (group_key)"
        f" WHERE g.contract_id = %s AND f.failure IS NOT NULL {_FAILURE_PAGE}",
        [contract_id, after, limit],
    )


def _premium_failure(
    *, group_key: int, group_id: UUID, contract_id: UUID, primary_id: UUID, failure: Document
) -> PremiumFailure:
    reason, message, facts = failure["reason"], failure["message"], failure["facts"]
    return PremiumFailure(group_key, group_id, GroupKey(contract_id, primary_id), reason, message, facts)


async def set_following(tx: Connection, contract_id: UUID, following: bool) -> bool:
    """Sets whether the premiums of a contract follow changes. Returns whether they did before."""
    await lock(tx, Lock.FOLLOWING, contract_id)
    cursor = await tx.execute("SELECT true FROM premium_following WHERE contract_id = %s", [contract_id])
    was = await cursor.fetchone() is not None
    if following and not was:
        await tx.execute(f"INSERT INTO premium_following (contract_id, recorded_at) VALUES (%s, {NOW})", [contract_id])
    elif was and not following:
        await tx.execute("DELETE FROM premium_following WHERE contract_id = %s", [contract_id])
    return was
