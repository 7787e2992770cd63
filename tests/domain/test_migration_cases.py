"""Plays the cases of aligning, comparing and writing back against the domain, in the order of a transaction."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from domain.catalog.contract import Contract
from domain.days import Day, to_day
from domain.enrollment.decisions import (
    ChangeProposal,
    DaysChange,
    Enroll,
    EnrollmentKey,
    GroupKey,
    Leave,
    Requester,
    RequesterRole,
    ScopedChange,
)
from domain.enrollment.desired import DaysByEnrollment
from domain.enrollment.differences import differences, policy_event
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.judging import judge
from domain.enrollment.verdicts import Verdict
from domain.members import Employment, EmploymentStatus, Facts
from domain.membership import MembershipType
from domain.migration.aligning import aligned_basis, alignment_of
from domain.migration.comparing import EnrollmentSourceDifference, GroupSourceDifference, difference_of
from domain.migration.legacy import LegacyGroup, Translated
from domain.migration.stages import Stage
from domain.migration.translating import translated
from domain.migration.writing_back import legacy_days_after, row_changes
from tests.support.builders import a_span, an_id
from tests.support.legacy import (
    NAMES,
    OWNER,
    RULES,
    a_legacy_contract,
    a_row,
    applied,
    as_in_cases,
    group_of,
    legacy_case,
    named_days,
    named_span,
)


class Migration:
    """A group in both places. Every step checks what the case expects after it."""

    def __init__(self, case: Any) -> None:
        self.contract: Contract = a_legacy_contract(*(RULES if case["with_rules"] else ()))
        self.today: Day = to_day(date.fromisoformat(case["today"]))
        self.rows: LegacyGroup = group_of(case)
        known = {an_id(name): with_facts(Facts(), told) for name, told in case["facts"].items()}
        self.basis = GroupBasis(self.contract, an_id(OWNER), (), {an_id(OWNER): Facts(), **known})
        self.core: DaysByEnrollment = {}
        self.revision = 0
        self.fingerprint: bytes | None = None

    @property
    def translated(self) -> Translated:
        return translated(self.rows, self.contract, self.basis.membership_types())

    def align(self, step: Any) -> None:
        alignment = alignment_of(self.translated, self.basis, self.today)
        assert alignment.requester.role is RequesterRole.MIGRATION
        expected = step.get("overridden_rules", list(alignment.overridden_rules))
        assert list(alignment.overridden_rules) == expected
        assert alignment.overridden_before == date.fromisoformat(step.get("overridden_before", "2026-03-15"))
        self.basis = aligned_basis(self.basis, self.translated, self.today)
        self.fingerprint = self.translated.fingerprint
        self._revise(step, replay(self.basis).days)

    def record(self, step: Any) -> None:
        facts = dict(self.basis.facts)
        for name, told in step["facts"].items():
            facts[an_id(name)] = with_facts(facts[an_id(name)], told)
        self.basis = replace(self.basis, facts=facts)
        before = self.core
        self._revise(step, replay(self.basis).days)
        self._write(step, before)

    def submit(self, step: Any) -> None:
        change: DaysChange
        match step:
            case {"enroll": (name, membership_type, module, first_on)}:
                change = Enroll(an_id(name), MembershipType(membership_type), an_id(module), a_span(first_on))
            case {"leave": (name, module, first_on)}:
                change = Leave(an_id(name), an_id(module), a_span(first_on))
        key = GroupKey(self.contract.contract_id, self.basis.primary_id)
        proposal = ChangeProposal(key, Requester(RequesterRole.ADMIN, "ada", "a test"), (ScopedChange(change),))
        before, judgement = self.core, judge(proposal, self.basis, self.core, self.today)
        assert judgement.verdict is Verdict.APPROVED
        self.basis = replace(
            self.basis,
            decisions=(*self.basis.decisions, judgement.decision),
            facts={change.member_id: Facts(), **self.basis.facts},
        )
        self._revise(step, judgement.days)
        self._write(step, before)

    def insert(self, row: Any) -> None:
        self.rows = replace(self.rows, rows=(*self.rows.rows, a_row(*row)))

    def write(self, step: Any) -> None:
        self._write(step, self.core)

    def compare(self, expected: Any) -> None:
        found = difference_of(self.translated, self.fingerprint, self.core, self.basis, self.today)
        if expected is None:
            assert found is None
            return
        assert found is not None
        assert found.kind == expected["kind"]
        if "enrollments" in expected:
            assert self._as_in_cases(found) == expected["enrollments"]

    def _revise(self, step: Any, after: Mapping[EnrollmentKey, Any]) -> None:
        self.revision += after != self.core
        assert self.revision == step["revision"]
        changed = differences(self.core, after, {})
        if "differences" in step:
            kinds = {f"{NAMES[each.member_id]} {NAMES[each.module_id]}": list(each.kinds) for each in changed}
            assert kinds == step["differences"]
        if "event" in step:
            assert policy_event(self.core, after, self.today) == step["event"]
        self.core = dict(after)
        if "core" in step:
            assert named_days(self.core, self.basis.membership_types()) == step["core"]

    def _write(self, step: Any, before: Mapping[EnrollmentKey, Any]) -> None:
        """Writes a revision to the rows as the step's stage does. What is written is never stale."""
        wanted = legacy_days_after(Stage(step["stage"]), self.translated.days, before, self.core, self.contract)
        changes = row_changes(self.rows, wanted, self.basis.membership_types(), self.contract)
        self.rows = applied(self.rows, changes)
        self.fingerprint = self.translated.fingerprint
        assert as_in_cases(self.rows.rows) == step["rows"]

    def _as_in_cases(self, found: GroupSourceDifference) -> list[Any]:
        return sorted(self._enrollment(each) for each in found.enrollments)

    def _enrollment(self, each: EnrollmentSourceDifference) -> list[Any]:
        sides = ([named_span(span) for span in days] for days in (each.legacy_only, each.core_only))
        reasons = [
            [
                reason.rule_code or reason.code,
                date.fromordinal(reason.days.first).isoformat(),
                [fact.kind for fact in reason.missing_facts],
            ]
            for reason in each.reasons
        ]
        kind = "LATER" if each.is_later(self.today) else "NOW"
        return [NAMES[each.key.member_id], NAMES[each.key.module_id], kind, *sides, reasons]


def with_facts(facts: Facts, told: Mapping[str, str]) -> Facts:
    """Returns facts with what a case records."""
    if "born" in told:
        facts = replace(facts, born_on=date.fromisoformat(told["born"]))
    if "employed" in told:
        job = Employment(a_span(told["employed"]), "ACME", EmploymentStatus.ACTIVE, None)
        facts = replace(facts, employments=(job,))
    return facts


@pytest.mark.parametrize("name", ["A1", "A2", "S2", "W1"])
def test_a_group_is_migrated_as_in_the_case(name: str) -> None:
    case = legacy_case(name)
    migration = Migration(case)
    for step in case["steps"]:
        ((kind, details),) = step.items()
        getattr(migration, kind)(details)
