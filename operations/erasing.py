"""Erases a member's personal data without changing the history of others.

Facts, names and texts are removed from every recorded state. Ids, periods, premiums and applications stay, because the
law requires records of what was decided and paid; the periods of a member without premiums and applications can be
removed too. The records that were merged into the member are erased with it. None of this can be recomputed afterwards,
so the past of every group that the member ever belonged to is closed (`domain/enrollment/closing.py`). The call returns
when no server can report erased data from memory (`erasure_lease.py`).
"""

import asyncio
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.days import to_day
from domain.errors import DomainError, MemberStillCovered, MemberUnknown, WriteConflict
from operations.call import Call
from operations.catching_up import caught_up
from operations.core import Core
from operations.erasure_lease import LEASE_SECONDS, MARGIN_SECONDS, steady_seconds
from operations.legacy.gate import reject_legacy_members
from operations.opening import OpenGroup, open_groups
from operations.premium_computing import PremiumMonths, compute_groups
from storage import enrollment, erasures, merges, premiums
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.requests import WriteKey, find_answer, store_answer

MONTHS_PER_COMPUTATION = 120
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Erased:
    """The day of the erasure, the number of groups closed before that day, and the number of the erasure."""

    on: date
    groups: int
    number: int


async def erase_member(core: Core, call: Call, key: WriteKey, member_id: UUID, *, keep_periods: bool) -> Erased:
    """Erases a member after running the waiting recomputes of their groups, which need the facts.

    Raises MemberUnknown, MemberMerged, MemberStillCovered, PeriodsInUse, CannotBePriced, RequestIdReused.
    """

    async def work(tx: Connection) -> Erased:
        if answer := await find_answer(tx, key):
            return Erased(date.fromisoformat(answer["on"]), answer["groups"], answer.get("number", 0))
        await reject_legacy_members(core, tx, [member_id], "a member of the legacy tables can't be erased")
        await merges.reject_merged(tx, [member_id])  # before premiums are computed; again below, under the lock
        groups = await enrollment.groups_of_member(tx, member_id)
        opened = await open_groups(core, call, tx, await enrollment.lock_groups(tx, groups))
        call.trail.resolved(group_id=[group.group.group_id for group in opened])
        for each in opened:
            group = await caught_up(core, call, tx, each)
            _reject_covered(call, member_id, group)
            await _compute_premiums(core, call, tx, group)
        merged = await merges.merged_into(tx, member_id)
        await lock(tx, Lock.MEMBER, member_id, *merged)
        await merges.reject_merged(tx, [member_id])
        if await enrollment.groups_of_member(tx, member_id) != groups:
            raise WriteConflict  # the member has joined another group since
        if await merges.merged_into(tx, member_id) != merged:
            raise WriteConflict  # another record was merged into the member since
        current = await core.members.recorded(tx, member_id)
        if current is None:
            raise MemberUnknown(member_id)
        today = max((_today(call, group) for group in opened), default=call.today("UTC"))
        on = current.member.facts.erased_on or today
        made_by = erasures.MadeBy(call.call_id, call.actor)
        for other in merged:
            await erasures.erase(tx, other, on, made_by, keep_periods=keep_periods)
        number = await erasures.erase(tx, member_id, on, made_by, keep_periods=keep_periods)
        await store_answer(tx, key, {"on": on.isoformat(), "groups": len(groups), "number": number})
        return Erased(on, len(groups), number)

    erased = await core.write(call, work)
    core.sequencing.wanted.set()  # a waiting recompute may have run
    await _wait_until_forgotten(core, erased.number)
    return erased


async def _wait_until_forgotten(core: Core, number: int) -> None:
    """Waits until no server can report from memory what a committed erasure has erased.

    A server whose lease has expired can't, whether it is frozen, disconnected or stopped: it would have seen the
    erasure when renewing. Raises DatabaseUnavailable. A repeated call waits again.
    """
    lease = LEASE_SECONDS + MARGIN_SECONDS
    expires_at = steady_seconds() + lease
    while steady_seconds() < expires_at:
        async with core.database.reading() as connection:
            if not await erasures.count_servers_with_old_caches(connection, number, lease):
                return
        await asyncio.sleep(POLL_SECONDS)


async def _compute_premiums(core: Core, call: Call, tx: Connection, opened: OpenGroup) -> None:
    """Recomputes all months of a policy that were ever computed, including future months, while that is still possible.

    Raises CannotBePriced: prices must be corrected before the erasure.
    """
    group = opened.group
    for first, last in await premiums.computed_months(tx, group.group_key, 0):
        for month in range(first, last + 1, MONTHS_PER_COMPUTATION):
            months = PremiumMonths(month, min(last, month + MONTHS_PER_COMPUTATION - 1))
            outcome = (await compute_groups(core, call, tx, [group], months))[group.group_key]
            if isinstance(outcome, DomainError):
                raise outcome


def _today(call: Call, opened: OpenGroup) -> date:
    return call.today(opened.basis.contract.time_zone)


def _reject_covered(call: Call, member_id: UUID, opened: OpenGroup) -> None:
    """Raises MemberStillCovered if the member, or for a primary any member of the group, is covered today or later."""
    today, primary = to_day(_today(call, opened)), opened.basis.primary_id == member_id
    for key, days in opened.state.items():
        if (primary or key.member_id == member_id) and days.last >= today:
            raise MemberStillCovered(key.member_id, opened.group.group_id)
