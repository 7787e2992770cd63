"""The choices of a member on a day: every module of the version in force, with reasons if it isn't allowed."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Day, Days, Span, to_date
from domain.enrollment.bounds import Bounds
from domain.enrollment.commitment import commitment_end
from domain.enrollment.decisions import Enroll, EnrollmentKey
from domain.enrollment.desired import lay_over
from domain.enrollment.explaining import Reasons, why_not
from domain.enrollment.group import GroupBasis
from domain.enrollment.resettling import Resettling
from domain.enrollment.settling import Settlement, settle
from domain.enrollment.verdicts import Violation
from domain.membership import MembershipType

LOOK_AHEAD_YEARS = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """A module as a member can choose it on a day.

    `first_allowed_later` is set only if the module isn't allowed on that day, but is within two years. If the member is
    enrolled and the module has a commitment, `committed_until` is the last committed day of the current run.
    """

    module_id: UUID
    enrolled: bool
    allowed: bool
    reasons: tuple[Violation, ...]
    first_allowed_later: date | None
    committed_until: date | None
    reasons_omitted: int = 0


@dataclass(frozen=True, slots=True)
class Effect:
    """The enrollments that a day gains and loses when the module is desired from that day on."""

    gained: frozenset[EnrollmentKey]
    lost: frozenset[EnrollmentKey]


def available_choices(
    basis: GroupBasis, member_id: UUID, membership_type: MembershipType, on: Day
) -> Iterator[tuple[Choice, Effect]]:
    """Yields every module of the version in force, in the contract's order; none if no version is in force.

    Each module is tried with all other desired days unchanged, except that it replaces the modules of its slot.
    Backdating, commitments and consequences are ignored. A member's known type takes precedence over `membership_type`.
    """
    version = basis.contract.version_on(on)
    if version is None:
        return
    rulebook = basis.rulebook({member_id: membership_type} | basis.membership_types())
    now = settle(basis.folded.desired, rulebook)
    trials = Resettling(now)
    ahead = Span(on, years_after(on) + 1)
    bounds = Bounds.of_each(len(version.modules))
    for module in version.modules:
        key = EnrollmentKey(member_id, module.module_id)
        tried, differing = trials.with_desired(_asked(key, ahead, now, basis.contract))
        run = now.settled.of(key).run_holding(on)
        end = commitment_end(basis.contract, key, run.start) if run else None
        allowed, reasons, later = _allowed(key, ahead, tried, bounds)
        committed_until = to_date(end - 1) if end else None
        choice = Choice(
            module.module_id, run is not None, allowed, reasons.violations, later, committed_until, reasons.omitted
        )
        yield choice, _effect(now, tried, differing, on)


def _effect(now: Settlement, tried: Settlement, differing: Set[EnrollmentKey], on: Day) -> Effect:
    had = {key for key in differing if now.settled.of(key).holds(on)}
    has = {key for key in differing if tried.settled.of(key).holds(on)}
    return Effect(frozenset(has - had), frozenset(had - has))


def _asked(key: EnrollmentKey, ahead: Span, now: Settlement, contract: Contract) -> Mapping[EnrollmentKey, Days]:
    """Returns the desired days of a module and of the others in its slot when the module is chosen.

    All days ahead can be tried together, because whether a rule holds on a day depends on that day alone.
    """
    concerned = (key, *(EnrollmentKey(key.member_id, mate) for mate in contract.mates(key.module_id)))
    desired = {each: days for each in concerned if (days := now.desired.get(each))}
    lay_over(
        desired, (Enroll(key.member_id, now.rulebook.membership_types[key.member_id], key.module_id, ahead),), contract
    )
    return desired


def _allowed(key: EnrollmentKey, ahead: Span, tried: Settlement, bounds: Bounds) -> tuple[bool, Reasons, date | None]:
    """Returns whether the module is allowed on the first day ahead; if not, the reasons, and the first later day on
    which it is.
    """
    had = tried.settled.of(key) & Days.of(ahead)
    if had.holds(ahead.start):
        return True, Reasons((), 0), None
    return False, why_not(key, Days.of_day(ahead.start), tried, bounds), to_date(had.first) if had else None


def years_after(on: Day) -> Day:
    day = to_date(on)
    try:
        return day.replace(year=day.year + LOOK_AHEAD_YEARS).toordinal()
    except ValueError:
        # 29 February, or a year beyond the calendar.
        return on + 365 * LOOK_AHEAD_YEARS
