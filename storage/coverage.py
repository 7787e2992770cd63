"""Coverage as computed from the feed: policies and their runs, in generations of which one is served.

`projection_checkpoints` has the number of the served generation. A rebuild fills the next generation and then replaces
the served one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from domain.days import Span
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.enrollment.decisions import GroupKey
from domain.membership import MembershipType
from storage.erasures import removed_among
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_column, fetch_first, fetch_value, find_value

NAME = "coverage"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The generation that is served, and the position up to which it has read the feed."""

    generation: int
    resume_token: str
    position: int


async def checkpoint(connection: Connection, *, lock: bool = False) -> Checkpoint | None:
    """Returns the checkpoint, or None if nothing has been projected yet. With `lock`, it can't move until the
    transaction ends."""
    return await fetch_first(
        connection,
        Checkpoint,
        "SELECT generation, resume_token, position FROM projection_checkpoints WHERE name = %s"
        + (" FOR UPDATE" if lock else ""),
        [NAME],
    )


STUCK_SECONDS, BEHIND_SECONDS = 25, 15
"""Both are longer than another server needs to take over the projection."""


IS_STUCK: LiteralString = (
    f"SELECT k.moved_at < clock_timestamp() - make_interval(secs => {STUCK_SECONDS})"
    f" OR f.appended_at < clock_timestamp() - make_interval(secs => {BEHIND_SECONDS})"
    f" FROM projection_checkpoints k LEFT JOIN feed_entry f ON f.position = k.position + 1 WHERE k.name = '{NAME}'"
)


async def is_stuck(connection: Connection) -> bool:
    """Returns whether the projection makes no progress.

    It moves its checkpoint at least every ten seconds, and processes events of this database soon after they enter the
    feed.
    """
    return await find_value(connection, bool, IS_STUCK) or False


async def move_checkpoint(tx: Connection, to: Checkpoint) -> None:
    """Stores the checkpoint."""
    await tx.execute(
        "INSERT INTO projection_checkpoints (name, generation, resume_token, position, moved_at)"
        " VALUES (%s, %s, %s, %s, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET"
        " generation = excluded.generation, resume_token = excluded.resume_token, position = excluded.position,"
        " moved_at = excluded.moved_at",
        [NAME, to.generation, to.resume_token, to.position],
    )


async def put_policies(
    tx: Connection, generation: int, policies: Iterable[PolicyCoverage], located: Collection["LocatedRecord"]
) -> None:
    """Stores the states of policies, except those for which a state of the same or a later revision is stored, and the
    locators of their records.
    """
    newest: dict[UUID, PolicyCoverage] = {}
    for policy in policies:
        if policy.group_id not in newest or newest[policy.group_id].revision < policy.revision:
            newest[policy.group_id] = policy
    if not newest:
        return
    ids = sorted(newest)
    moved = await fetch_column(
        tx,
        UUID,
        "INSERT INTO coverage_policy AS p (generation, group_id, contract_id, primary_id, revision)"
        " SELECT %s, n.group_id, n.contract_id, n.primary_id, n.revision"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::integer[])"
        " AS n(group_id, contract_id, primary_id, revision)"
        " ON CONFLICT (generation, group_id) DO UPDATE SET revision = excluded.revision"
        " WHERE p.revision < excluded.revision RETURNING group_id",
        [
            generation,
            ids,
            [newest[i].key.contract_id for i in ids],
            [newest[i].key.primary_id for i in ids],
            [newest[i].revision for i in ids],
        ],
    )
    await tx.execute("DELETE FROM coverage_run WHERE generation = %s AND group_id = ANY(%s)", [generation, moved])
    runs = [run for group_id in moved for run in newest[group_id].runs]
    removed = await removed_among(tx, {run.member_id for run in runs} | {each.member_id for each in located})
    kept = [run for run in runs if run.member_id not in removed]
    if kept:
        await _add_runs(tx, generation, kept)
    await _add_locators(tx, [each for each in located if each.member_id not in removed])


