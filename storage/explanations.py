"""Reads the decisions, facts and contract from which a revision of a group was computed.

Facts and contracts can't change while a group is computed, and everything is recorded under locks with the instants of
one clock. A revision was therefore computed from exactly what was recorded until its instant.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from domain.enrollment.decisions import Decision
from domain.enrollment.explained_in_words import Origin
from domain.errors import RevisionUnknown
from domain.members import Facts
from storage.group_lookup import GroupHead
from storage.postgres.database import Connection
from storage.postgres.documents import (
    Document,
    actor_from_document,
    change_request_from_document,
    member_from_document,
)
from storage.postgres.rows import fetch_all, fetch_column, fetch_value


async def instants_of(connection: Connection, head: GroupHead, revision: int) -> tuple[datetime | None, datetime]:
    """Returns when the previous revision (None if there is none) and this revision were recorded.

    Raises RevisionUnknown.
    """
    cursor = await connection.execute(
        "SELECT revision, recorded_at FROM enrollment_revision WHERE group_key = %s AND revision IN (%s, %s)",
        [head.group_key, revision - 1, revision],
    )
    instants: dict[int, datetime] = dict(await cursor.fetchall())
    if revision not in instants:
        raise RevisionUnknown(head.group_id, revision)
    return instants.get(revision - 1), instants[revision]


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision, and when and by whom its request was recorded."""

    decision: Decision
    origin: Origin


async def decisions_until(connection: Connection, group_key: int, instant: datetime) -> list[RecordedDecision]:
    """Returns the decisions of a group that were recorded until an instant, in order of approval."""
    return await fetch_all(
        connection,
        _recorded_decision,
        "SELECT recorded_at, actor, document FROM change_request"
        " WHERE group_key = %s AND approved AND recorded_at <= %s ORDER BY change_request_key",
        [group_key, instant],
    )


def _recorded_decision(*, recorded_at: datetime, actor: Document, document: Document) -> RecordedDecision:
    origin = Origin(recorded_at, actor_from_document(actor))
    return RecordedDecision(change_request_from_document(document, actor).decision(), origin)


async def facts_until(connection: Connection, member_ids: Collection[UUID], instant: datetime) -> dict[UUID, Facts]:
    """Returns the facts of members as of an instant. Members who weren't stored yet are omitted."""
    cursor = await connection.execute(
        "SELECT m.member_id, r.document FROM unnest(%s::uuid[]) AS m(member_id) CROSS JOIN LATERAL"
        " (SELECT document FROM member_revision r WHERE r.member_id = m.member_id AND r.recorded_at <= %s"
        " ORDER BY r.revision DESC LIMIT 1) AS r",
        [list(member_ids), instant],
    )
    return {member_id: member_from_document(document).facts for member_id, document in await cursor.fetchall()}


async def erased_until(connection: Connection, member_ids: Collection[UUID], instant: datetime) -> set[UUID]:
    """Returns the members among these whose facts were erased until an instant."""
    statement = "SELECT member_id FROM erasure WHERE member_id = ANY(%s) AND recorded_at <= %s"
    return set(await fetch_column(connection, UUID, statement, [list(member_ids), instant]))


async def erasure_number(connection: Connection) -> int:
    """Returns the number of the last erasure, or 0 if there is none."""
    return await fetch_value(connection, int, "SELECT coalesce(max(number), 0) FROM erasure")


@dataclass(frozen=True, slots=True)
class FactState:
    """A recorded state of a member's facts."""

    revision: int
    facts: Facts
    origin: Origin


async def fact_states(
    connection: Connection, member_id: UUID, until: datetime | None, before_revision: int | None, limit: int
) -> list[FactState]:
    """Returns the states of a member's facts, newest first, optionally until an instant or before a revision."""
    return await fetch_all(
        connection,
        _fact_state,
        "SELECT revision, recorded_at, actor, document FROM member_revision WHERE member_id = %s"
        " AND (%s::timestamptz IS NULL OR recorded_at <= %s) AND (%s::integer IS NULL OR revision < %s)"
        " ORDER BY revision DESC LIMIT %s",
        [member_id, until, until, before_revision, before_revision, limit],
    )


def _fact_state(*, revision: int, recorded_at: datetime, actor: Document, document: Document) -> FactState:
    return FactState(revision, member_from_document(document).facts, Origin(recorded_at, actor_from_document(actor)))


async def contract_origins(
    connection: Connection, contract_id: UUID, after: datetime, until: datetime
) -> Sequence[tuple[int, Origin]]:
    """Returns the revisions of a contract recorded after `after` and until `until`, newest first."""
    cursor = await connection.execute(
        "SELECT revision, recorded_at, actor FROM contract_revision"
        " WHERE contract_id = %s AND recorded_at > %s AND recorded_at <= %s ORDER BY revision DESC",
        [contract_id, after, until],
    )
    return [(revision, Origin(at, actor_from_document(actor))) for revision, at, actor in await cursor.fetchall()]


async def merge_origins(connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, Origin]:
    """Returns when and by whom members were merged into others."""
    cursor = await connection.execute(
        "SELECT from_member_id, recorded_at, actor FROM member_merge WHERE from_member_id = ANY(%s)", [list(member_ids)]
    )
    return {member_id: Origin(at, actor_from_document(actor)) for member_id, at, actor in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last revision of a group that changed a day of an enrollment, and whether it removed the day."""

    group_id: UUID
    module_id: UUID
    revision: int
    is_lost: bool


async def last_changes(
    connection: Connection,
    member_id: UUID,
    module_id: UUID | None,
    day: date,
    primary_id: UUID | None,
    contract_ids: Collection[UUID] | None = None,
) -> list[LastChange]:
    """Returns the last change of a day for each enrollment of a member.

    With `module_id`, `primary_id` or `contract_ids`, returns only those in the module, in the groups of the primary, or
    under the contracts.
    """
    return await fetch_all(
        connection,
        LastChange,
        "SELECT DISTINCT ON (d.group_key, d.module_id) g.group_id, d.module_id, r.revision,"
        " d.lost @> %(day)s AS is_lost FROM group_member m JOIN enrollment_group g USING (group_key)"
        " JOIN enrollment_difference d USING (group_key) JOIN enrollment_revision r USING (revision_key)"
        " WHERE m.member_id = %(member)s AND d.member_id = %(member)s"
        " AND (d.gained @> %(day)s OR d.lost @> %(day)s)"
        " AND (%(module)s::uuid IS NULL OR d.module_id = %(module)s)"
        " AND (%(primary)s::uuid IS NULL OR g.primary_id = %(primary)s)"
        " AND (%(contracts)s::uuid[] IS NULL OR g.contract_id = ANY(%(contracts)s))"
        " ORDER BY d.group_key, d.module_id, r.revision DESC",
        {
            "member": member_id,
            "module": module_id,
            "day": day,
            "primary": primary_id,
            "contracts": None if contract_ids is None else list(contract_ids),
        },
    )
