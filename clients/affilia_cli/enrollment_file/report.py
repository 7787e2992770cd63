"""The report on every member of a file, as JSON or as a table."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from affilia_cli.enrollment_file.file import EnrollmentFile
from affilia_cli.enrollment_file.findings import Finding
from affilia_cli.enrollment_file.plan import Kind, Plan, PlannedMember

TABLE_COLUMNS = 140


class Outcome(Enum):
    """The outcome for a member. PLANNED: the plan wasn't confirmed. FAILED: a call failed."""

    ACCEPTED = "accepted"
    ACCEPTED_WITH_NOTICES = "accepted with notices"
    REJECTED = "rejected"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """One line of a report. `reasons` explain a rejection or failure. `notices` are for information."""

    segment_number: int
    name: str
    member_id: str
    planned: Kind
    outcome: Outcome
    reasons: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report, with members in the order of the plan. It contains personal data. `applied`: the plan was
    confirmed."""

    sender: str
    interchange_number: str
    digest: str
    applied: bool
    members: tuple[MemberOutcome, ...]
    findings: tuple[Finding, ...]

    def counts(self) -> dict[Outcome, int]:
        counted = Counter(member.outcome for member in self.members)
        return {outcome: counted[outcome] for outcome in Outcome}

    def to_json(self) -> str:
        """Returns the report as one JSON document with the names of the fields."""
        return json.dumps(
            {
                "sender": self.sender,
                "interchange_number": self.interchange_number,
                "digest": self.digest,
                "applied": self.applied,
                "counts": {outcome.name: count for outcome, count in self.counts().items()},
                "findings": [str(finding) for finding in self.findings],
                "members": [_as_json(member) for member in self.members],
            },
            ensure_ascii=False,
            indent=2,
        )

    def to_text(self, width: int = TABLE_COLUMNS) -> str:
        """Returns the report as a table of at most this width, and a line with totals."""
        table = Table(title=f"834 {self.interchange_number} of {self.sender}", show_lines=True)
        for heading in ("segment", "member", "planned", "outcome", "details"):
            table.add_column(heading, overflow="fold")
        for member in self.members:
            details = "\n".join((*member.reasons, *member.notices))
            cells = (
                str(member.segment_number or "-"),
                member.name,
                member.planned.value,
                member.outcome.value,
                details,
            )
            table.add_row(*cells)
        text = StringIO()
        console = Console(file=text, width=width, color_system=None, emoji=False, markup=False, highlight=False)
        console.print(table)
        for finding in self.findings:
            console.print(str(finding))
        console.print(", ".join(f"{count} {outcome.value}" for outcome, count in self.counts().items() if count))
        return text.getvalue()


def report_of(
    file: EnrollmentFile, members: Iterable[MemberOutcome], findings: tuple[Finding, ...], *, applied: bool
) -> Report:
    envelope = file.envelope
    return Report(envelope.sender, envelope.interchange_number, file.digest, applied, tuple(members), findings)


def not_applied(plan: Plan) -> Report:
    """Returns the report on a plan that wasn't confirmed."""
    return report_of(
        plan.file, (final_outcome(each) or _planned(each) for each in plan.members), plan.findings, applied=False
    )


def final_outcome(member: PlannedMember) -> MemberOutcome | None:
    """Returns the outcome of a member for whom nothing is sent, or None if requests are to be sent."""
    if member.kind is Kind.REJECTED:
        return outcome_of(member, Outcome.REJECTED)
    if member.kind is Kind.UNCHANGED:
        return outcome_of(member, Outcome.UNCHANGED)
    return None


def outcome_of(
    member: PlannedMember, outcome: Outcome, reasons: Iterable[str] = (), notices: Iterable[str] = ()
) -> MemberOutcome:
    """Returns a line of the report with the reasons and notices of the plan and of its application."""
    warnings = [str(finding) for finding in member.findings if not finding.is_error]
    all_notices = tuple(dict.fromkeys((*warnings, *member.notices, *notices)))
    all_reasons = tuple(dict.fromkeys((*member.reasons, *reasons)))
    if outcome is Outcome.ACCEPTED and (all_notices or all_reasons):
        outcome = Outcome.ACCEPTED_WITH_NOTICES
    return MemberOutcome(
        member.segment_number, member.name, member.member_id, member.kind, outcome, all_reasons, all_notices
    )


def _planned(member: PlannedMember) -> MemberOutcome:
    return outcome_of(member, Outcome.PLANNED)


def _as_json(member: MemberOutcome) -> dict[str, Any]:
    return {
        "segment_number": member.segment_number,
        "name": member.name,
        "member_id": member.member_id,
        "planned": member.planned.name,
        "outcome": member.outcome.name,
        "reasons": list(member.reasons),
        "notices": list(member.notices),
    }
