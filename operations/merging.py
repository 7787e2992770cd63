"""Merges two records of one person.

Nothing that was recorded about the merged record changes. Its id becomes another id of the remaining record, and
everything is computed again with it: approved requests are read with the other id (`domain/enrollment/counting.py`),
and applications to limits count towards the usage of the remaining record (`storage/accumulators.py`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from domain.days import to_date, to_day
from domain.eligibility.accumulators import Overrun
from domain.eligibility.coverage import Offers
from domain.enrollment.decisions import CorrectMembershipType, Decision, Enroll, members_named
from domain.enrollment.history import RecomputeTrigger
from domain.errors import (
    FieldViolation,
    MemberMerged,
    MemberUnknown,
    MergeNotPossible,
    RequestMalformed,
    WriteConflict,
)
from domain.member_merging import KeptFacts, MergedFacts, merge_violations, merged_facts, merged_identifiers
from domain.members import Identifier
from operations.call import Call
from operations.catching_up import caught_up, run_recompute
from operations.core import Core
from operations.legacy.gate import reject_legacy_members
from operations.opening import OpenGroup, open_groups
from operations.recomputes import cause_of
from storage import accumulators, enrollment, merges, recomputes
from storage.accumulators import MovedUsage
from storage.enrollment import LockedGroup
from storage.group_writes import GroupWrites
from storage.members import MemberChange, RecordedMember, record_member
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.requests import WriteKey, find_answer, store_answer

MAX_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class MergeProposal:
    """Two records of one person: `from_id` becomes another id of `into_id`."""

    from_id: UUID
    into_id: UUID
    reason: str
    keep: KeptFacts = KeptFacts.UNDECIDED


@dataclass(frozen=True, slots=True)
class MergedGroup:
    """A recomputed group, its revision after the merge, and whether the merge made it."""

    group_id: UUID
    revision: int
    made_revision: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """The remaining member, the recomputed groups in order of id, and the limits that the joint usage exceeds."""

    member: RecordedMember
    groups: tuple[MergedGroup, ...]
    overruns: tuple[Overrun, ...]


async def merge_members(core: Core, call: Call, key: WriteKey, proposal: MergeProposal) -> Merged:
    """Merges two members in one transaction. A retry returns the same result.

    Raises RequestMalformed, MemberUnknown, MemberMerged, MergeNotPossible, RequestIdReused. After an error, nothing is
    stored. Raises WriteConflict if the members keep joining groups.
    """
    if proposal.from_id == proposal.into_id:
        raise RequestMalformed([FieldViolation("into_member_id", "must not be the same as from_member_id")])

    async def work(tx: Connection) -> Merged:
        call.trail.merge, call.trail.usage_of = None, ()  # from an earlier attempt that was rolled back
        if answer := await find_answer(tx, key):
            return await _from_answer(core, tx, proposal, answer)
        both = [proposal.from_id, proposal.into_id]
        await reject_legacy_members(core, tx, both, "a member of the legacy tables can't be merged")
        groups = await _lock(tx, proposal)
        for group in groups:
            call.trail.resolved_group(group.group_id, group.key)
        merged = await _Merge(core, call, tx, proposal).run(groups)
        await store_answer(tx, key, _to_answer(merged))
        return merged

    merged = await _again_if_joined(core, call, work)
    core.sequencing.wanted.set()
    core.history.look_wanted.set()
    return merged


class _JoinedAnotherGroup(Exception):
    """A member has joined another group after the groups were read."""


async def _again_if_joined(core: Core, call: Call, work: Callable[[Connection], Awaitable[Merged]]) -> Merged:
    """Runs a merge in a transaction, and again whenever a member has joined another group before it could be locked.

    Raises WriteConflict if that happens too often.
    """
    for _ in range(MAX_ATTEMPTS):
        with suppress(_JoinedAnotherGroup):
            return await core.write(call, work)
    raise WriteConflict


async def _lock(tx: Connection, proposal: MergeProposal) -> list[LockedGroup]:
    """Locks all groups that concern either member, in the order in which every transaction takes its locks.

    Afterwards, nobody can change these groups or their contracts, or use either member. Raises _JoinedAnotherGroup if a
    member has joined another group in the meantime.
    """
    keys = await enrollment.groups_of_member(tx, proposal.from_id, proposal.into_id)
    groups = await enrollment.lock_groups(tx, keys)
    await lock(tx, Lock.CONTRACT, *{group.key.contract_id for group in groups}, shared=True)
    await lock(tx, Lock.MEMBER, proposal.from_id, proposal.into_id)
    if await enrollment.groups_of_member(tx, proposal.from_id, proposal.into_id) != keys:
        raise _JoinedAnotherGroup
    return groups


class _Merge:
    """One merge, in a transaction that has locked both members and their groups."""

    def __init__(self, core: Core, call: Call, tx: Connection, proposal: MergeProposal) -> None:
        self._core, self._call, self._tx = core, call, tx
        self._proposal = proposal
        self._from_id, self._into_id = proposal.from_id, proposal.into_id

    async def run(self, locked: Sequence[LockedGroup]) -> Merged:
        from_, into = await self._current()
        self._reject_different(from_, into)
        opened = await open_groups(self._core, self._call, self._tx, locked)
        self._reject_primary(opened)
        self._reject_types(opened)
        facts = merged_facts(from_.member.facts, into.member.facts, self._proposal.keep)
        identifiers = merged_identifiers(from_.member.identifiers, into.member.identifiers)
        if violations := merge_violations(facts, identifiers, self._proposal.keep):
            raise RequestMalformed(violations)
        opened = [await caught_up(self._core, self._call, self._tx, group) for group in opened]
        concerned = [group for group in opened if self._is_concerned(group)]
        usage = await accumulators.move_usage(self._tx, self._from_id, self._into_id)
        self._call.trail.usage_of = tuple(dict.fromkeys(each.group_id for each in usage))
        earlier = max([from_.recorded_at, into.recorded_at, *(group.group.recorded_at for group in opened)])
        merge = await merges.add_merge(
            self._tx,
            self._from_id,
            self._into_id,
            self._call.actor,
            self._proposal.reason,
            _to_document(facts, from_.member.identifiers, usage, concerned),
            later_than=earlier,
        )
        self._call.trail.merge = merge
        member = await self._record(from_, into, facts, identifiers, merge.recorded_at)
        of_from = set(await enrollment.groups_of_member(self._tx, self._from_id))
        for group in opened:
            if group.group.group_key in of_from:
                await enrollment.add_members(self._tx, group.group, [self._into_id])
        moved = await self._recompute(concerned, member.recorded_at)
        groups = [
            MergedGroup(after.group.group_id, after.group.revision, after.group.revision != before.group.revision)
            for before, after in zip(concerned, moved, strict=True)
        ]
        overruns = _overruns(self._into_id, usage, {group.group.group_id: group for group in moved})
        return Merged(member, tuple(sorted(groups, key=lambda group: group.group_id)), tuple(overruns))

    async def _current(self) -> tuple[RecordedMember, RecordedMember]:
        """Returns the current states of both members. Raises MemberUnknown, MemberMerged."""
        found: list[RecordedMember] = []
        for member_id in (self._from_id, self._into_id):
            state = await self._core.members.recorded(self._tx, member_id)
            if state is None:
                raise MemberUnknown(member_id)
            found.append(state)
        aliases = await merges.aliases_of(self._tx, [self._from_id, self._into_id])
        for member_id in (self._from_id, self._into_id):
            if member_id in aliases:
                raise MemberMerged(member_id, aliases[member_id])
        return found[0], found[1]

    def _reject_different(self, from_: RecordedMember, into: RecordedMember) -> None:
        erased = [str(state.member.member_id) for state in (from_, into) if state.member.facts.erased_on]
        if erased:
            raise self._not_possible("ERASED", f"The facts of member {' and member '.join(erased)} were erased.")
        if from_.member.kind != into.member.kind:
            raise self._not_possible(
                "DIFFERENT_KINDS",
                f"Member {self._from_id} is a {from_.member.kind.lower()} and member {self._into_id} is a"
                f" {into.member.kind.lower()}. Correct the kind of one of them first.",
            )

    def _reject_primary(self, opened: Sequence[OpenGroup]) -> None:
        groups = [
            group.group.group_id
            for group in opened
            if group.basis.primary_id == self._from_id and group.basis.decisions
        ]
        if groups:
            raise self._not_possible(
                "PRIMARY_OF_GROUP",
                f"Member {self._from_id} is the primary of groups with approved requests: {_listed(groups)}."
                " Merge the other record into this one instead.",
                groups,
            )

    def _reject_types(self, opened: Sequence[OpenGroup]) -> None:
        """Only requests that count matter, so that a wrong one can be reverted if a type can't be corrected."""
        groups = []
        for group in opened:
            types, typed = group.basis.membership_types(), _typed(group.basis.counting())
            typed.add(group.basis.primary_id)
            both = {types[member_id] for member_id in (self._from_id, self._into_id) if member_id in typed}
            if len(both) > 1:
                groups.append(group.group.group_id)
        if groups:
            raise self._not_possible(
                "DIFFERENT_TYPES",
                f"Members {self._from_id} and {self._into_id} have different membership types in groups"
                f" {_listed(groups)}. Correct the type of one of them, or revert the requests that enroll one of them"
                " or correct their type.",
                groups,
            )

    def _not_possible(self, cause: str, words: str, groups: Sequence[UUID] = ()) -> MergeNotPossible:
        return MergeNotPossible(cause, words, self._from_id, self._into_id, sorted(groups))

    def _is_concerned(self, group: OpenGroup) -> bool:
        """Returns whether an approved request of the group names either member."""
        named = {group.basis.primary_id} if group.basis.decisions else set[UUID]()
        for decision in group.basis.decisions:
            named |= members_named(decision.changes) | {leave.member_id for leave in decision.consequence_leaves}
        named |= {group.basis.aliases.get(member_id, member_id) for member_id in named}
        return not named.isdisjoint((self._from_id, self._into_id))

    async def _record(
        self,
        from_: RecordedMember,
        into: RecordedMember,
        facts: MergedFacts,
        identifiers: tuple[Identifier, ...],
        merged_at: datetime,
    ) -> RecordedMember:
        """Records the next state of the remaining member, and one of the other member if it had identifiers.

        Both are recorded after the merge.
        """
        actor = self._call.actor
        if from_.member.identifiers:
            without = replace(from_.member, identifiers=())
            await record_member(self._tx, without, replace(from_, recorded_at=merged_at), MemberChange.RECORD, actor)
        member = replace(into.member, facts=facts.facts, identifiers=identifiers)
        what = MemberChange.FACT if facts.facts != into.member.facts else MemberChange.RECORD
        # The state follows both the previous one and the merge, which was recorded later.
        current = replace(into, recorded_at=merged_at)
        recorded_at = await record_member(self._tx, member, current, what, actor)
        return RecordedMember(member, into.revision + 1, recorded_at, actor)

    async def _recompute(self, groups: Sequence[OpenGroup], after: datetime) -> list[OpenGroup]:
        """Recomputes groups with the merged member, each as a finished recompute of its own, after an instant."""
        locked = [replace(group.group, recorded_at=max(group.group.recorded_at, after)) for group in groups]
        cause = cause_of(self._call, RecomputeTrigger.MERGE)
        moved: list[OpenGroup] = []
        writes = GroupWrites()
        for opened in await open_groups(self._core, self._call, self._tx, locked):
            recompute = await recomputes.begin(self._tx, opened.group, cause)
            moved.append(await run_recompute(self._core, self._call, self._tx, opened, recompute, writes))
        await self._core.record(self._tx, writes)
        return moved