async def _add_runs(tx: Connection, generation: int, runs: Sequence[CoveredRun]) -> None:
    """Inserts runs in one statement.

    COPY is not used because PostgreSQL doesn't end a COPY of a frozen client, which would keep other servers from
    continuing the projection.
    """
    await tx.execute(
        "INSERT INTO coverage_run (generation, group_id, member_id, module_id, membership_type, days)"
        " SELECT %s, group_id, member_id, module_id, membership_type, days::daterange"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[])"
        " AS r (group_id, member_id, module_id, membership_type, days)",
        [
            generation,
            [run.group_id for run in runs],
            [run.member_id for run in runs],
            [run.module_id for run in runs],
            [run.membership_type.value for run in runs],
            [f"[{run.days.first_on or ''},{run.days.last_on or ''}]" for run in runs],
        ],
    )


@dataclass(frozen=True, slots=True)
class LocatedRecord:
    """The coverage record that a locator identifies: its policy, its member and its first day.

    `first_on` is None for records that were stored by older releases.
    """

    locator: UUID
    group_id: UUID
    member_id: UUID
    first_on: date | None


async def put_locators(tx: Connection, found: Collection[LocatedRecord]) -> None:
    """Stores which records some locators identify. Locators that are stored already stay as they are."""
    removed = await removed_among(tx, {each.member_id for each in found})
    await _add_locators(tx, [each for each in found if each.member_id not in removed])


async def _add_locators(tx: Connection, found: Sequence[LocatedRecord]) -> None:
    if not found:
        return
    await tx.execute(
        "INSERT INTO coverage_locator (locator, group_id, member_id, first_on)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::date[]) AS l ORDER BY 1 ON CONFLICT DO NOTHING",
        [
            [each.locator for each in found],
            [each.group_id for each in found],
            [each.member_id for each in found],
            [each.first_on for each in found],
        ],
    )


async def find_locator(connection: Connection, locator: UUID, only_of: UUID | None = None) -> LocatedRecord | None:
    """Returns the current or past record that a locator identifies, or None.

    With `only_of`, returns it only if it belongs to that member or to a policy whose primary is that member.
    """
    return await fetch_first(
        connection,
        LocatedRecord,
        "SELECT locator, group_id, member_id, first_on FROM coverage_locator l WHERE locator = %(locator)s"
        " AND (%(only_of)s::uuid IS NULL OR member_id = %(only_of)s OR EXISTS (SELECT FROM coverage_policy p"
        " WHERE p.group_id = l.group_id AND p.primary_id = %(only_of)s))",
        {"locator": locator, "only_of": only_of},
    )


_RUNS = (
    "SELECT r.group_id, p.contract_id, p.primary_id, p.revision, r.member_id, r.module_id, r.membership_type, r.days"
    " FROM coverage_run r JOIN coverage_policy p USING (generation, group_id)"
)
_SERVED = f"(SELECT generation FROM projection_checkpoints WHERE name = '{NAME}')"


def _run(row: Sequence[Any]) -> CoveredRun:
    """Returns a run. The columns are taken by position, which is faster, because servers read whole generations."""
    group_id, contract_id, primary_id, revision, member_id, module_id, kind, days = row
    key = GroupKey(contract_id, primary_id)
    return CoveredRun(group_id, key, revision, member_id, module_id, MembershipType(kind), days)


async def runs_of_members(connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, list[CoveredRun]]:
    """Returns all runs of some members, by member."""
    cursor = await connection.execute(
        f"{_RUNS} WHERE r.generation = {_SERVED} AND r.member_id = ANY(%s)", [list(member_ids)]
    )
    found: dict[UUID, list[CoveredRun]] = {}
    for run in map(_run, await cursor.fetchall()):
        found.setdefault(run.member_id, []).append(run)
    return found


@dataclass(frozen=True, slots=True)
class CoverageFilter:
    """Which runs to list. A field that is None does not restrict the list."""

    contract_id: UUID | None
    group_id: UUID | None
    module_id: UUID | None
    days: Span


