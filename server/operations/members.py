"""The built-in source of members: stored, their facts recorded, and read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.errors import MemberErased, MemberUnknown, RequestMalformed
from domain.members import Facts, FactTimeline, Member, MemberKind, timeline_violations, with_facts
from server.operations.call import Call
from server.operations.core import Core
from server.operations.enrollment import not_in_the_future
from storage import recomputes
from storage.database import Connection
from storage.members import RecordedMember, record_member
from storage.requests import WriteKey, answered, lock, remember


async def upsert_member(
    core: Core, call: Call, key: WriteKey, member_id: UUID, kind: MemberKind, display_name: str
) -> RecordedMember:
    """Stores a member, or changes kind and name of one; facts stay. Raises MemberErased, RequestIdReused."""

    async def work(tx: Connection) -> RecordedMember:
        if answer := await answered(tx, key):
            return await core.members.state(tx, member_id, answer["revision"])
        await lock(tx, "member", member_id)
        current = await core.members.recorded(tx, member_id)
        facts = current.member.facts if current else Facts()
        if facts.erased_on:
            raise MemberErased(member_id)
        return await _record(tx, key, Member(member_id, kind, display_name, facts), current)

    return await core.write(call, work)


@dataclass(frozen=True, slots=True)
class FactsRecorded:
    recorded_at: datetime
    groups_concerned: int


async def record_facts(core: Core, call: Call, key: WriteKey, member_id: UUID, timeline: FactTimeline) -> FactsRecorded:
    """Replaces the timeline of one kind of fact, and enqueues the recompute of every group concerned.

    Raises RequestMalformed, MemberUnknown, MemberErased, RequestIdReused.
    """
    if violations := timeline_violations(timeline):
        raise RequestMalformed(violations)

    async def work(tx: Connection) -> FactsRecorded:
        if answer := await answered(tx, key):
            known = await core.members.state(tx, member_id, answer["revision"])
            return FactsRecorded(known.recorded_at, answer["groups_concerned"])
        await lock(tx, "member", member_id)
        current = await core.members.recorded(tx, member_id)
        if current is None:
            raise MemberUnknown(member_id)
        if current.member.facts.erased_on:
            raise MemberErased(member_id)
        member = replace(current.member, facts=with_facts(current.member.facts, timeline))
        groups = await recomputes.enqueue_for_member(tx, member_id, call.today_override)
        recorded = await _record(tx, key, member, current, groups_concerned=groups)
        return FactsRecorded(recorded.recorded_at, groups)

    recorded = await core.write(call, work)
    core.recompute_wanted.set()
    return recorded


async def _record(
    tx: Connection, key: WriteKey, member: Member, current: RecordedMember | None, **answer: int
) -> RecordedMember:
    recorded_at = await record_member(tx, member, current)
    revision = current.revision + 1 if current else 1
    await remember(tx, key, {"revision": revision, **answer})
    return RecordedMember(member, revision, recorded_at)


async def get_member(core: Core, call: Call, member_id: UUID, as_of: datetime | None) -> RecordedMember:
    """A member with all facts, as known now or at an instant. Raises MemberUnknown."""
    not_in_the_future(call, as_of, "as_of")
    async with core.database.reading() as connection:
        recorded = await core.members.recorded(connection, member_id, as_of)
    if recorded is None:
        raise MemberUnknown(member_id)
    return recorded


async def list_members(core: Core, call: Call, after: UUID | None, limit: int) -> Sequence[RecordedMember]:
    """Members in order of id, beginning after one."""
    async with core.database.reading() as connection:
        return await core.members.listed(connection, after, limit)
