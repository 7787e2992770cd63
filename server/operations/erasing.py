"""Erasing what is known of a member, without breaking what others' histories rest on.

Facts, names and notes go, from every state that was ever recorded. Ids, periods, premiums and applications stay: they
are what was decided and what was paid, and the law wants them kept. Since they could not be computed again, the past of
every group that the member ever belonged to is closed (`domain/enrollment/closing.py`).
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.days import to_day
from domain.errors import DomainError, MemberStillCovered, MemberUnknown, WriteConflict
from server.operations.call import Call
from server.operations.core import Core
from server.operations.opening import OpenGroup, open_groups
from server.operations.premium_computing import PremiumMonths, compute_groups
from server.operations.revising import catch_up
from storage import enrollment, premiums
from storage.database import Connection
from storage.members import erase
from storage.requests import WriteKey, answered, lock, remember

MONTHS_AT_ONCE = 120


@dataclass(frozen=True, slots=True)
class Erased:
    """When, and how many groups were closed before that day."""

    on: date
    groups: int


async def erase_member(core: Core, call: Call, key: WriteKey, member_id: UUID) -> Erased:
    """Recomputes that wait for the member's groups are done first, while facts are there to do them with.

    Raises MemberUnknown, MemberStillCovered, CannotBePriced, RequestIdReused.
    """

    async def work(tx: Connection) -> Erased:
        if answer := await answered(tx, key):
            return Erased(date.fromisoformat(answer["on"]), answer["groups"])
        groups = await enrollment.groups_of_member(tx, member_id)
        opened = await open_groups(core, tx, await enrollment.lock_groups(tx, groups))
        for group in opened:
            caught_up = await catch_up(call, tx, group)
            _refuse_covered(call, member_id, caught_up)
            await _compute_premiums(core, call, tx, caught_up)
        await lock(tx, "member", member_id)
        if await enrollment.groups_of_member(tx, member_id) != groups:
            raise WriteConflict  # the member has come into another group meanwhile
        current = await core.members.recorded(tx, member_id)
        if current is None:
            raise MemberUnknown(member_id)
        on = current.member.facts.erased_on
        if on is None:
            on = max((_today(call, group) for group in opened), default=call.today("UTC"))
            await erase(tx, member_id, on)
        await remember(tx, key, {"on": on.isoformat(), "groups": len(groups)})
        return Erased(on, len(groups))

    erased = await core.write(call, work)
    core.events_written.set()  # a recompute that waited may have been done
    return erased


async def _compute_premiums(core: Core, call: Call, tx: Connection, opened: OpenGroup) -> None:
    """Computes again, while it can be, what was ever computed of a policy, also ahead. Raises CannotBePriced where that
    is not possible: prices are to be mended first."""
    group = opened.group
    for first, last in await premiums.computed_months(tx, group.group_key, 0):
        for month in range(first, last + 1, MONTHS_AT_ONCE):
            months = PremiumMonths(month, min(last, month + MONTHS_AT_ONCE - 1))
            outcome = (await compute_groups(core, call, tx, [group], months))[group.group_key]
            if isinstance(outcome, DomainError):
                raise outcome


def _today(call: Call, opened: OpenGroup) -> date:
    return call.today(opened.basis.contract.time_zone)


def _refuse_covered(call: Call, member_id: UUID, opened: OpenGroup) -> None:
    """Raises MemberStillCovered; for a primary also where anybody else is."""
    today, primary = to_day(_today(call, opened)), opened.basis.primary_id == member_id
    for key, days in opened.state.items():
        if (primary or key.member_id == member_id) and days.last >= today:
            raise MemberStillCovered(key.member_id, opened.group.group_id)