async def list_policies(
    connection: Connection, wanted: CoverageFilter, after: UUID, limit: int
) -> tuple[list[UUID], list[CoveredRun]]:
    """Returns the ids of policies in order, starting after a given one, and those of their runs that match."""
    ids = await fetch_column(
        connection,
        UUID,
        f"SELECT group_id FROM coverage_policy WHERE generation = {_SERVED} AND group_id > %s"
        " AND (%s::uuid IS NULL OR contract_id = %s) AND (%s::uuid IS NULL OR group_id = %s)"
        " ORDER BY group_id LIMIT %s",
        [after, wanted.contract_id, wanted.contract_id, wanted.group_id, wanted.group_id, limit],
    )
    cursor = await connection.execute(
        f"{_RUNS} WHERE r.generation = {_SERVED} AND r.group_id = ANY(%s) AND r.days && %s"
        " AND (%s::uuid IS NULL OR r.module_id = %s)",
        [ids, wanted.days, wanted.module_id, wanted.module_id],
    )
    runs = sorted(map(_run, await cursor.fetchall()), key=lambda r: (r.group_id, r.member_id, r.days, r.module_id))
    return ids, runs


async def policies_page(connection: Connection, generation: int, after: UUID, limit: int) -> list[PolicyCoverage]:
    """Returns complete policies of a generation in order of id, starting after a given one."""
    cursor = await connection.execute(
        "SELECT group_id, contract_id, primary_id, revision FROM coverage_policy"
        " WHERE generation = %s AND group_id > %s ORDER BY group_id LIMIT %s",
        [generation, after, limit],
    )
    policies = await cursor.fetchall()
    cursor = await connection.execute(
        f"{_RUNS} WHERE r.generation = %s AND r.group_id = ANY(%s)", [generation, [row[0] for row in policies]]
    )
    runs: dict[UUID, list[CoveredRun]] = {}
    for run in map(_run, await cursor.fetchall()):
        runs.setdefault(run.group_id, []).append(run)
    return [
        PolicyCoverage(group_id, GroupKey(contract_id, primary_id), revision, tuple(runs.get(group_id, ())))
        for group_id, contract_id, primary_id, revision in policies
    ]


async def revision_of(connection: Connection, group_id: UUID) -> int:
    """Returns the revision of a policy that is projected, or 0 if none is."""
    statement = f"SELECT revision FROM coverage_policy WHERE generation = {_SERVED} AND group_id = %s"
    return await find_value(connection, int, statement, [group_id]) or 0


async def new_generation(tx: Connection) -> int:
    """Returns the number of a new generation, which no other process builds."""
    return await fetch_value(
        tx,
        int,
        "INSERT INTO projection_checkpoints AS c (name, generation, resume_token, position, moved_at)"
        " VALUES (%s, 1, '', 0, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET generation = c.generation + 1"
        " RETURNING generation",
        [f"{NAME}.building"],
    )


async def drop_generations_before(tx: Connection, generation: int) -> None:
    """Deletes earlier generations, whether they were served or not."""
    await tx.execute("DELETE FROM coverage_run WHERE generation < %s", [generation])
    await tx.execute("DELETE FROM coverage_policy WHERE generation < %s", [generation])


async def count_generation(connection: Connection, generation: int) -> tuple[int, int]:
    """Returns how many policies and runs a generation has."""
    policies = "SELECT count(*) FROM coverage_policy WHERE generation = %s"
    runs = "SELECT count(*) FROM coverage_run WHERE generation = %s"
    return (
        await fetch_value(connection, int, policies, [generation]),
        await fetch_value(connection, int, runs, [generation]),
    )


async def count_differing(connection: Connection, one: int, other: int) -> int:
    """Returns how many policies and runs are in only one of two generations."""
    policies = "SELECT group_id, contract_id, primary_id, revision FROM coverage_policy WHERE generation = %s"
    runs = "SELECT group_id, member_id, module_id, membership_type, days FROM coverage_run WHERE generation = %s"
    differing = 0
    for rows in (policies, runs):
        for pair in ((one, other), (other, one)):
            statement = f"SELECT count(*) FROM ({rows} EXCEPT ALL {rows}) AS d"
            differing += await fetch_value(connection, int, statement, pair)
    return differing
