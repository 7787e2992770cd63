"""Stores the members of legacy groups whom the core doesn't know, and dates of birth that it doesn't know."""

from collections.abc import Collection, Mapping, Set
from dataclasses import replace
from datetime import date
from uuid import UUID

from domain.enrollment.history import RecomputeTrigger
from domain.members import Facts, Member, MemberKind
from domain.migration.aligning import missing_birth_dates
from domain.migration.legacy import LegacyGroup
from operations.call import Call
from operations.core import Core
from storage import recomputes
from storage.members import MemberChange, RecordedMember, record_member, record_new_members
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.recomputes import RecomputeCause

MAX_STORED_BYTES = 64 * 1024 * 1024


async def store_missing(
    core: Core, call: Call, tx: Connection, groups: Collection[LegacyGroup], others: Set[UUID]
) -> None:
    """Stores unknown members as persons without a name, with the dates of birth that the legacy tables have.

    Members who are known get that date if the core knows none. The contracts of the groups must be held. If anybody is
    stored, all members whose facts are needed are locked together, in order: `others`, and those of the groups.
    """
    birth_dates = {member_id: born for group in groups for member_id, born in group.birth_dates.items()}
    member_ids = {member_id for group in groups for member_id in group.member_ids.values()}
    if not _lacking(await _current(core, tx, member_ids), member_ids, birth_dates):
        return
    await lock(tx, Lock.MEMBER, *member_ids, *others)
    current = await _current(core, tx, member_ids)
    lacking = _lacking(current, member_ids, birth_dates)
    if known := [member_id for member_id in lacking if member_id in current]:
        cause = RecomputeCause(RecomputeTrigger.FACTS, call.actor, call.today_override)
        await recomputes.enqueue_for_members(tx, known, cause)
        core.recompute_wanted.set()
        for member_id in known:
            facts = replace(current[member_id].member.facts, born_on=birth_dates[member_id])
            member = replace(current[member_id].member, facts=facts)
            await record_member(tx, member, current[member_id], MemberChange.FACT, call.actor)
    unknown = [
        Member(member_id, MemberKind.PERSON, "", Facts(born_on=birth_dates.get(member_id)))
        for member_id in lacking
        if member_id not in current
    ]
    await record_new_members(tx, unknown, call.actor)


def _lacking(
    current: Mapping[UUID, RecordedMember], member_ids: Set[UUID], birth_dates: Mapping[UUID, date]
) -> list[UUID]:
    """Returns the members who are unknown, or whose date of birth only the legacy tables have, in order."""
    facts = {member_id: recorded.member.facts for member_id, recorded in current.items()}
    return sorted(member_ids - current.keys() | missing_birth_dates(facts, birth_dates).keys())


async def unknown_among(core: Core, connection: Connection, member_ids: Collection[UUID]) -> set[UUID]:
    """Returns those of some members whom the core doesn't know."""
    return set(member_ids) - (await _current(core, connection, set(member_ids))).keys()


async def _current(core: Core, connection: Connection, member_ids: set[UUID]) -> dict[UUID, RecordedMember]:
    found, _ = await core.members.newest_up_to(connection, sorted(member_ids), MAX_STORED_BYTES)
    return found
