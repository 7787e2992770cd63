"""Classifies the plan for a member by what happens to the member's days."""

from collections.abc import Iterable
from datetime import date

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.day_runs import NO_DAYS, DayRuns
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.planning.plan import Kind, ModuleDays


def kind_of(
    modules: Iterable[ModuleDays],
    other_days: Iterable[DayRuns],
    today: date,
    *,
    is_new: bool = False,
    reinstates: bool = False,
    has_facts: bool = False,
) -> Kind:
    """Returns the kind of a plan. `other_days` are the member's days on modules of the family that aren't in it."""
    modules = tuple(modules)
    before = after = _union(other_days)
    if all(each.before == each.after for each in modules):
        return Kind.ADD if is_new else Kind.CHANGE if has_facts else Kind.UNCHANGED
    before |= _union(each.before for each in modules)
    after |= _union(each.after for each in modules)
    if not any(each.added for each in modules):
        if not after:
            return Kind.CANCEL
        return Kind.TERMINATE if after.runs[-1].last_on < before.runs[-1].last_on else Kind.CHANGE
    if reinstates:
        return Kind.REINSTATE
    if not before:
        return Kind.ADD
    return Kind.CHANGE if before.runs[-1].last_on >= today else Kind.REINSTATE


def is_reinstated(person: Person) -> bool:
    """Returns whether the file reinstates a person as a member (INS03 is 025)."""
    return any(loop.member.maintenance == codes.REINSTATE for loop in person.loops)


def _union(sets: Iterable[DayRuns]) -> DayRuns:
    union = NO_DAYS
    for days in sets:
        union |= days
    return union
