"""Coverage as the feed tells it: policies and runs, in generations of which one is served.

Readers find the served generation in `projection_checkpoints`; a rebuild fills the next one, and puts it in its place.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.days import Span
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.enrollment.decisions import GroupKey
from domain.membership import MembershipType
from storage.database import Connection

NAME = "coverage"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Which generation is served, and up to where it has read the feed."""

    generation: int
    resume_token: str
    position: int


async def checkpoint(connection: Connection, *, lock: bool = False) -> Checkpoint | None:
    """None: nothing was ever projected. With `lock` kept from moving until the transaction ends."""
    cursor = await connection.execute(
        "SELECT generation, resume_token, position FROM projection_checkpoints WHERE name = %s"
        + (" FOR UPDATE" if lock else ""),
        [NAME],
    )
    row = await cursor.fetchone()
    return Checkpoint(*row) if row else None


STUCK_SECONDS, BEHIND_SECONDS = 25, 2


async def is_stuck(connection: Connection) -> bool:
    """Whether the projection does not go on: it moves its checkpoint every ten seconds, if only to say so; and what is
    in the feed of this database does not wait for it for long."""
    cursor = await connection.execute(
        "SELECT k.moved_at < clock_timestamp() - make_interval(secs => %s)"
        " OR f.appended_at < clock_timestamp() - make_interval(secs => %s)"
        " FROM projection_checkpoints k LEFT JOIN feed_entry f ON f.position = k.position + 1 WHERE k.name = %s",
        [STUCK_SECONDS, BEHIND_SECONDS, NAME],
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def move_checkpoint(tx: Connection, to: Checkpoint) -> None:
    await tx.execute(
        "INSERT INTO projection_checkpoints (name, generation, resume_token, position, moved_at)"
        " VALUES (%s, %s, %s, %s, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET"
        " generation = excluded.generation, resume_token = excluded.resume_token, position = excluded.position,"
        " moved_at = excluded.moved_at",
        [NAME, to.generation, to.resume_token, to.position],
    )


async def put_policies(tx: Connection, generation: int, policies: Iterable[PolicyCoverage]) -> None:
    """The states of policies; one that is known as of a revision that is as new stays."""
    newest: dict[UUID, PolicyCoverage] = {}
    for policy in policies:
        if policy.group_id not in newest or newest[policy.group_id].revision < policy.revision:
            newest[policy.group_id] = policy
    if not newest:
        return
    ids = sorted(newest)
    cursor = await tx.execute(
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
    moved = [row[0] for row in await cursor.fetchall()]
    await tx.execute("DELETE FROM coverage_run WHERE generation = %s AND group_id = ANY(%s)", [generation, moved])
    lines = [_line(generation, run) for group_id in moved for run in newest[group_id].runs]
    if lines:
        async with tx.cursor().copy(
            "COPY coverage_run (generation, group_id, member_id, module_id, membership_type, days) FROM STDIN"
        ) as copy:
            await copy.write("".join(lines))


def _line(generation: int, run: CoveredRun) -> str:
    days = f"[{run.days.first_on or ''},{run.days.last_on or ''}]"
    values = (generation, run.group_id, run.member_id, run.module_id, run.membership_type.value, days)
    return "\t".join(map(str, values)) + "\n"


async def put_locators(tx: Connection, found: Collection[tuple[UUID, UUID, UUID]]) -> None:
    """Under which policy and member records are found, by locator; what is known stays."""
    await tx.execute(
        "INSERT INTO coverage_locator (locator, group_id, member_id)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS l ORDER BY 1 ON CONFLICT DO NOTHING",
        [[each[0] for each in found], [each[1] for each in found], [each[2] for each in found]],
    )


LOCATORS = f"{NAME}.locators"


async def located_mark(connection: Connection) -> int:
    """Up to which mark of the contracts records are located."""
    cursor = await connection.execute("SELECT position FROM projection_checkpoints WHERE name = %s", [LOCATORS])
    row = await cursor.fetchone()
    return row[0] if row else 0


async def move_located_mark(tx: Connection, mark: int) -> None:
    await tx.execute(
        "INSERT INTO projection_checkpoints AS c (name, generation, resume_token, position, moved_at)"
        " VALUES (%s, 0, '', %s, clock_timestamp()) ON CONFLICT (name) DO UPDATE"
        " SET position = greatest(c.position, excluded.position), moved_at = excluded.moved_at",
        [LOCATORS, mark],
    )


async def find_locator(connection: Connection, locator: UUID) -> tuple[UUID, UUID] | None:
    """The policy and the member of a record that there is, or once was."""
    cursor = await connection.execute("SELECT group_id, member_id FROM coverage_locator WHERE locator = %s", [locator])
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else None


_RUNS = (
    "SELECT r.group_id, p.contract_id, p.primary_id, p.revision, r.member_id, r.module_id, r.membership_type, r.days"
    " FROM coverage_run r JOIN coverage_policy p USING (generation, group_id)"
)
_SERVED = f"(SELECT generation FROM projection_checkpoints WHERE name = '{NAME}')"


def _run(row: Sequence[Any]) -> CoveredRun:
    group_id, contract_id, primary_id, revision, member_id, module_id, kind, days = row
    key = GroupKey(contract_id, primary_id)
    return CoveredRun(group_id, key, revision, member_id, module_id, MembershipType(kind), days)


async def runs_of_members(connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, list[CoveredRun]]:
    """All runs of some members, by member."""
    cursor = await connection.execute(
        f"{_RUNS} WHERE r.generation = {_SERVED} AND r.member_id = ANY(%s)", [list(member_ids)]
    )
    found: dict[UUID, list[CoveredRun]] = {}
    for run in map(_run, await cursor.fetchall()):
        found.setdefault(run.member_id, []).append(run)
    return found


@dataclass(frozen=True, slots=True)
class CoverageFilter:
    """Whose runs are listed; what is None does not limit."""

    contract_id: UUID | None
    group_id: UUID | None
    module_id: UUID | None
    days: Span


async def list_policies(
    connection: Connection, wanted: CoverageFilter, after: UUID, limit: int
) -> tuple[list[UUID], list[CoveredRun]]:
    """Policies in order of id, beginning after one, and those of their runs that are wanted."""
    cursor = await connection.execute(
        f"SELECT group_id FROM coverage_policy WHERE generation = {_SERVED} AND group_id > %s"
        " AND (%s::uuid IS NULL OR contract_id = %s) AND (%s::uuid IS NULL OR group_id = %s)"
        " ORDER BY group_id LIMIT %s",
        [after, wanted.contract_id, wanted.contract_id, wanted.group_id, wanted.group_id, limit],
    )
    ids = [row[0] for row in await cursor.fetchall()]
    cursor = await connection.execute(
        f"{_RUNS} WHERE r.generation = {_SERVED} AND r.group_id = ANY(%s) AND r.days && %s"
        " AND (%s::uuid IS NULL OR r.module_id = %s)",
        [ids, wanted.days, wanted.module_id, wanted.module_id],
    )
    runs = sorted(map(_run, await cursor.fetchall()), key=lambda r: (r.group_id, r.member_id, r.days, r.module_id))
    return ids, runs


async def policies_page(connection: Connection, generation: int, after: UUID, limit: int) -> list[PolicyCoverage]:
    """Whole policies of a generation in order of id, beginning after one."""
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
    """Up to which revision a policy is projected; 0: not at all."""
    cursor = await connection.execute(
        f"SELECT revision FROM coverage_policy WHERE generation = {_SERVED} AND group_id = %s", [group_id]
    )
    row = await cursor.fetchone()
    return row[0] if row else 0


async def new_generation(tx: Connection) -> int:
    """The number of a generation that nobody else builds."""
    cursor = await tx.execute(
        "INSERT INTO projection_checkpoints AS c (name, generation, resume_token, position, moved_at)"
        " VALUES (%s, 1, '', 0, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET generation = c.generation + 1"
        " RETURNING generation",
        [f"{NAME}.building"],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (an INSERT … RETURNING gives a row)
    generation: int = row[0]
    return generation


async def drop_generations_before(tx: Connection, generation: int) -> None:
    """Drops what was served before, and what was begun before and never served."""
    await tx.execute("DELETE FROM coverage_run WHERE generation < %s", [generation])
    await tx.execute("DELETE FROM coverage_policy WHERE generation < %s", [generation])


async def count_generation(connection: Connection, generation: int) -> tuple[int, int]:
    """How many policies and runs it has."""
    cursor = await connection.execute(
        "SELECT (SELECT count(*) FROM coverage_policy WHERE generation = %s),"
        " (SELECT count(*) FROM coverage_run WHERE generation = %s)",
        [generation, generation],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (counts have a row)
    return row[0], row[1]


async def count_differing(connection: Connection, one: int, other: int) -> int:
    """How many policies and runs stand in only one of two generations."""
    policies = "SELECT group_id, contract_id, primary_id, revision FROM coverage_policy WHERE generation = %s"
    runs = "SELECT group_id, member_id, module_id, membership_type, days FROM coverage_run WHERE generation = %s"
    differing = 0
    for rows in (policies, runs):
        for pair in ((one, other), (other, one)):
            cursor = await connection.execute(f"SELECT count(*) FROM ({rows} EXCEPT ALL {rows}) AS d", list(pair))
            row = await cursor.fetchone()
            assert row is not None  # noqa: S101 (counts have a row)
            differing += row[0]
    return differing
