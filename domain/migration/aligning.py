"""Aligning: the request of the role MIGRATION after which the decisions of a group say what its legacy rows say.

It is never judged. Its rules are overridden on the days before today, so that the past is taken over as it was. From
today on, rules apply: what they take away is a difference between the two sources (`comparing.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from domain.days import UNBOUNDED_END, Day, Span, to_date
from domain.enrollment.decisions import (
    DaysChange,
    Decision,
    Enroll,
    Leave,
    Requester,
    RequesterRole,
    ScopedChange,
    members_named,
)
from domain.enrollment.group import GroupBasis, periods
from domain.errors import LegacyCannotHold, Obstacle
from domain.members import Facts
from domain.migration.legacy import FindingKind, Translated


@dataclass(frozen=True, slots=True)
class Alignment:
    """The contents of a request that aligns a group. It overrides its rules on days before `overridden_before`."""

    requester: Requester
    changes: tuple[ScopedChange, ...]
    overridden_rules: tuple[str, ...]
    overridden_before: date

    def decision(self) -> Decision:
        """Returns the decision that the request becomes, which has no id yet."""
        changes = tuple(scoped.change for scoped in self.changes)
        return Decision(changes, self.overridden_rules, overridden_before=self.overridden_before)


def alignment_of(translated: Translated, basis: GroupBasis, today: Day) -> Alignment:
    """Returns the request that aligns a group: everyone leaves all modules, then each translated run is enrolled.

    Everyone is the primary, everyone whom earlier decisions enroll, and everyone with a run. The leaves start with the
    core's contract or the legacy contract, whichever is earlier.
    """
    contract, mapping = basis.contract, translated.group.mapping
    first = min(contract.life.first, mapping.days.start)
    runs = periods(translated.days, translated.membership_types)
    members = basis.membership_types().keys() | {run.member_id for run in runs}
    changes: list[DaysChange] = [
        Leave(member_id, None, Span(first, UNBOUNDED_END)) for member_id in sorted(members, key=lambda each: each.int)
    ]
    changes += [Enroll(run.member_id, run.membership_type, run.module_id, run.days) for run in runs]
    return Alignment(
        Requester(RequesterRole.MIGRATION, mapping.country),
        tuple(ScopedChange(change) for change in changes),
        tuple(sorted(contract.rule_codes)),
        to_date(today),
    )


def aligned_basis(basis: GroupBasis, translated: Translated, today: Day) -> GroupBasis:
    """Returns the inputs of a group as if it were aligned today, with the birth dates that only the legacy tables have.

    A group that is aligned already doesn't need this: aligning it again would override rules up to a later day.
    """
    decision = alignment_of(translated, basis, today).decision()
    facts = dict(basis.facts)
    for member_id in members_named(decision.changes):
        facts.setdefault(member_id, Facts())
    for member_id, born_on in missing_birth_dates(facts, translated.group.birth_dates).items():
        facts[member_id] = replace(facts[member_id], born_on=born_on)
    return replace(basis, decisions=(*basis.decisions, decision), facts=facts)


def missing_birth_dates(facts: Mapping[UUID, Facts], birth_dates: Mapping[UUID, date]) -> dict[UUID, date]:
    """Returns, of the members with these facts, the birth dates that the core doesn't know and the legacy tables do.

    The facts of members who were erased stay empty.
    """
    return {
        member_id: birth_dates[member_id]
        for member_id, known in facts.items()
        if known.born_on is None and known.erased_on is None and member_id in birth_dates
    }


def reject_blocked(translated: Translated) -> None:
    """Rejects a group that can't be aligned because a row has a product without a module. Raises LegacyCannotHold."""
    for finding in translated.findings:
        if finding.kind is FindingKind.PRODUCT_NOT_MAPPED:
            raise LegacyCannotHold(
                Obstacle.PRODUCT_NOT_MAPPED,
                translated.group.group_id,
                f"the product of row {finding.row_id} is not mapped to a module",
                row_id=finding.row_id,
            )
