"""The built-in source of members: stores members and records their facts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.enrollment.history import RecomputeTrigger
from domain.errors import EtagMismatch, FieldViolation, MemberErased, MemberUnknown, RequestMalformed
from domain.fact_spans import FactsUpdate, life_violations, size_violations, update_violations, updated
from domain.members import Facts, Identifier, Member, identifier_violations
from operations.call import MAX_RESOLVED_IDS, Call
from operations.core import Core
from operations.enrollment import reject_future
from operations.paging import Page
from operations.recomputes import cause_of
from storage import merges, recomputes
from storage.member_identifiers import owners_of
from storage.members import MemberChange, RecordedMember, record_member
from storage.postgres.database import Connection
from storage.postgres.instants import settled_until
from storage.postgres.locks import Lock, lock
from storage.requests import WriteKey, find_answer, store_answer


@dataclass(frozen=True, slots=True)
class ExpectedMember:
    """The member that a caller wants to change, and the etag that the caller has read. Empty matches any state."""

    member_id: UUID
    etag: str

    def check(self, current: RecordedMember | None) -> None:
        """Raises MemberErased if the member was erased, and EtagMismatch if the state isn't the expected one."""
        if current and current.member.facts.erased_on:
            raise MemberErased(self.member_id)
        current_etag = current.etag if current else ""
        if self.etag and self.etag != current_etag:
            raise EtagMismatch(current_etag, member_id=self.member_id)


async def upsert_member(core: Core, call: Call, key: WriteKey, member: Member, etag: str) -> RecordedMember:
    """Stores a member, or replaces the kind, name and identifiers of an existing one, but not its facts.

    `etag` is the etag of the state to replace. Empty matches any state.

    Raises RequestMalformed, MemberMerged, MemberErased, EtagMismatch, IdentifierTaken, RequestIdReused.
    """
    if violations := identifier_violations(member.identifiers):
        raise RequestMalformed([FieldViolation(f"member.{v.field}", v.description) for v in violations])
    member_id, identifiers = member.member_id, tuple(sorted(member.identifiers))

    async def work(tx: Connection) -> RecordedMember:
        if answer := await find_answer(tx, key):
            return await core.members.state(tx, member_id, answer["revision"])
        await lock(tx, Lock.MEMBER, member_id)
        await merges.reject_merged(tx, [member_id])
        current = await core.members.recorded(tx, member_id)
        ExpectedMember(member_id, etag).check(current)
        facts = current.member.facts if current else Facts()
        replaced = replace(member, facts=facts, identifiers=identifiers)
        return await _record(call, tx, key, MemberChange.RECORD, replaced, current)

    return await core.write(call, work)


@dataclass(frozen=True, slots=True)
class FactsRecorded:
    recorded_at: datetime
    groups_concerned: int
    etag: str


async def record_facts(
    core: Core, call: Call, key: WriteKey, expected: ExpectedMember, update: FactsUpdate
) -> FactsRecorded:
    """Replaces facts of one kind, and enqueues a recompute of every group of the member.

    Raises RequestMalformed, MemberUnknown, MemberMerged, MemberErased, EtagMismatch, RequestIdReused.
    """
    if violations := update_violations(update):
        raise RequestMalformed(violations)
    member_id = expected.member_id

    async def work(tx: Connection) -> FactsRecorded:
        if answer := await find_answer(tx, key):
            known = await core.members.state(tx, member_id, answer["revision"])
            return FactsRecorded(known.recorded_at, answer["groups_concerned"], known.etag)
        await lock(tx, Lock.MEMBER, member_id)
        await merges.reject_merged(tx, [member_id])
        current = await core.members.recorded(tx, member_id)
        if current is None:
            raise MemberUnknown(member_id)
        expected.check(current)
        facts = updated(current.member.facts, update)
        if violations := [*size_violations(facts, update), *life_violations(facts, update)]:
            raise RequestMalformed(violations)
        cause = cause_of(call, RecomputeTrigger.FACTS)
        groups = await recomputes.enqueue_for_member(tx, member_id, cause, MAX_RESOLVED_IDS)
        call.trail.resolved_groups(groups.first_ids, groups.count)
        member = replace(current.member, facts=facts)
        recorded = await _record(call, tx, key, MemberChange.FACT, member, current, groups_concerned=groups.count)
        return FactsRecorded(recorded.recorded_at, groups.count, recorded.etag)

    recorded = await core.write(call, work)
    core.recompute_wanted.set()
    core.premiums_stale.set()
    return recorded


async def _record(
    call: Call,
    tx: Connection,
    key: WriteKey,
    what: MemberChange,
    member: Member,
    current: RecordedMember | None,
    **answer: int,
) -> RecordedMember:
    recorded_at = await record_member(tx, member, current, what, call.actor)
    revision = current.revision + 1 if current else 1
    await store_answer(tx, key, {"revision": revision, **answer})
    return RecordedMember(member, revision, recorded_at, call.actor)


async def get_member(core: Core, call: Call, member_id: UUID, as_of: datetime | None) -> RecordedMember:
    """Returns a member with all facts, as recorded now or at an instant. Raises MemberUnknown."""
    reject_future(call, as_of, "as_of")
    await settled_until(core.database, as_of, lambda connection: core.members.recorded_at(connection, member_id))
    async with core.database.reading() as connection:
        recorded = await core.members.recorded(connection, member_id, as_of)
    if recorded is None:
        raise MemberUnknown(member_id)
    return recorded


async def get_members(
    core: Core, member_ids: Sequence[UUID], max_bytes: int
) -> tuple[dict[UUID, RecordedMember], set[UUID]]:
    """Returns members with all facts, and the ids of those omitted because the stored size would exceed `max_bytes`.

    Members that don't exist are in neither result.
    """
    async with core.database.reading() as connection:
        return await core.members.newest_up_to(connection, member_ids, max_bytes)


async def resolve_identifiers(core: Core, identifiers: Collection[Identifier]) -> dict[Identifier, UUID]:
    """Returns the member to whom each identifier belongs now. Identifiers that belong to nobody are left out."""
    async with core.database.reading() as connection:
        return await owners_of(connection, identifiers)


async def list_members(core: Core, page: Page[UUID | None]) -> Sequence[RecordedMember]:
    """Returns members in order of id."""
    async with core.database.reading() as connection:
        return await core.members.listed(connection, page.after, page.size)
