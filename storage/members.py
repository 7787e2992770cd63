"""Members as recorded: every state with all facts, none ever changed. The built-in source of facts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.errors import MemberUnknown
from domain.members import Facts, Member
from storage.database import Connection
from storage.documents import member_from_document, member_to_document
from storage.instants import LATER_THAN, settled_until
from storage.requests import lock


@dataclass(frozen=True, slots=True)
class RecordedMember:
    """A state of a member, with its number (1, 2, 3 …) and the instant of recording."""

    member: Member
    revision: int
    recorded_at: datetime


class StoredMembers:
    """Reads members and their facts."""

    async def current_facts(
        self, connection: Connection, member_ids: Iterable[UUID], *, hold: bool
    ) -> dict[UUID, Facts]:
        """The facts of members as they are; with `hold` kept from changing until the transaction ends.

        Raises MemberUnknown.
        """
        ids = sorted(set(member_ids))
        if hold:
            await lock(connection, "member", *ids, shared=True)
        cursor = await connection.execute(
            "SELECT DISTINCT ON (member_id) member_id, document FROM member_revision WHERE member_id = ANY(%s)"
            " ORDER BY member_id, revision DESC",
            [ids],
        )
        facts = {member_id: member_from_document(document).facts for member_id, document in await cursor.fetchall()}
        for member_id in ids:
            if member_id not in facts:
                raise MemberUnknown(member_id)
        return facts

    async def recorded(
        self, connection: Connection, member_id: UUID, as_of: datetime | None = None
    ) -> RecordedMember | None:
        """The newest state of a member, or the one that was newest at an instant; None where there was none."""
        await settled_until(connection, as_of)
        cursor = await connection.execute(
            "SELECT document, revision, recorded_at FROM member_revision WHERE member_id = %s"
            " AND (%s::timestamptz IS NULL OR recorded_at <= %s) ORDER BY revision DESC LIMIT 1",
            [member_id, as_of, as_of],
        )
        row = await cursor.fetchone()
        return RecordedMember(member_from_document(row[0]), row[1], row[2]) if row else None

    async def state(self, connection: Connection, member_id: UUID, revision: int) -> RecordedMember:
        """A state by its number, which was given out before."""
        cursor = await connection.execute(
            "SELECT document, recorded_at FROM member_revision WHERE member_id = %s AND revision = %s",
            [member_id, revision],
        )
        row = await cursor.fetchone()
        if row is None:
            raise MemberUnknown(member_id)
        return RecordedMember(member_from_document(row[0]), revision, row[1])

    async def listed(self, connection: Connection, after: UUID | None, limit: int) -> list[RecordedMember]:
        """Members as they are, in order of id, beginning after one."""
        cursor = await connection.execute(
            "SELECT DISTINCT ON (member_id) document, revision, recorded_at FROM member_revision"
            " WHERE %s::uuid IS NULL OR member_id > %s ORDER BY member_id, revision DESC LIMIT %s",
            [after, after, limit],
        )
        return [RecordedMember(member_from_document(d), n, at) for d, n, at in await cursor.fetchall()]


async def erase(tx: Connection, member_id: UUID, on: date) -> None:
    """Takes everything personal out of every state of a member, and out of the notes of requests that name them.

    The member must be locked ("member", exclusively). Done with the rights of the tables' owner.
    """
    await tx.execute("SELECT erase_member(%s, %s)", [member_id, on])


async def record_member(tx: Connection, member: Member, current: RecordedMember | None) -> datetime:
    """Records a new state: the first (`current` None) or the one after `current`. Answers with the instant.

    The member must be locked ("member", exclusively).
    """
    cursor = await tx.execute(
        "INSERT INTO member_revision (member_id, revision, recorded_at, document)"
        f" VALUES (%s, %s, {LATER_THAN}, %s) RETURNING recorded_at",
        [
            member.member_id,
            current.revision + 1 if current else 1,
            current and current.recorded_at,
            Jsonb(member_to_document(member)),
        ],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (an INSERT … RETURNING gives a row)
    recorded_at: datetime = row[0]
    return recorded_at
