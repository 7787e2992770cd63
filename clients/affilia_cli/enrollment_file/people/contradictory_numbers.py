"""Finds different people with the same number in a file: another date of birth and another first name."""

from collections.abc import Iterable, Sequence
from datetime import date

from affilia_cli.enrollment_file.people.identity import said_about
from affilia_cli.enrollment_file.people.loop_groups import LoopGroups
from affilia_cli.enrollment_file.reading.file import FileMember


def different_people(members: Sequence[FileMember]) -> list[list[int]]:
    """Returns the positions of the loops of each person, if several loops have the same number.

    Loops with the same first name or the same date of birth are about one person, directly or through other loops.
    Corrected values count, too. Loops without a first name or a date of birth don't contradict others.
    """
    joined = LoopGroups(len(members))
    first: dict[str | date, int] = {}
    for position, member in enumerate(members):
        for said in said_about(member):
            for value in (*said.first_name[:1], *((said.born_on,) if said.born_on else ())):
                joined.join(position, first.setdefault(value, position))
    known: list[list[int]] = []
    vague: list[list[int]] = []
    for group in joined.groups():
        (known if _has_both(members[position] for position in group) else vague).append(group)
    if not known:
        return [sorted(position for group in vague for position in group)]
    return [sorted((*known[0], *(position for group in vague for position in group))), *known[1:]]


def are_different(one: FileMember, other: FileMember) -> bool:
    return len(different_people((one, other))) > 1


def _has_both(members: Iterable[FileMember]) -> bool:
    said = [each for member in members for each in said_about(member)]
    return any(each.first_name for each in said) and any(each.born_on for each in said)
