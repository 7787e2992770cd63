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


def read_with_aliases(
    days: Mapping[EnrollmentKey, Days], aliases: Mapping[UUID, UUID], slots: Mapping[UUID, str | None]
) -> Mapping[EnrollmentKey, Days]:
    """Returns recorded days with merged members replaced by those into whom they were merged.

    Where both records of a person were on different modules of one slot, only the days of the remaining record stay,
    because nobody can be on two modules of a slot.
    """
    if not any(key.member_id in aliases for key in days):
        return days
    joined = {key: of_one for key, of_one in days.items() if key.member_id not in aliases}
    for key in sorted((key for key in days if key.member_id in aliases), key=lambda key: key.order):
        into, slot = EnrollmentKey(aliases[key.member_id], key.module_id), slots[key.module_id]
        added = days[key]
        for other, of_other in joined.items():
            if slot is not None and other.member_id == into.member_id and slots[other.module_id] == slot:
                added -= of_other
        joined[into] = joined[into] | added if into in joined else added
    return {key: of_one for key, of_one in joined.items() if of_one}


def last_erasure(facts: Iterable[Facts]) -> date | None:
    """Returns the last day on which any of these facts were erased."""
    return max((each.erased_on for each in facts if each.erased_on), default=None)


def closed_by(
    facts: Mapping[UUID, Facts], members: Iterable[UUID], primary_id: UUID, days: Mapping[EnrollmentKey, Days]
) -> Closed | None:
    """Returns the closed past of a group with these members; None if nobody's facts were erased.

    `days` are the recorded ones, with merged members replaced (`read_with_aliases`).
    """
    erased = frozenset(member_id for member_id in members if facts[member_id].erased_on)
    until = last_erasure(facts[member_id] for member_id in erased)
    return Closed(to_day(until), days, erased, primary_id) if until else None


def erased_among(facts: Mapping[UUID, Facts], member_ids: Iterable[UUID]) -> UUID | None:
    """Returns one of the members whose facts were erased; None if there is none."""
    return next((member_id for member_id in member_ids if member_id in facts and facts[member_id].erased_on), None)
