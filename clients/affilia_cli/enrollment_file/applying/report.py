"""The report on every member of a file, as JSON, CSV or a table."""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from affilia_cli.console import visible
from affilia_cli.enrollment_file.applying.outcomes import Cover, MemberOutcome, Outcome, planned_outcome
from affilia_cli.enrollment_file.findings import Finding
from affilia_cli.enrollment_file.planning.plan import Plan
from affilia_cli.enrollment_file.reading.file import EnrollmentFile

TABLE_COLUMNS = 140
MAX_TABLE_MEMBERS = 200
"""Maximum number of members in a table. A longer one is slow to make, and nobody reads it."""
UNREMARKABLE = (Outcome.UNCHANGED, Outcome.ACCEPTED)
CSV_COLUMNS = (
    "segment_number", "member", "member_id", "statement", "planned", "outcome", "days_before", "days_after", "reasons",
    "notices",
)  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@", "\t")
"""Spreadsheets execute cells that begin with these."""


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

    @property
    def is_complete(self) -> bool:
        """Whether every member was decided on. If not, importing the file again continues."""
        return self.applied and not any(each.outcome in (Outcome.PLANNED, Outcome.FAILED) for each in self.members)

    def counts(self) -> dict[Outcome, int]:
        counted = Counter(member.outcome for member in self.members)
        return {outcome: counted[outcome] for outcome in Outcome}

    def to_json(self) -> str:
        """Returns the report as one JSON document with the names of the fields, and each member on one line."""
        head = json.dumps(
            {
                "sender": self.sender,
                "interchange_number": self.interchange_number,
                "digest": self.digest,
                "applied": self.applied,
                "complete": self.is_complete,
                "counts": {outcome.name: count for outcome, count in self.counts().items()},
                "findings": [str(finding) for finding in self.findings],
            },
            ensure_ascii=False,
            indent=2,
        )
        # Members are encoded one by one: the document as Python values would need ten times the memory of its text.
        members = ",\n".join(f"    {json.dumps(_as_json(member), ensure_ascii=False)}" for member in self.members)
        return f'{head.removesuffix("}").rstrip()},\n  "members": [\n{members}\n  ]\n}}'

    def to_csv(self) -> str:
        """Returns one line for each member, after a line with the names of the columns.

        Findings about the file as a whole are not included. Cells that a spreadsheet would take for a formula begin
        with an apostrophe.
        """
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for member in self.members:
            writer.writerow(map(_cell, _as_cells(member)))
        return text.getvalue()

    def to_text(self, width: int = TABLE_COLUMNS) -> str:
        """Returns the report as a table of at most this width, and a line with totals.

        Of more than 200 members, the table has the first 200, those who need attention before all others.
        """
        table = Table(title=f"834 {self.interchange_number} of {self.sender}", show_lines=True)
        for heading in ("segment", "member", "planned", "outcome", "details"):
            table.add_column(heading, overflow="fold")
        members = list(self.members)
        if len(members) > MAX_TABLE_MEMBERS:
            members.sort(key=lambda member: member.outcome in UNREMARKABLE)
        for member in members[:MAX_TABLE_MEMBERS]:
            table.add_row(
                str(member.segment_number or "-"),
                member.name,
                member.planned.value,
                member.outcome.value,
                "\n".join(details(member)),
            )
        text = StringIO()
        console = Console(file=text, width=width, color_system=None, emoji=False, markup=False, highlight=False)
        console.print(table)
        if len(members) > MAX_TABLE_MEMBERS:
            console.print(f"and {len(members) - MAX_TABLE_MEMBERS} more members")
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
    members = (planned_outcome(each, plan.module_names) for each in plan.members)
    return report_of(plan.file, members, plan.findings, applied=False)


def details(member: MemberOutcome) -> list[str]:
    """Returns what the file says about a member, the days that change, and the reasons and notices."""
    changes = [f"{name}: {before} -> {after}" for name, before, after in member.changed_days()]
    return [*([member.statement] if member.statement else []), *changes, *member.reasons, *member.notices]


def _as_json(member: MemberOutcome) -> dict[str, Any]:
    return {
        "segment_number": member.segment_number,
        "name": member.name,
        "member_id": member.member_id,
        "statement": member.statement,
        "planned": member.planned.name,
        "outcome": member.outcome.name,
        "days_before": [_cover_as_json(each) for each in member.days_before],
        "days_after": [_cover_as_json(each) for each in member.days_after],
        "reasons": list(member.reasons),
        "notices": list(member.notices),
    }


def _cover_as_json(cover: Cover) -> dict[str, Any]:
    periods = [
        {"first_on": run.first_on.isoformat(), "last_on": None if run.is_open else run.last_on.isoformat()}
        for run in cover.days
    ]
    return {"module_id": cover.module_id, "module": cover.module_name, "periods": periods}


def _as_cells(member: MemberOutcome) -> tuple[str, ...]:
    return (
        str(member.segment_number or ""),
        member.name,
        member.member_id,
        member.statement,
        member.planned.value,
        member.outcome.value,
        "; ".join(map(str, member.days_before)),
        "; ".join(map(str, member.days_after)),
        "; ".join(member.reasons),
        "; ".join(member.notices),
    )


def _cell(text: str) -> str:
    """Returns a text on one line without control characters, so that no program executes a part of it."""
    line = visible(" ".join(text.splitlines()))
    return f"'{line}" if line.startswith(FORMULA_STARTS) else line
