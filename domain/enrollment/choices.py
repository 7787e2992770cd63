"""What a member could choose on a day: every module of the version in force, with reasons where it is not allowed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.days import NO_DAYS, Day, Days, Span, to_date
from domain.enrollment.commitment import commitment_end
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey
from domain.enrollment.desired import desired_days, lay_over
from domain.enrollment.explaining import why_not
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.settling import settle
from domain.enrollment.verdicts import Violation
from domain.membership import MembershipType

LOOK_AHEAD_YEARS = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """A module, seen from a day.

    `first_allowed_later` only where it is not allowed, within two years. `committed_until` is the last committed day of
    the run that the day lies in, where the member is enrolled and the module commits.
    """

    module_id: UUID
    enrolled: bool
    allowed: bool
    reasons: tuple[Violation, ...]
    first_allowed_later: date | None
    committed_until: date | None


def available_choices(basis: GroupBasis, member_id: UUID, membership_type: MembershipType, on: Day) -> Iterator[Choice]:
    """Every module of the version in force, in the contract's order; none outside the contract's life.

    Everything else desired as it is, the module's slot mate switched away; backdating, commitment and consequences play
    no part. A member's known type wins over the given one.
    """
    version = basis.contract.version_on(on)
    state = replay(basis).days
    for module in version.modules if version else ():
        key = EnrollmentKey(member_id, module.module_id)
        run = state.get(key, NO_DAYS).run_holding(on)
        end = commitment_end(basis.contract, key, run.start) if run else None
        allowed, reasons, later = _allowed(basis, key, membership_type, on)
        yield Choice(module.module_id, run is not None, allowed, reasons, later, to_date(end - 1) if end else None)


def _allowed(
    basis: GroupBasis, key: EnrollmentKey, membership_type: MembershipType, on: Day
) -> tuple[bool, tuple[Violation, ...], date | None]:
    """Whether the module could be had on a day; else why not, and the first later day on which it could."""
    ahead = Days.of(Span(on, _years_after(on) + 1))
    asked = Enroll(key.member_id, membership_type, key.module_id, ahead.hull)
    types = {**basis.membership_types()}
    types.setdefault(key.member_id, membership_type)
    desired = desired_days(basis.decisions, basis.contract)
    lay_over(desired, Decision((asked,)).changes, basis.contract)
    # Whether a rule holds on a day depends on that day alone, so that all days can be tried at once.
    settlement = settle(desired, basis.rulebook(types))
    had = settlement.days.get(key, NO_DAYS) & ahead
    if had.holds(on):
        return True, (), None
    reasons = tuple(why_not(key, Days.of_day(on), settlement))
    return False, reasons, to_date(had.first) if had else None


def _years_after(on: Day) -> Day:
    day = to_date(on)
    try:
        return day.replace(year=day.year + LOOK_AHEAD_YEARS).toordinal()
    except ValueError:
        # 29 February, or a year that the calendar does not have.
        return on + 365 * LOOK_AHEAD_YEARS