def _typed(decisions: Sequence[Decision]) -> set[UUID]:
    """Returns the members whose type decisions set. A correction remains when the enroll before it is reverted."""
    return {
        change.member_id
        for decision in decisions
        for change in decision.changes
        if isinstance(change, Enroll | CorrectMembershipType)
    }


def _overruns(member_id: UUID, usage: Sequence[MovedUsage], groups: Mapping[UUID, OpenGroup]) -> list[Overrun]:
    """Returns the limits that a member's usage exceeds, judged by the module of the last service date."""
    found: list[Overrun] = []
    for used in usage:
        group = groups.get(used.group_id)
        if group is None:
            continue
        offers, day = Offers(group.basis.contract, 0), to_day(used.last_service_on)
        for key, days in group.state.items():
            offer = offers.on(key.module_id, day) if key.member_id == member_id and days.holds(day) else None
            limit = offer.limits.get(used.code) if offer else None
            if limit and limit.individual_amount is not None and used.used > limit.individual_amount:
                found.append(Overrun(used.group_id, used.term, used.code, limit.individual_amount, used.used))
    return found


def _listed(ids: Sequence[UUID]) -> str:
    return ", ".join(map(str, sorted(ids)))


# -------------------------------------------------------------------------------------------------- stored documents


def _to_document(
    facts: MergedFacts, identifiers: Sequence[Identifier], usage: Sequence[MovedUsage], groups: Sequence[OpenGroup]
) -> dict[str, Any]:
    """Returns what the merge moves, without the values of facts and identifiers, which are personal data."""
    return {
        "facts": list(facts.moved),
        "identifiers": len(identifiers),
        "usage": [[str(each.group_id), to_date(each.term).isoformat(), each.code] for each in usage],
        "groups": [str(group.group.group_id) for group in groups],
    }


def _to_answer(merged: Merged) -> dict[str, Any]:
    return {
        "revision": merged.member.revision,
        "groups": [[str(group.group_id), group.revision, group.made_revision] for group in merged.groups],
        "overruns": [
            [str(each.group_id), to_date(each.term).isoformat(), each.code, each.limit, each.used]
            for each in merged.overruns
        ],
    }


async def _from_answer(core: Core, tx: Connection, proposal: MergeProposal, answer: Mapping[str, Any]) -> Merged:
    return Merged(
        await core.members.state(tx, proposal.into_id, answer["revision"]),
        tuple(MergedGroup(UUID(group_id), revision, made) for group_id, revision, made in answer["groups"]),
        tuple(
            Overrun(UUID(group_id), to_day(date.fromisoformat(term)), code, limit, used)
            for group_id, term, code, limit, used in answer["overruns"]
        ),
    )
