"""Recomputes a group from its decisions, independently of its revisions."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.days import Days
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.unmet import UnmetEnrolls, unmet_enrolls


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The settled days of a group, and which decisions they don't fully meet."""

    days: Mapping[EnrollmentKey, Days]
    unmet: UnmetEnrolls


def recomputed(basis: GroupBasis, before: Mapping[EnrollmentKey, Days]) -> Recomputed:
    """Settles a group again. `before` are the days settled until now."""
    settlement = replay(basis)
    return Recomputed(settlement.days, unmet_enrolls(basis, settlement, before))


def replayed_days(basis: GroupBasis) -> Mapping[EnrollmentKey, Days]:
    """Returns only the settled days of a group."""
    return replay(basis).days
