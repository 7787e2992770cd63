"""Conventions for single INS loops: elements that stand for others, and cover that dependants share."""

import sys
from collections.abc import Iterator
from datetime import date

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.people.people import PersonLoop
from affilia_cli.enrollment_file.reading.file import Coverage, FileMember


def member_last_day(member: FileMember) -> date | None:
    """Returns the last covered day of a member who ends, or None if the file doesn't have it."""
    ends = [coverage.ends_on for coverage in member.coverages if coverage.ends_on]
    return member.day(codes.ELIGIBLE_UNTIL) or max(ends, default=None) or member.day(codes.CHANGED_ON)


def benefit_status(loop: PersonLoop) -> str:
    """Returns INS05. A dependant without one has the subscriber's."""
    subscriber = loop.subscriber
    return loop.member.benefit_status or (subscriber.benefit_status if subscriber else "") or codes.ACTIVE


def shared_coverages(loop: PersonLoop, membership_type: str) -> Iterator[tuple[Coverage, date]]:
    """Yields the subscriber's coverages whose level includes a dependant, and their first days for the dependant."""
    subscriber, member = loop.subscriber, loop.member
    if subscriber is None or member.is_subscriber or subscriber.maintenance == codes.END:
        return
    levels = codes.LEVELS_THAT_INCLUDE.get(membership_type, frozenset[str]())
    for coverage in subscriber.coverages:
        states = coverage.maintenance not in (*codes.COVERAGE_ENDS, codes.NOT_APPLICABLE)
        begins = (
            coverage.begins_on or subscriber.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON),
            member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON),
        )
        first_on = max((day for day in begins if day), default=None)
        if states and coverage.level in levels and first_on:
            yield coverage, first_on


def reason_code(member: FileMember) -> str:
    """Returns the reason code of changes: INS03 and INS04."""
    return sys.intern(f"834-{member.maintenance}" + (f"-{member.reason}" if member.reason else ""))


def earliest(*days: date | None) -> date:
    """Returns the earliest of the days that are known, or `date.max`, which means no end."""
    return min((day for day in days if day), default=date.max)
