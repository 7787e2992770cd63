"""A slow and obvious model of the days that a file means: sets of single days, straight from the rules of `files.md`.

Days are small numbers. `FOREVER` stands for all days after the window: a set that contains it has no end.
"""

from collections.abc import Mapping as Lookup
from collections.abc import Sequence
from typing import NamedTuple

FOREVER = 40
ALL = range(FOREVER + 1)


class NaiveEnd(NamedTuple):
    """024, or 002 if `deletes`, with DTP 348 (or None) and the last covered day."""

    begins: int | None
    last: int
    deletes: bool


class NaiveStatement(NamedTuple):
    """A coverage from a first to a last day, which is FOREVER without DTP 349. `corrects`: 026."""

    begins: int
    last: int
    corrects: bool

    @property
    def days(self) -> set[int]:
        return set(range(self.begins, self.last + 1))


class NaiveModule(NamedTuple):
    ends: Sequence[NaiveEnd]
    statements: Sequence[NaiveStatement]


def runs_of(days: set[int]) -> list[set[int]]:
    """Returns the maximal runs of consecutive days."""
    runs: list[set[int]] = []
    for day in sorted(days):
        if runs and day - 1 in runs[-1]:
            runs[-1].add(day)
        else:
            runs.append({day})
    return runs


def meant_by(end: NaiveEnd, days: set[int]) -> list[set[int]]:
    """Returns the runs that an end means."""
    if end.begins is not None and end.begins <= end.last:
        return [run for run in runs_of(days) if any(end.begins <= day <= end.last for day in run)]
    return [run for run in runs_of(days) if end.last in run or end.last + 1 in run]


def after_ends(days: set[int], ends: Sequence[NaiveEnd]) -> set[int]:
    gone: set[int] = set()
    for end in ends:
        for run in meant_by(end, days):
            gone |= run if end.deletes else {day for day in run if day > end.last}
    return days - gone


def stated_days(module: NaiveModule) -> set[int]:
    return set().union(*(each.days for each in module.statements))


def module_after(days: set[int], module: NaiveModule, whole_from: int | None, follows: bool) -> set[int]:
    """Returns the days after rules 1 to 4."""
    stated, after = stated_days(module), set[int]()
    for run in runs_of(after_ends(days, module.ends)):
        touched = run & stated
        if not touched:
            after |= run
            continue
        begins = min(touched)
        corrected = any(each.corrects and begins in each.days for each in module.statements)
        if not corrected and not (follows and whole_from is not None):
            after |= {day for day in run if day < begins}
    after |= stated
    if whole_from is None:
        return after
    covered_until_end = {
        day for end in module.ends if not end.deletes for run in meant_by(end, days) for day in run if day <= end.last
    } & after_ends(days, module.ends)
    return {day for day in after if day < whole_from or day in stated or day in covered_until_end}


def days_after(
    before: Lookup[str, set[int]],
    stated: Lookup[str, NaiveModule],
    slots: Lookup[str, str],
    whole_from: int | None,
    follows: bool,
) -> dict[str, set[int]]:
    """Returns the days after a file, by module."""
    nothing = NaiveModule((), ())
    alone = {
        name: module_after(before.get(name, set()), stated.get(name, nothing), whole_from, follows) for name in slots
    }
    return {
        name: {
            day
            for day in alone[name]
            if not any(day in alone[mate] - before.get(mate, set()) for mate in mates_of(name, slots))
        }
        for name in slots
    }


def mates_of(name: str, slots: Lookup[str, str]) -> list[str]:
    """Returns the other modules of a module's slot."""
    return [mate for mate, slot in slots.items() if mate != name and slot and slot == slots[name]]


def is_rejected(before: Lookup[str, set[int]], stated: Lookup[str, NaiveModule], slots: Lookup[str, str]) -> bool:
    """Returns whether two modules of a slot are stated for one day, or a deletion can mean several runs."""
    exclusive = any(
        stated_days(stated[one]) & stated_days(stated[other])
        for one in stated
        for other in mates_of(one, slots)
        if other in stated
    )
    return exclusive or any(
        end.deletes and len(meant_by(end, before.get(name, set()))) > 1
        for name, module in stated.items()
        for end in module.ends
    )
