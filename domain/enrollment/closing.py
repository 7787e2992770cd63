"""Groups of somebody whose facts were erased: their past is closed, since it could not be computed again.

Before the day of the erasure such a group keeps the days that it had; from then on it is computed as ever. Whether a
rule holds on a day depends on that day alone, so the two parts do not touch each other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.days import Day, Days, Span, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.members import Facts


@dataclass(frozen=True, slots=True)
class Closed:
    """A past that stays: the days of each enrollment before `until`. From then on `erased` have no days, nor has
    anybody where the primary is among them."""

    until: Day
    days: Mapping[EnrollmentKey, Days]
    erased: frozenset[UUID]
    primary_id: UUID

    def still_open(self, days: Mapping[EnrollmentKey, Days]) -> dict[EnrollmentKey, Days]:
        """Of some days, those that can still change."""
        if self.primary_id in self.erased:
            return {}
        return {
            key: left for key, its in days.items() if key.member_id not in self.erased and (left := its - self._past)
        }

    def with_past(self, days: Mapping[EnrollmentKey, Days]) -> dict[EnrollmentKey, Days]:
        """Days that can change, and those that cannot."""
        joined = dict(days)
        for key, its in self.days.items():
            if past := its & self._past:
                joined[key] = joined[key] | past if key in joined else past
        return joined

    @property
    def _past(self) -> Days:
        return Days.of(Span(to_day(date.min), self.until))


def last_erasure(facts: Iterable[Facts]) -> date | None:
    """The last day on which any of some people's facts were erased."""
    return max((its.erased_on for its in facts if its.erased_on), default=None)


def closed_by(
    facts: Mapping[UUID, Facts], members: Iterable[UUID], primary_id: UUID, days: Mapping[EnrollmentKey, Days]
) -> Closed | None:
    """How a group with such members is closed; None: it is not, since nobody's facts were erased."""
    erased = frozenset(member_id for member_id in members if facts[member_id].erased_on)
    until = last_erasure(facts[member_id] for member_id in erased)
    return Closed(to_day(until), days, erased, primary_id) if until else None


def erased_among(facts: Mapping[UUID, Facts], member_ids: Iterable[UUID]) -> UUID | None:
    """One of some members whose facts were erased."""
    return next((member_id for member_id in member_ids if member_id in facts and facts[member_id].erased_on), None)
