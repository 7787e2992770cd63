"""Members, as a history of complete states with all facts that never change. This is the built-in source of facts."""

import asyncio
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.errors import MemberUnknown
from domain.members import Facts, Member
from domain.premiums.repricing import repricing_facts
from storage.member_identifiers import replace_identifiers
from storage.member_index import add_entries, update_entries
from storage.postgres.database import Connection
from storage.postgres.documents import (
    Document,
    actor_from_document,
    actor_to_document,
    member_from_document,
    member_to_document,
)
from storage.postgres.instants import LATER_THAN, NOW
from storage.postgres.rows import IS_COMMITTED, fetch_all, fetch_first, fetch_value, find_value
from storage.premium_stale import mark_member

MAX_CACHED_FACTS = 50_000
"""Number of members whose facts a process caches."""

MEMBERS_AT_A_TIME = 50
"""Number of members to convert before other calls get a chance to run."""


@dataclass(frozen=True, slots=True)
class RecordedMember:
    """A state of a member, with its number (1, 2, 3 ...), when it was recorded, and by whom."""

    member: Member
    revision: int
    recorded_at: datetime
    actor: Actor

    @property
    def etag(self) -> str:
        """Identifies this state. A state recorded after a restore never has the etag of a lost state.

        It is a digest of what every reader of the member sees, so it doesn't reveal anything else, such as the number
        of states.
        """
        content = f"{self.member.member_id} {self.recorded_at.astimezone(UTC)} {self.member.facts.erased_on}"
        return urlsafe_b64encode(blake2b(content.encode(), digest_size=12).digest()).decode()


class StoredMembers:
    """Reads members and their facts, and caches facts. Those of a committed state only change by an erasure."""

    def __init__(self) -> None:
        self._facts: OrderedDict[UUID, tuple[int, Facts]] = OrderedDict()

    def clear(self) -> None:
        """Clears the cache, because facts were erased, or because after a restore the database can have other states
        with the same numbers."""
        self._facts.clear()

    async def current_facts(
        self,
        connection: Connection,
        member_ids: Iterable[UUID],
        *,
        hold: bool,
    ) -> dict[UUID, Facts]:
        """Returns the current facts of members. Facts are only recorded under the members' exclusive locks, so `hold`
        needs no further locks. Raises MemberUnknown.
        """
        ids = sorted(set(member_ids))
        cached = {member_id: self._facts[member_id] for member_id in ids if member_id in self._facts}
        cursor = await connection.execute(_NEWEST_FACTS, [ids, [cached.get(each, (0,))[0] for each in ids]])
        facts: dict[UUID, Facts] = {}
        for member_id, revision, document, is_committed in await cursor.fetchall():
            facts[member_id] = cached[member_id][1] if document is None else member_from_document(document).facts
            if is_committed:
                self._cache(member_id, revision, facts[member_id])
        for member_id in ids:
            if member_id not in facts:
                raise MemberUnknown(member_id)
        return facts

    def _cache(self, member_id: UUID, revision: int, facts: Facts) -> None:
        self._facts[member_id] = revision, facts
        self._facts.move_to_end(member_id)
        if len(self._facts) > MAX_CACHED_FACTS:
            self._facts.popitem(last=False)

    async def recorded(
        self, connection: Connection, member_id: UUID, as_of: datetime | None = None
    ) -> RecordedMember | None:
        """Returns the newest state of a member, or the newest one at an instant, or None if there is none."""
        return await fetch_first(
            connection,
            _recorded_member,
            "SELECT document, revision, recorded_at, actor FROM member_revision WHERE member_id = %s"
            " AND (%s::timestamptz IS NULL OR recorded_at <= %s) ORDER BY revision DESC LIMIT 1",
            [member_id, as_of, as_of],
        )

    async def recorded_at(self, connection: Connection, member_id: UUID) -> datetime | None:
        """Returns when the newest state of a member was recorded, or None if there is none."""
        return await find_value(
            connection,
            datetime,
            "SELECT recorded_at FROM member_revision WHERE member_id = %s ORDER BY revision DESC LIMIT 1",
            [member_id],
        )

    async def state(self, connection: Connection, member_id: UUID, revision: int) -> RecordedMember:
        """Returns a state by its number, which must exist."""
        found = await fetch_first(
            connection,
            _recorded_member,
            "SELECT document, revision, recorded_at, actor FROM member_revision WHERE member_id = %s AND revision = %s",
            [member_id, revision],
        )
        if found is None:
            raise MemberUnknown(member_id)
        return found

    async def newest_up_to(
        self, connection: Connection, member_ids: Sequence[UUID], max_bytes: int
    ) -> tuple[dict[UUID, RecordedMember], set[UUID]]:
        """Returns the newest states of members, and the ids of those omitted because of their size.

        `max_bytes` limits the stored size of the documents, but the first one is always returned. Members that don't
        exist are in neither result.
        """
        cursor = await connection.execute(
            "SELECT member_id, revision, recorded_at, actor, CASE WHEN place = 1 OR size <= %s THEN document END FROM"
            " (SELECT n.*, row_number() OVER w AS place, sum(pg_column_size(n.document)) OVER w AS size"
            f" FROM {_NEWEST} WINDOW w AS (ORDER BY n.n)) AS sized",
            [max_bytes, list(member_ids)],
        )
        found: dict[UUID, RecordedMember] = {}
        omitted: set[UUID] = set()
        for n, (member_id, revision, recorded_at, actor, document) in enumerate(await cursor.fetchall(), start=1):
            if n % MEMBERS_AT_A_TIME == 0:
                await asyncio.sleep(0)  # lets other calls run
            if document is None:
                omitted.add(member_id)
            else:
                found[member_id] = _recorded_member(
                    document=document, actor=actor, revision=revision, recorded_at=recorded_at
                )
        return found, omitted

    async def listed(self, connection: Connection, after: UUID | None, limit: int) -> list[RecordedMember]:
        """Returns the newest states of members in order of id, starting after a given one.

        Members who were merged into others are omitted.
        """
        # Every member has a first state, so the primary key finds the page without reading the other states. OFFSET
        # makes PostgreSQL look up each member of the page, instead of reading all merges.
        return await fetch_all(
            connection,
            _recorded_member,
            "SELECT n.document, n.revision, n.recorded_at, n.actor FROM (SELECT member_id FROM member_revision m"
            f" WHERE revision = 1{'' if after is None else ' AND member_id > %s'}"
            " AND NOT EXISTS (SELECT FROM member_merge WHERE from_member_id = m.member_id OFFSET 0)"
            " ORDER BY member_id LIMIT %s) AS page"
            " CROSS JOIN LATERAL (SELECT * FROM member_revision r WHERE r.member_id = page.member_id"
            " ORDER BY r.revision DESC LIMIT 1) AS n ORDER BY page.member_id",
            [limit] if after is None else [after, limit],
        )


