"""Answers for people: a family's timeline, what speaks against a change, amounts of money."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Cause, Consequence, Notice, Verdict, Violation
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia_client.money import amount_from_minor
from server.command_line.context import CONSOLE
from server.command_line.days import told
from server.command_line.names import Names
from server.command_line.timeline import Row, Window, axis, bar, rows_of, window_of

NARROWEST, LABELS, LABELS_OF_IDS = 30, 44, 76


def today_utc() -> date:
    """Today, as far as a picture needs to know."""
    return datetime.now(UTC).date()


def named_rows(periods: Sequence[EnrollmentPeriod], primary_id: str, names: Names, *, ids: bool = False) -> list[Row]:
    """Rows with the names of people and modules, or their ids; the primary's first."""
    names.learn_modules(period.module_id for period in periods)
    members = [primary_id, *sorted({period.member_id for period in periods} - {primary_id})]
    rows = rows_of(periods, members)
    return [row if ids else Row(names.member(m), names.module(n), row.spans) for m, n, row in rows]


def show_timeline(rows: Sequence[Row], window: Window | None = None, *, ids: bool = False) -> None:
    """Draws rows, with an axis above and today marked below."""
    if not rows:
        CONSOLE.print("Nobody is on anything.")
        return
    today = today_utc()
    window = window or window_of(rows, today)
    width = max(NARROWEST, CONSOLE.width - (LABELS_OF_IDS if ids else LABELS))
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    for widest in (18, 22):
        table.add_column(max_width=36 if ids else widest, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True)
    table.add_row("", "", Text(axis(window, width)[:width], style="dim"))
    before = ""
    for row in rows:
        member = "" if row.member == before else row.member
        table.add_row(Text(member, style="bold"), Text(row.module), Text(bar(row, window, width), style="cyan"))
        before = row.member
    if window.first_on <= today <= window.last_on:
        table.add_row("", "", Text(_pointing_at(int(window.place_of(today) * width), f"today, {today}", width), "dim"))
    CONSOLE.print(table)
    scale = f"one character is {window.num_days / width:.1f} days; ▐▌ begins or ends within, ▒ some of them, ▶ goes on"
    CONSOLE.print(Text(scale, style="dim"))


def _pointing_at(place: int, label: str, width: int) -> str:
    """A line that points at a place of the line above, with a label on the side where there is room."""
    rightwards = " " * place + f"^ {label}"
    return rightwards if len(rightwards) <= width else f"{label} ^".rjust(place + 1)


def show_verdict(verdict: "Verdict.ValueType", answer: Any, contract_id: str, names: Names) -> None:
    """A verdict with everything that it says beside: violations, notices, consequences."""
    approved = verdict == change_request_pb2.VERDICT_APPROVED
    CONSOLE.print(Text("APPROVED" if approved else "REJECTED", style="bold green" if approved else "bold red"))
    show_violations(answer.violations, contract_id, names)
    show_notices(answer.notices, contract_id, names)
    show_consequences(answer.consequences, names)
    if any(v.code == change_request_pb2.VIOLATION_CODE_CONSEQUENCES_NOT_ACCEPTED for v in answer.violations):
        CONSOLE.print("  [dim]to have it so, ask again with --accept-consequences[/]")


def show_violations(violations: Iterable[Violation], contract_id: str, names: Names, indent: str = "  ") -> None:
    """What speaks against something, with what the rule demands and the chain that it rests on."""
    for violation in violations:
        CONSOLE.print(f"{indent}[red]✗[/] {_named(violation, contract_id, names)}")
        for fact in violation.missing_facts:
            kind = change_request_pb2.FactKind.Name(fact.kind).removeprefix("FACT_KIND_").lower()
            CONSOLE.print(f"{indent}    [dim]not known:[/] {kind} of {escape(names.member(fact.member_id))}")
        for cause in violation.chain:
            CONSOLE.print(f"{indent}    [dim]because[/] {_named(cause, contract_id, names)}")


def _named(said: Violation | Cause, contract_id: str, names: Names) -> str:
    """A sentence with names in place of the ids that it is about, and what its rule demands."""
    sentence = said.message
    if said.member_id:
        sentence = sentence.replace(said.member_id, names.member(said.member_id))
    if said.module_id:
        sentence = sentence.replace(said.module_id, names.module(said.module_id))
    demands = names.rule(contract_id, said.rule_code) if said.rule_code else ""
    return escape(sentence) + (f" [dim]({escape(demands)})[/]" if demands else "")


def show_notices(notices: Iterable[Notice], contract_id: str, names: Names) -> None:
    """Days that were asked for and are not kept."""
    for notice in notices:
        days = ", ".join(told(span) for span in notice.days)
        whose = f"{names.member(notice.member_id)} on {names.module(notice.module_id)}"
        CONSOLE.print(f"  [yellow]![/] not kept: {escape(whose)}, {days}")
        show_violations(notice.reasons, contract_id, names, "      ")


def show_consequences(consequences: Iterable[Consequence], names: Names) -> None:
    """What others lose by it."""
    for consequence in consequences:
        CONSOLE.print(
            f"  [yellow]→[/] also ends: {escape(names.member(consequence.member_id))}"
            f" on {escape(names.module(consequence.module_id))}, {told(consequence.days)}"
        )


def money(minor: int, currency_code: str) -> str:
    """An amount as people read it."""
    return f"{amount_from_minor(minor, currency_code):,} {currency_code}"
