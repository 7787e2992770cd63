"""Compares a group as its legacy rows say with the group in the core."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.days import NO_DAYS, Day, Days
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.explaining import Explainer
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.settling import Settlement
from domain.enrollment.verdicts import Violation, ViolationCode
from domain.membership import MembershipType
from domain.migration.aligning import aligned_basis
from domain.migration.legacy import RowFinding, Translated


class SourceDifferenceKind(StrEnum):
    """How a group differs, the worst first. A group has the first kind that applies.

    BLOCKED groups can't be aligned, MISSING ones were never aligned, and the rows of STALE ones have changed since. NOW
    and LATER are about aligned groups: LATER if rules take away days after today, and nothing else differs.
    """

    BLOCKED = "BLOCKED"
    MISSING = "MISSING"
    STALE = "STALE"
    NOW = "NOW"
    LATER = "LATER"


@dataclass(frozen=True, slots=True)
class EnrollmentSourceDifference:
    """The days of an enrollment that only one of the sources has.

    `reasons` are what prevents the core from having the days of `legacy_only`, in order of the first day and code. Each
    has all the days that it concerns, and the facts that are missing on the first of them.
    """

    key: EnrollmentKey
    membership_type: MembershipType
    legacy_only: Days
    core_only: Days
    reasons: tuple[Violation, ...]

    @property
    def first(self) -> Day:
        """The first day that differs."""
        return (self.legacy_only | self.core_only).first

    def is_later(self, today: Day) -> bool:
        """Returns whether only rules differ, and only after today."""
        is_offered = all(reason.code is not ViolationCode.NOT_OFFERED for reason in self.reasons)
        return is_offered and not self.core_only and self.first > today


@dataclass(frozen=True, slots=True)
class GroupSourceDifference:
    """How the sources differ about a group: the worst kind, and the enrollments in order of member and module.

    A BLOCKED group has no enrollments here.
    """

    group_id: UUID
    key: GroupKey
    kind: SourceDifferenceKind
    enrollments: tuple[EnrollmentSourceDifference, ...]
    findings: Sequence[RowFinding]


def difference_of(
    translated: Translated,
    aligned_fingerprint: bytes | None,
    core_days: Mapping[EnrollmentKey, Days],
    basis: GroupBasis,
    today: Day,
) -> GroupSourceDifference | None:
    """Returns how the sources differ about a group; None if they agree.

    `aligned_fingerprint` is that of the rows with which the group was aligned, None if it never was. `core_days` are
    the recorded days of the group, none if the core doesn't have it, and `basis` is what they are computed from. The
    reasons of a group that isn't aligned are those that would apply if it were aligned today.
    """
    group = translated.group
    if translated.is_blocked:
        kind = SourceDifferenceKind.BLOCKED
        return GroupSourceDifference(group.group_id, group.key, kind, (), translated.findings)
    is_aligned = aligned_fingerprint == translated.fingerprint
    differing = [
        key
        for key in translated.days.keys() | core_days.keys()
        if translated.days.get(key, NO_DAYS) != core_days.get(key, NO_DAYS)
    ]
    if is_aligned and not differing:
        return None
    settlement = replay(basis if is_aligned else aligned_basis(basis, translated, today))
    enrollments = tuple(_enrollments(sorted(differing, key=lambda key: key.order), translated, core_days, settlement))
    if aligned_fingerprint is None:
        kind = SourceDifferenceKind.MISSING
    elif not is_aligned:
        kind = SourceDifferenceKind.STALE
    elif all(each.is_later(today) for each in enrollments):
        kind = SourceDifferenceKind.LATER
    else:
        kind = SourceDifferenceKind.NOW
    return GroupSourceDifference(group.group_id, group.key, kind, enrollments, translated.findings)


def core_alone(
    group_id: UUID, key: GroupKey, core_days: Mapping[EnrollmentKey, Days], types: Mapping[UUID, MembershipType]
) -> GroupSourceDifference | None:
    """Returns the difference about a group that the legacy tables don't have; None if nobody is enrolled in it."""
    enrollments = tuple(
        EnrollmentSourceDifference(enrollment, types[enrollment.member_id], NO_DAYS, core_days[enrollment], ())
        for enrollment in sorted(core_days, key=lambda each: each.order)
        if core_days[enrollment]
    )
    return GroupSourceDifference(group_id, key, SourceDifferenceKind.NOW, enrollments, ()) if enrollments else None


def _enrollments(
    differing: Iterable[EnrollmentKey],
    translated: Translated,
    core_days: Mapping[EnrollmentKey, Days],
    settlement: Settlement,
) -> Iterator[EnrollmentSourceDifference]:
    explainer = Explainer(settlement)
    types = {**translated.membership_types, **settlement.rulebook.membership_types}
    for key in differing:
        legacy, core = translated.days.get(key, NO_DAYS), core_days.get(key, NO_DAYS)
        refusals = explainer.refusals(key, legacy - core - settlement.days.get(key, NO_DAYS))
        in_order = sorted(refusals, key=lambda refusal: (refusal.days.first, refusal.rule_code))
        reasons = tuple(explainer.explained(refusal, 0) for refusal in in_order)
        yield EnrollmentSourceDifference(key, types[key.member_id], legacy - core, core - legacy, reasons)
