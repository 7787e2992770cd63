"""Accumulators: how much of each limit a member and the family have used within a term.

Usage is recorded per policy, term and code, so that it is kept when a member changes modules. The limits are those of
the member's module on the service date.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import Limit, LimitUnit
from domain.days import Day
from domain.eligibility.coverage import CoverageRecord
from domain.errors import AccumulatorNotInForce, LimitReached


class Usage(NamedTuple):
    """The usage of a code within a term, in minor units or visits."""

    individual: int = 0
    family: int = 0


UNUSED = Usage()


class Accumulator(NamedTuple):
    """A limit in force with its usage. A limit of None means unlimited."""

    code: str
    unit: LimitUnit
    individual_limit: int | None
    family_limit: int | None
    usage: Usage

    @property
    def individual_remaining(self) -> int | None:
        return _remaining(self.individual_limit, self.usage.individual)

    @property
    def family_remaining(self) -> int | None:
        return _remaining(self.family_limit, self.usage.family)

    @property
    def remaining(self) -> int | None:
        """The amount that can still be applied; None if unlimited."""
        both = [r for r in (self.individual_remaining, self.family_remaining) if r is not None]
        return min(both, default=None)

    @property
    def is_met(self) -> bool:
        """Whether one of the limits is reached."""
        return 0 in (self.individual_remaining, self.family_remaining)


def _remaining(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


def limits_in_force(records: Sequence[CoverageRecord]) -> Mapping[str, Limit]:
    """Returns the limits of all modules that a member is on, by code. Only modules of one slot share a code."""
    if len(records) == 1:
        return records[0].offer.limits
    return {code: limit for record in records for code, limit in record.offer.limits.items()}


def accumulators(limits: Mapping[str, Limit], usage: Mapping[str, Usage]) -> list[Accumulator]:
    """Returns an accumulator for each limit in force, in order of code."""
    return [_accumulator(code, limits[code], usage.get(code, UNUSED)) for code in sorted(limits)]


def _accumulator(code: str, limit: Limit, usage: Usage) -> Accumulator:
    return Accumulator(code, limit.unit, limit.individual_amount, limit.family_amount, usage)


@dataclass(frozen=True, slots=True)
class Asked:
    """The amount that an application requests for a code; at least 0."""

    code: str
    amount: int


@dataclass(frozen=True, slots=True)
class Applied:
    """The amount that was applied, and the accumulator after it."""

    asked: Asked
    applied: int
    accumulator: Accumulator

    @property
    def excess(self) -> int:
        return self.asked.amount - self.applied


def apply(
    asked: Sequence[Asked], limits: Mapping[str, Limit], usage: Mapping[str, Usage], *, reject_excess: bool
) -> list[Applied]:
    """Applies as much of each amount as is left.

    Raises AccumulatorNotInForce, and LimitReached if `reject_excess` is set and an amount exceeds its limit. After an
    error, nothing is applied.
    """
    outcome = []
    for each in asked:
        limit = limits.get(each.code)
        if limit is None:
            raise AccumulatorNotInForce(each.code)
        before = _accumulator(each.code, limit, usage.get(each.code, UNUSED))
        applied = each.amount if before.remaining is None else min(each.amount, before.remaining)
        if reject_excess and applied < each.amount:
            raise LimitReached(each.code, each.amount, applied)
        after = Usage(before.usage.individual + applied, before.usage.family + applied)
        outcome.append(Applied(each, applied, _accumulator(each.code, limit, after)))
    return outcome


@dataclass(frozen=True, slots=True)
class LaterExcess:
    """An application that exceeded its limit, made after one that was reversed, and the amount that could be applied
    now.
    """

    application_id: UUID
    member_id: UUID
    code: str
    excess: int
    could_apply: int


@dataclass(frozen=True, slots=True)
class Overrun:
    """A limit that the usage of a member exceeds because two records were merged. `limit` is the individual limit."""

    group_id: UUID
    term: Day
    code: str
    limit: int
    used: int

    @property
    def excess(self) -> int:
        return self.used - self.limit
