"""Decides which members of a family a file names, with which maintenance types and coverages. Pure functions."""

from collections.abc import Iterable
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import date

from affilia_cli.enrollment_export.coverage_loops import CoverageLoop, audited, differing
from affilia_cli.enrollment_export.families import ChangedFamily, Family, FamilyState
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.book import EnrollmentKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.coverage_mapping import CoverageMapping

Coverages = Lookup[str, CoverageMapping]
"""The mapping's entry for each module that has one. Coverages of a member are in this order."""


@dataclass(frozen=True, slots=True)
class MemberLoop:
    """One INS loop: INS03 and the HD loops, each with the entry of the mapping for its module.

    The statuses are INS05, INS06 and INS08, as the entries ask for them (`statuses.py`).
    """

    member_id: str
    membership_type: str
    maintenance: str
    coverages: tuple[tuple[CoverageMapping, CoverageLoop], ...]
    benefit_status: str = codes.ACTIVE
    medicare: str = ""
    employment_status: str = ""


def full_loops(family: Family, coverages: Coverages, today: date) -> list[MemberLoop]:
    """Returns everyone who is enrolled today or later, the subscriber first.

    A subscriber without coverage is included if a dependant has some, because dependants belong to a subscriber.
    """
    found: dict[str, list[tuple[CoverageMapping, CoverageLoop]]] = {}
    state = family.state.restricted_to(coverages.keys())
    for key in _in_order(state.days, coverages):
        if loops := audited(state.on(key), today):
            found.setdefault(key.member_id, []).extend((coverages[key.module_id], loop) for loop in loops)
    if found:
        found.setdefault(family.primary_id, [])
    return [
        MemberLoop(member_id, _type(member_id, family.primary_id, family.state), codes.AUDIT, tuple(found[member_id]))
        for member_id in _subscriber_first(found, family.primary_id)
    ]


def changed_loops(
    changed: ChangedFamily, coverages: Coverages, *, own_numbers: bool, reinstate_to_shorten: bool
) -> list[MemberLoop]:
    """Returns everyone whose days or membership type differ, the subscriber first.

    A subscriber who doesn't differ is included if the receiver can't know them yet, or if dependants have only numbers
    of their own (`own_numbers`) and therefore belong to the subscriber before them.
    """
    changed = changed.restricted_to(coverages.keys())
    found: dict[str, list[tuple[CoverageMapping, CoverageLoop]]] = {
        member_id: [] for member_id in changed.corrected if changed.after.of_member(member_id)
    }
    for key in _in_order(changed.changed_keys(), coverages):
        loops = differing(
            changed.before.on(key),
            changed.after.on(key),
            reinstated=key in changed.reinstated,
            reinstate_to_shorten=reinstate_to_shorten,
        )
        found.setdefault(key.member_id, []).extend((coverages[key.module_id], loop) for loop in loops)
    primary_id = changed.primary_id
    planned = [
        MemberLoop(
            member_id,
            _type(member_id, primary_id, changed.after),
            _maintenance(member_id, changed, [loop for _, loop in found[member_id]]),
            tuple(found[member_id]),
        )
        for member_id in _subscriber_first(found, primary_id)
    ]
    if planned and primary_id not in found:
        is_unknown = not changed.before.of_member(primary_id) and not changed.after.of_member(primary_id)
        is_new = is_unknown and any(each.maintenance == codes.ADD for each in planned)
        if is_new or own_numbers:
            planned.insert(0, MemberLoop(primary_id, "PRIMARY", codes.ADD if is_new else codes.CHANGE, ()))
    return planned


def unmapped_keys(keys: Iterable[EnrollmentKey], coverages: Coverages) -> list[EnrollmentKey]:
    """Returns the enrollments on modules that the mapping doesn't have."""
    return [key for key in keys if key.module_id not in coverages]


def _maintenance(member_id: str, changed: ChangedFamily, loops: list[CoverageLoop]) -> str:
    """Returns INS03: an addition if the member had no coverage before, an end if all coverage ends earlier.

    The end of a subscriber also ends the dependants whom the file doesn't name. If a dependant stays covered longer,
    only the subscriber's coverages end, not the subscriber.
    """
    before, after = changed.before.of_member(member_id), changed.after.of_member(member_id)
    if loops and not before:
        return codes.ADD
    if not loops or not all(loop.ends for loop in loops) or _last_day(after) >= _last_day(before):
        return codes.CHANGE
    if member_id == changed.primary_id:
        dependants = {key.member_id for key in changed.after.days} - {member_id}
        if any(_last_day(changed.after.of_member(each)) > _last_day(after) for each in dependants):
            return codes.CHANGE
    return codes.END


def _last_day(days: DayRuns) -> date:
    return days.runs[-1].last_on if days else date.min


def _type(member_id: str, primary_id: str, state: FamilyState) -> str:
    return "PRIMARY" if member_id == primary_id else state.types[member_id]


def _in_order(keys: Iterable[EnrollmentKey], coverages: Coverages) -> list[EnrollmentKey]:
    positions = {module_id: i for i, module_id in enumerate(coverages)}
    return sorted(keys, key=lambda key: (key.member_id, positions[key.module_id]))


def _subscriber_first(member_ids: Iterable[str], primary_id: str) -> list[str]:
    return sorted(member_ids, key=lambda member_id: (member_id != primary_id, member_id))
