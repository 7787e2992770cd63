"""Stores the members of legacy groups whom the core doesn't know, and dates of birth that it doesn't know."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from uuid import UUID

from domain.enrollment.history import RecomputeTrigger
from domain.members import Facts, Member, MemberKind
from domain.migration.aligning import missing_birth_dates
from domain.migration.legacy import LegacyGroup
from operations.call import MAX_RESOLVED_IDS, Call
from operations.core import Core
from storage import recomputes
from storage.members import MemberChange, RecordedMember, record_member
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.recomputes import RecomputeCause

MAX_STORED_BYTES = 64 * 1024 * 1024


async def store_missing(core: Core, call: Call, tx: Connection, groups: Iterable[LegacyGroup]) -> None:
    """Stores unknown members as persons without a name, with the dates of birth that the legacy tables have.

    Members who are known get that date if the core knows none.
    """
    for group in groups:
        member_ids = set(group.member_ids.values())
        if not _lacking(await _current(core, tx, member_ids), group):
            continue
        await lock(tx, Lock.MEMBER, *member_ids)
        current = await _current(core, tx, member_ids)
        for member_id in _lacking(current, group):
            await _store(core, call, tx, current.get(member_id), member_id, group)


def _lacking(current: dict[UUID, RecordedMember], group: LegacyGroup) -> list[UUID]:
    """Returns the members who are unknown, or whose date of birth only the legacy tables have, in order."""
    facts = {member_id: recorded.member.facts for member_id, recorded in current.items()}
    return sorted({*group.member_ids.values()} - current.keys() | missing_birth_dates(facts, group).keys())


async def _store(
    core: Core, call: Call, tx: Connection, current: RecordedMember | None, member_id: UUID, group: LegacyGroup
) -> None:
    born_on = group.birth_dates.get(member_id)
    if current is None:
        member = Member(member_id, MemberKind.PERSON, "", Facts(born_on=born_on))
        await record_member(tx, member, None, MemberChange.RECORD, call.actor)
        return
    cause = RecomputeCause(RecomputeTrigger.FACTS, call.actor, call.today_override)
    await recomputes.enqueue_for_member(tx, member_id, cause, MAX_RESOLVED_IDS)
    member = replace(current.member, facts=replace(current.member.facts, born_on=born_on))
    await record_member(tx, member, current, MemberChange.FACT, call.actor)
    core.recompute_wanted.set()


async def unknown_among(core: Core, connection: Connection, member_ids: Collection[UUID]) -> set[UUID]:
    """Returns those of some members whom the core doesn't know."""
    return set(member_ids) - (await _current(core, connection, set(member_ids))).keys()


async def _current(core: Core, connection: Connection, member_ids: set[UUID]) -> dict[UUID, RecordedMember]:
    found, _ = await core.members.newest_up_to(connection, sorted(member_ids), MAX_STORED_BYTES)
    return found
