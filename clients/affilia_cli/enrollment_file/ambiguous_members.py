"""Finds numbers that a file gives to several people.

One person can occur in several INS loops and sets, under a new name or with a corrected birth date. Loops with one
number therefore only contradict each other if both the first name and the birth date differ.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import NamedTuple

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.file import EnrollmentFile, FileMember
from affilia_cli.enrollment_file.findings import Finding, error
from affilia_cli.enrollment_file.placeholders import is_placeholder

MAX_NAMED = 3
"""The maximum number of people whom a message names."""


class _Number(NamedTuple):
    kind: str
    value: str


class _Identity(NamedTuple):
    first_name: str
    born_on: date


@dataclass(slots=True)
class _Holders:
    """The people who have a number: each with their first loop, and how many share a first name or a birth date."""

    loops: dict[_Identity, FileMember] = field(default_factory=dict)
    first_names: Counter[str] = field(default_factory=Counter)
    birth_dates: Counter[date] = field(default_factory=Counter)

    def add(self, identity: _Identity, member: FileMember) -> None:
        if identity not in self.loops:
            self.loops[identity] = member
            self.first_names[identity.first_name] += 1
            self.birth_dates[identity.born_on] += 1

    def contradict(self, identity: _Identity) -> bool:
        """Whether another person with this number has another first name and another birth date."""
        alike = self.first_names[identity.first_name] + self.birth_dates[identity.born_on] - 1
        return len(self.loops) > alike


def ambiguous_members(file: EnrollmentFile) -> Iterator[Finding]:
    """Yields an error for each loop whose number belongs to somebody else, too."""
    members = file.members
    holders = {number: _Holders() for number in _shared_numbers(members)}
    if not holders:
        return
    for member in members:
        if identity := _identity(member):
            for number in _numbers(member):
                if number in holders:
                    holders[number].add(identity, member)
    for member in members:
        if identity := _identity(member):
            for number in _numbers(member):
                if number in holders and holders[number].contradict(identity):
                    yield _ambiguous(member, number, holders[number])


def _shared_numbers(members: Iterable[FileMember]) -> set[_Number]:
    """Returns the numbers of people with more than one name or birth date."""
    first: dict[str, dict[str, FileMember]] = {}
    shared = set()
    for member in members:
        if identity := _identity(member):
            for number in _numbers(member):
                known = first.setdefault(number.kind, {}).setdefault(number.value, member)
                if known is not member and _identity(known) != identity:
                    shared.add(number)
    return shared


def _identity(member: FileMember) -> _Identity | None:
    """Returns None for people who can't be told apart, and for corrections, whose earlier data is meant to differ."""
    if not member.first_name or not member.born_on or member.incorrect:
        return None
    return _Identity(member.first_name.casefold(), member.born_on)


def _numbers(member: FileMember) -> Iterator[_Number]:
    """Yields each number that identifies, with its kind. A dependant's REF 0F can be the subscriber's number."""
    if member.is_subscriber and (number := member.reference(codes.SUBSCRIBER_NUMBER)):
        yield _Number("subscriber number (REF 0F)", number)
    if number := member.reference(codes.CLIENT_NUMBER):
        yield _Number("client number (REF 23)", number)
    number = member.reference(codes.SOCIAL_SECURITY_NUMBER)
    if number and not is_placeholder(number):
        yield _Number("social security number", number)
    number = member.person_number
    if number and not is_placeholder(number):
        is_social = member.person_number_qualifier == codes.SOCIAL_SECURITY
        yield _Number("social security number" if is_social else "member number (NM109)", number)


def _ambiguous(member: FileMember, number: _Number, held: _Holders) -> Finding:
    first = islice(held.loops.values(), MAX_NAMED)
    people = ", ".join(f"{each.display_name} in segment {each.first_segment}" for each in first)
    if (more := len(held.loops) - MAX_NAMED) > 0:
        people += f" and {more} more"
    message = (
        f"The {number.kind} {number.value} belongs to several people with different names and birth dates: {people}."
    )
    return error("MEMBER_AMBIGUOUS", message, member.first_segment, "2000", "INS")