_NEWEST = (
    "(SELECT m.n, r.member_id, r.revision, r.recorded_at, r.actor, r.document"
    " FROM unnest(%s::uuid[]) WITH ORDINALITY AS m (member_id, n) CROSS JOIN LATERAL"
    " (SELECT * FROM member_revision r WHERE r.member_id = m.member_id ORDER BY r.revision DESC LIMIT 1) AS r) AS n"
)
"""SQL for the newest states of members by their ids. It reads one row per member, however many states there are."""


_NEWEST_FACTS: LiteralString = (
    "SELECT m.member_id, r.revision, CASE WHEN r.revision <> m.cached OR r.document->'facts'->>'erased_on' IS NOT NULL"
    " THEN r.document END, r.is_committed FROM unnest(%s::uuid[], %s::integer[]) AS m(member_id, cached)"
    f" CROSS JOIN LATERAL (SELECT revision, document, {IS_COMMITTED} AS is_committed FROM member_revision r"
    " WHERE r.member_id = m.member_id ORDER BY r.revision DESC LIMIT 1) AS r"
)
"""SQL for the newest states of members. Documents that are cached are null, unless they were erased."""


def _recorded_member(*, document: Document, actor: Document, **columns: Any) -> RecordedMember:
    return RecordedMember(member=member_from_document(document), actor=actor_from_document(actor), **columns)


class MemberChange(StrEnum):
    """Why a state of a member was recorded."""

    FACT = "FACT"
    """Facts were recorded."""
    RECORD = "RECORD"
    """The member was created, or something other than facts changed."""


async def record_member(
    tx: Connection, member: Member, current: RecordedMember | None, what: MemberChange, actor: Actor
) -> datetime:
    """Stores the state of a member after `current`, or the first one if `current` is None, and indexes it.

    Marks the policies whose premiums the facts can change; recomputes must be enqueued before. Returns the instant of
    the state. The member must be locked exclusively. Raises IdentifierTaken.
    """
    await replace_identifiers(
        tx, member.member_id, before=current.member.identifiers if current else (), after=member.identifiers
    )
    await update_entries(tx, member, current.member if current else None)
    repricing = repricing_facts(current.member.facts if current else Facts(), member.facts)
    if repricing:
        first, as_primary = repricing.first, repricing.as_primary
        await mark_member(tx, member.member_id, first, as_primary=as_primary, caused_by=actor.subject)
    return await fetch_value(
        tx,
        datetime,
        "INSERT INTO member_revision (member_id, revision, recorded_at, document, kind, actor)"
        f" VALUES (%s, %s, {LATER_THAN}, %s, %s, %s) RETURNING recorded_at",
        [
            member.member_id,
            current.revision + 1 if current else 1,
            current and current.recorded_at,
            Jsonb(member_to_document(member)),
            what.value,
            Jsonb(actor_to_document(actor)),
        ],
    )


async def record_new_members(tx: Connection, members: Sequence[Member], actor: Actor) -> None:
    """Stores the first states of members without identifiers, and indexes them, in a constant number of statements.

    No premium can have been computed for a member who wasn't stored, so nothing is marked. The members must be locked
    exclusively.
    """
    await add_entries(tx, members)
    await tx.execute(
        "INSERT INTO member_revision (member_id, revision, recorded_at, document, kind, actor)"
        f" SELECT m.member_id, 1, {NOW}, m.document, %s, %s FROM unnest(%s::uuid[], %s::jsonb[])"
        " AS m(member_id, document)",
        [
            MemberChange.RECORD.value,
            Jsonb(actor_to_document(actor)),
            [member.member_id for member in members],
            [Jsonb(member_to_document(member)) for member in members],
        ],
    )
