"""What became of every member of a file: for programs as JSON, for people as a table."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from server.enrollment_file.file import EnrollmentFile
from server.enrollment_file.findings import Finding
from server.enrollment_file.plan import Kind, Plan, PlannedMember

TABLE_COLUMNS = 140


class Outcome(Enum):
    """What became of a member. PLANNED: nothing yet, because nobody confirmed. FAILED: a call did not come through."""

    ACCEPTED = "accepted"
    ACCEPTED_WITH_NOTICES = "accepted with notices"
    REJECTED = "rejected"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """One line of a report. `reasons` speak against the member, `notices` do not; both in sentences."""

    segment_number: int
    name: str
    member_id: str
    planned: Kind
    outcome: Outcome
    reasons: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer to a file, members in the plan's order. Holds personal data. `applied`: it was confirmed."""

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
        """One JSON document; its names are those of the fields."""
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

    def to_text(self) -> str:
        """A table, and a line with the totals."""
        table = Table(title=f"834 {self.interchange_number} of {self.sender}", show_lines=True)
        for heading in ("segment", "member", "planned", "outcome", "why"):
            table.add_column(heading, overflow="fold")
        for member in self.members:
            why = "\n".join((*member.reasons, *member.notices))
            cells = (str(member.segment_number or "-"), member.name, member.planned.value, member.outcome.value, why)
            table.add_row(*(_plain(cell) for cell in cells))
        text = StringIO()
        console = Console(file=text, width=TABLE_COLUMNS, color_system=None, emoji=False)
        console.print(table)
        for finding in self.findings:
            console.print(str(finding), markup=False)
        console.print(", ".join(f"{count} {outcome.value}" for outcome, count in self.counts().items() if count))
        return text.getvalue()


def report_of(
    file: EnrollmentFile, members: Iterable[MemberOutcome], findings: tuple[Finding, ...], *, applied: bool
) -> Report:
    envelope = file.envelope
    return Report(envelope.sender, envelope.interchange_number, file.digest, applied, tuple(members), findings)


def not_applied(plan: Plan) -> Report:
    """The report of a plan that nobody confirmed."""
    return report_of(
        plan.file, (settled(each) or _planned(each) for each in plan.members), plan.findings, applied=False
    )


def settled(member: PlannedMember) -> MemberOutcome | None:
    """The outcome of those for whom nothing has to be sent; None for others."""
    if member.kind is Kind.REJECTED:
        return outcome_of(member, Outcome.REJECTED)
    if member.kind is Kind.UNCHANGED:
        return outcome_of(member, Outcome.UNCHANGED)
    return None


def outcome_of(
    member: PlannedMember, outcome: Outcome, reasons: Iterable[str] = (), notices: Iterable[str] = ()
) -> MemberOutcome:
    """A line of the report: what the plan knew of the member, and what was added since."""
    warnings = [str(finding) for finding in member.findings if not finding.is_error]
    said = tuple(dict.fromkeys((*warnings, *member.notices, *notices)))
    against = tuple(dict.fromkeys((*member.reasons, *reasons)))
    if outcome is Outcome.ACCEPTED and (said or against):
        outcome = Outcome.ACCEPTED_WITH_NOTICES
    return MemberOutcome(member.segment_number, member.name, member.member_id, member.kind, outcome, against, said)


def _planned(member: PlannedMember) -> MemberOutcome:
    return outcome_of(member, Outcome.PLANNED)


def _plain(text: str) -> str:
    """Text of the file is shown as it is: brackets in a name are no markup."""
    return text.replace("[", r"\[")


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
