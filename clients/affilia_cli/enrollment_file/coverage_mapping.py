"""Selects the entry of a mapping for a coverage in the file."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from affilia_cli.enrollment_file.codes import ACTIVE, NO_MEDICARE, POLICY_NUMBER
from affilia_cli.enrollment_file.reading.file import Coverage, FileMember

ADVICE = "Add it to the coverages of the mapping."


class StatedCoverage(NamedTuple):
    """What the file says about one coverage of a member. Any of the `policies` can be empty."""

    line: str
    plan: str
    policies: tuple[str, ...]
    benefit_status: str
    medicare: str
    employment_status: str


@dataclass(frozen=True, slots=True)
class CoverageMapping:
    """Maps a coverage of the file to a module. Empty fields match anything, except that an empty `benefit_status` only
    matches active members."""

    line: str
    plan: str
    policy: str
    contract_id: str
    module_id: str
    benefit_status: str = ""
    medicare: str = ""
    employment_status: str = ""

    def matches(self, stated: StatedCoverage) -> bool:
        return (
            self._matches_product(stated)
            and (self.benefit_status or ACTIVE) == stated.benefit_status
            and self.medicare in ("", stated.medicare)
            and self.employment_status in ("", stated.employment_status)
        )

    def matches_other_status(self, stated: StatedCoverage) -> bool:
        """Returns whether only the benefit status keeps the entry from matching."""
        return self.matches(stated._replace(benefit_status=self.benefit_status or ACTIVE))

    def _matches_product(self, stated: StatedCoverage) -> bool:
        return (
            self.line == stated.line
            and self.plan in ("", stated.plan)
            and (not self.policy or self.policy in stated.policies)
        )

    @property
    def specificity(self) -> tuple[int, bool, bool, bool, bool]:
        """Entries with more fields come first; among equal numbers, `plan` first, then `policy`."""
        filled = (self.plan, self.policy, self.benefit_status, self.medicare, self.employment_status)
        plan, policy, status, medicare, _ = map(bool, filled)
        return sum(map(bool, filled)), plan, policy, status, medicare


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Why a coverage isn't mapped to a module: the code and message of a finding.

    The code is STATUS_NOT_MAPPED if only the benefit status keeps an entry from matching, and otherwise
    COVERAGE_UNMAPPED.
    """

    code: str
    message: str


def entry_for(
    entries: Iterable[CoverageMapping], coverage: Coverage, member: FileMember, subscriber: FileMember | None
) -> CoverageMapping | Unmapped:
    """Returns the most specific entry that matches, or why none does."""
    entries = tuple(entries)
    stated = _stated(coverage, member, subscriber)
    matching = [each for each in entries if each.matches(stated)]
    if matching:
        return max(matching, key=lambda each: each.specificity)
    name = " ".join(part for part in (stated.line, stated.plan) if part)
    if any(each.matches_other_status(stated) for each in entries):
        message = f"Coverage {name} is not mapped for benefit status {stated.benefit_status} (INS05). {ADVICE}"
        return Unmapped("STATUS_NOT_MAPPED", message)
    policy = next((each for each in stated.policies if each), "(none)")
    message = f"Coverage {name} under policy {policy} is not mapped to a module{_statuses(stated)}. {ADVICE}"
    return Unmapped("COVERAGE_UNMAPPED", message)


def _stated(coverage: Coverage, member: FileMember, subscriber: FileMember | None) -> StatedCoverage:
    sources = (coverage.reference(POLICY_NUMBER), member.reference(POLICY_NUMBER))
    return StatedCoverage(
        line=coverage.line,
        plan=coverage.plan,
        policies=(*sources, subscriber.reference(POLICY_NUMBER) if subscriber else ""),
        benefit_status=member.benefit_status or (subscriber.benefit_status if subscriber else "") or ACTIVE,
        medicare=member.medicare or NO_MEDICARE,
        employment_status=(subscriber or member).employment_status,
    )


def _statuses(stated: StatedCoverage) -> str:
    """Describes the statuses that differ from those of most members."""
    statuses = [
        f"{words} {value}"
        for words, value, usual in (
            ("benefit status", stated.benefit_status, ACTIVE),
            ("Medicare plan", stated.medicare, NO_MEDICARE),
            ("employment status", stated.employment_status, ""),
        )
        if value != usual
    ]
    return f" for {', '.join(statuses)}" if statuses else ""
