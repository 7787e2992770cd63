"""Closed groups: after a member's facts are erased, the past of the member's groups can't be recomputed.

Such a group keeps its days before the day of the erasure, and is computed as usual from then on. The two parts are
independent, because whether a rule holds on a day depends on that day alone.
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
    """The fixed past of a group: the days of each enrollment before `until`.

    From `until` on, members in `erased` have no days. If the primary is among them, nobody has.
    """

    until: Day
    days: Mapping[EnrollmentKey, Days]
    erased: frozenset[UUID]
    primary_id: UUID

    def still_open(self, days: Mapping[EnrollmentKey, Days]) -> dict[EnrollmentKey, Days]:
        """Returns the days that can still change."""
        if self.primary_id in self.erased:
            return {}
        return {
            key: left
            for key, of_one in days.items()
            if key.member_id not in self.erased and (left := of_one - self._past)
        }

    def with_past(self, days: Mapping[EnrollmentKey, Days]) -> dict[EnrollmentKey, Days]:
        """Returns the days that can still change, together with the fixed ones."""
        joined = dict(days)
        for key, of_one in self.days.items():
            if past := of_one & self._past:
                joined[key] = joined[key] | past if key in joined else past
        return joined

    @property
    def _past(self) -> Days:
        return Days.of(Span(to_day(date.min), self.until))


def last_erasure(facts: Iterable[Facts]) -> date | None:
    """Returns the last day on which any of these facts were erased."""
    return max((each.erased_on for each in facts if each.erased_on), default=None)


def closed_by(
    facts: Mapping[UUID, Facts], members: Iterable[UUID], primary_id: UUID, days: Mapping[EnrollmentKey, Days]
) -> Closed | None:
    """Returns the closed past of a group with these members; None if nobody's facts were erased."""
    erased = frozenset(member_id for member_id in members if facts[member_id].erased_on)
    until = last_erasure(facts[member_id] for member_id in erased)
    return Closed(to_day(until), days, erased, primary_id) if until else None


def erased_among(facts: Mapping[UUID, Facts], member_ids: Iterable[UUID]) -> UUID | None:
    """Returns one of the members whose facts were erased; None if there is none."""
    return next((member_id for member_id in member_ids if member_id in facts and facts[member_id].erased_on), None)
