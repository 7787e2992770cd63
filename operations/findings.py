"""Results of checks, as they are cached until something changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.eligibility.accumulators import Accumulator
from domain.eligibility.checks import Finding
from domain.eligibility.coverage import CoverageRecord
from domain.eligibility.read_model import ReadModel


class MemberAccumulators(NamedTuple):
    """The accumulators of a member under the policy of a record."""

    record: CoverageRecord
    accumulators: Sequence[Accumulator]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The result of a check, with the accumulators of the member's policies.

    Equal checks return the same object until something changes, so callers can cache what they derive from it.
    """

    finding: Finding
    accumulators: Sequence[MemberAccumulators]


Stamp = tuple[tuple[int, ...], int, ReadModel, int]
"""What a finding depends on: the member's version in the read model, the version of the offers, the read model, and the
number of the last erasure."""


class CachedFinding(NamedTuple):
    """A finding, which is valid as long as its stamp equals the current one."""

    stamp: Stamp
    found: Found
