"""Computes the choices of a member the slow way: settles the whole group for every module."""

from collections.abc import Iterator
from uuid import UUID

from domain.days import NO_DAYS, Day, Days, Span, to_date
from domain.enrollment.choices import Choice, years_after
from domain.enrollment.commitment import commitment_end
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey
from domain.enrollment.desired import desired_days
from domain.enrollment.explaining import why_not
from domain.enrollment.group import GroupBasis
from domain.enrollment.settling import Settlement, settle
from domain.membership import MembershipType


def naive_choices(
    basis: GroupBasis, member_id: UUID, membership_type: MembershipType, on: Day
) -> Iterator[tuple[Choice, Settlement]]:
    """Does the same as `domain.enrollment.choices.available_choices`, without sharing work between modules."""
    version = basis.contract.version_on(on)
    types = {member_id: membership_type} | basis.membership_types()
    for module in version.modules if version else ():
        key = EnrollmentKey(member_id, module.module_id)
        now = settle(desired_days(basis.counting(), basis.contract), basis.rulebook(types))
        run = now.days.get(key, NO_DAYS).run_holding(on)
        end = commitment_end(basis.contract, key, run.start) if run else None
        ahead = Span(on, years_after(on) + 1)
        asked = Enroll(member_id, types[member_id], module.module_id, ahead)
        decisions = (*basis.counting(), Decision((asked,)))
        tried = settle(desired_days(decisions, basis.contract), basis.rulebook(types))
        had = tried.days.get(key, NO_DAYS) & Days.of(ahead)
        allowed = had.holds(on)
        yield (
            Choice(
                module.module_id,
                run is not None,
                allowed,
                () if allowed else why_not(key, Days.of_day(on), tried).violations,
                to_date(had.first) if had and not allowed else None,
                to_date(end - 1) if end else None,
            ),
            tried,
        )
