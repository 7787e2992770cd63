"""Premium runs: what is to be computed, in parts that any server may do, and what was passed over.

A part is done in one transaction with what it adds to the ledger, under the lock of its row: whoever dies leaves it as
it was, and nobody does it twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.enrollment.decisions import GroupKey
from domain.errors import DomainError, PremiumRunUnknown, RequestIdReused
from domain.premiums.months import Month
from domain.pricing.prices import EngineParameters
from storage.database import Connection
from storage.documents import engine_parameters_from_document, engine_parameters_to_document
from storage.requests import WriteKey, lock

POLICIES_OF_A_PART = 200


class RunState(StrEnum):
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class PremiumRun:
    """A run over many policies, and how far it is. `contract_id` None: all contracts."""

    run_key: int
    run_id: UUID
    contract_id: UUID | None
    first: Month
    last: Month
    parameters: EngineParameters | None
    state: RunState
    policies: int
    done: int
    failed: int
    offsets: int
    entries: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class NewRun:
    contract_id: UUID | None
    first: Month
    last: Month
    parameters: EngineParameters | None


@dataclass(frozen=True, slots=True)
class RunPart:
    """Some policies of a run, locked."""

    run_key: int
    part: int
    group_keys: Sequence[int]
    first: Month
    last: Month
    parameters: EngineParameters | None


@dataclass(frozen=True, slots=True)
class PremiumFailure:
    """A policy that was passed over, and why."""

    group_key: int
    group_id: UUID
    key: GroupKey
    reason: str
    message: str
    facts: Mapping[str, str]


async def begin_run(tx: Connection, key: WriteKey, new: NewRun) -> None:
    """Begins a run over the policies that there are; one that was begun before goes on where it was stopped.

    Raises RequestIdReused.
    """
    await lock(tx, "request", key.request_id)
    cursor = await tx.execute("SELECT fingerprint FROM premium_run WHERE run_id = %s", [key.request_id])
    if row := await cursor.fetchone():
        if bytes(row[0]) != key.fingerprint:
            raise RequestIdReused(key.request_id)
        await tx.execute("UPDATE premium_run SET stopped = false WHERE run_id = %s", [key.request_id])
        return
    await tx.execute(
        "WITH policies AS (SELECT group_key, (row_number() OVER (ORDER BY group_key) - 1) / %(size)s AS part"
        " FROM enrollment_group WHERE %(contract_id)s::uuid IS NULL OR contract_id = %(contract_id)s),"
        " run AS (INSERT INTO premium_run (run_id, fingerprint, contract_id, first_month, last_month, parameters,"
        " stopped, policies, recorded_at) VALUES (%(run_id)s, %(fingerprint)s, %(contract_id)s, %(first)s, %(last)s,"
        " %(parameters)s, false, (SELECT count(*) FROM policies), clock_timestamp()) RETURNING run_key)"
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
        },
    )


async def stop_run(tx: Connection, run_id: UUID) -> None:
    """Keeps parts of a run from being begun. One that there is not, or that has ended, stays as it is."""
    await tx.execute("UPDATE premium_run SET stopped = true WHERE run_id = %s", [run_id])


async def premium_run(connection: Connection, run_id: UUID) -> PremiumRun:
    """A run, and how far it is. Raises PremiumRunUnknown."""
    cursor = await connection.execute(
        "SELECT r.run_key, r.run_id, r.contract_id, r.first_month, r.last_month, r.parameters, r.stopped, r.policies,"
        " r.recorded_at, coalesce(sum(cardinality(p.group_keys)) FILTER (WHERE p.done), 0)::bigint,"
        " coalesce(sum(p.failed), 0)::bigint, coalesce(sum(p.offsets), 0)::bigint, coalesce(sum(p.entries), 0)::bigint"
        " FROM premium_run r LEFT JOIN premium_run_part p USING (run_key) WHERE r.run_id = %s GROUP BY r.run_key",
        [run_id],
    )
    row = await cursor.fetchone()
    if row is None:
        raise PremiumRunUnknown(run_id)
    run_key, run_id, contract_id, first, last, parameters, stopped, policies, recorded_at, done, *counts = row
    failed, offsets, entries = counts
    state = RunState.DONE if done == policies else RunState.STOPPED if stopped else RunState.RUNNING
    return PremiumRun(
        run_key,
        run_id,
        contract_id,
        first,
        last,
        engine_parameters_from_document(parameters) if parameters else None,
        state,
        policies,
        done,
        failed,
        offsets,
        entries,
        recorded_at,
    )


_LEFT = " FROM premium_run_part p JOIN premium_run r USING (run_key) WHERE NOT p.done AND NOT r.stopped"


async def count_left(connection: Connection) -> int:
    """How many parts are left of runs that are not stopped; nobody counts further than 2."""
    cursor = await connection.execute(f"SELECT count(*) FROM (SELECT {_LEFT} LIMIT 2) AS l")
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (a count has a row)
    left: int = row[0]
    return left


async def take_part(tx: Connection) -> RunPart | None:
    """The first part that is left, locked until the transaction ends; None: nobody has left any."""
    cursor = await tx.execute(
        f"SELECT p.run_key, p.part, p.group_keys, r.first_month, r.last_month, r.parameters {_LEFT}"
        " ORDER BY p.run_key, p.part LIMIT 1 FOR NO KEY UPDATE OF p SKIP LOCKED"
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    run_key, part, group_keys, first, last, parameters = row
    given = engine_parameters_from_document(parameters) if parameters else None
    return RunPart(run_key, part, group_keys, first, last, given)


async def finish_part(
    tx: Connection, part: RunPart, offsets: int, entries: int, failures: Mapping[int, DomainError]
) -> None:
    """Says that a part is done, and which of its policies were passed over."""
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
    """Notes that following some policies failed; computing them next takes it back."""
    await tx.execute(
        "UPDATE premium_policy p SET failure = f.failure"
        " FROM unnest(%s::bigint[], %s::jsonb[]) AS f(group_key, failure) WHERE p.group_key = f.group_key",
        [list(failures), [Jsonb(_failure(error)) for error in failures.values()]],
    )


_FAILURE = "SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, f.failure"
_FAILURE_PAGE = " AND g.group_id > %s ORDER BY g.group_id LIMIT %s"


async def run_failures(connection: Connection, run_key: int, after: UUID, limit: int) -> list[PremiumFailure]:
    """Policies that a run has passed over, in order of group id, beginning after one."""
    cursor = await connection.execute(
        f"{_FAILURE} FROM premium_run_failure f JOIN enrollment_group g USING (group_key)"
        f" WHERE f.run_key = %s {_FAILURE_PAGE}",
        [run_key, after, limit],
    )
    return _failures(await cursor.fetchall())


async def new_run_failures(
    connection: Connection, run_key: int, told: Iterable[int], limit: int
) -> list[PremiumFailure]:
    """Some policies that a run has passed over, but those that were told before."""
    cursor = await connection.execute(
        f"{_FAILURE} FROM premium_run_failure f JOIN enrollment_group g USING (group_key)"
        " WHERE f.run_key = %s AND f.group_key <> ALL(%s::bigint[]) LIMIT %s",
        [run_key, list(told), limit],
    )
    return _failures(await cursor.fetchall())


async def following_failures(
    connection: Connection, contract_id: UUID, after: UUID, limit: int
) -> list[PremiumFailure]:
    """Policies of a contract that could not be followed, in order of group id, beginning after one."""
    cursor = await connection.execute(
        f"{_FAILURE} FROM premium_policy f JOIN enrollment_group g USING (group_key)"
        f" WHERE g.contract_id = %s AND f.failure IS NOT NULL {_FAILURE_PAGE}",
        [contract_id, after, limit],
    )
    return _failures(await cursor.fetchall())


def _failures(rows: Iterable[Sequence[Any]]) -> list[PremiumFailure]:
    return [
        PremiumFailure(key, group_id, GroupKey(contract, primary), f["reason"], f["message"], f["facts"])
        for key, group_id, contract, primary, f in rows
    ]


async def set_following(tx: Connection, contract_id: UUID, following: bool) -> bool:
    """Says whether a contract's premiums follow enrollment; answers with what was so before."""
    await lock(tx, "following", contract_id)
    cursor = await tx.execute("SELECT true FROM premium_following WHERE contract_id = %s", [contract_id])
    was = await cursor.fetchone() is not None
    if following and not was:
        await tx.execute(
            "INSERT INTO premium_following (contract_id, recorded_at) VALUES (%s, clock_timestamp())", [contract_id]
        )
    elif was and not following:
        await tx.execute("DELETE FROM premium_following WHERE contract_id = %s", [contract_id])
    return was


async def followed_contracts(connection: Connection) -> frozenset[UUID]:
    """The contracts whose premiums follow enrollment."""
    cursor = await connection.execute("SELECT contract_id FROM premium_following")
    return frozenset(row[0] for row in await cursor.fetchall())


async def followed_policies(connection: Connection) -> list[UUID]:
    """The policies of followed contracts of which any month was ever computed."""
    cursor = await connection.execute(
        "SELECT g.group_id FROM premium_following f JOIN enrollment_group g USING (contract_id)"
        " JOIN premium_policy p USING (group_key) ORDER BY g.group_id"
    )
    return [row[0] for row in await cursor.fetchall()]
