"""`load` and `import-834`: files into change requests."""

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from server.command_line.bearing import bearing
from server.command_line.context import CONSOLE, ERRORS, Asking
from server.command_line.days import day
from server.command_line.showing import today_utc
from server.enrollment_file import EnrollmentFileError
from server.sample_files import SampleFilesMalformed

if TYPE_CHECKING:
    from server.enrollment_file.plan import Plan

MOST_SHOWN = 50
REFUSALS = (EnrollmentFileError, SampleFilesMalformed)


def load(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder with contract.json and families.csv, or with such folders.")],
    families_at_once: Annotated[int, typer.Option(min=1, max=64)] = 16,
) -> None:
    """Load contracts and families from a folder; loading it again changes nothing."""
    from server.sample_book import load_sample_book

    asking: Asking = context.obj
    summary = asyncio.run(
        load_sample_book(asking.address, folder, families_at_once=families_at_once, token=asking.token, ca=asking.ca)
    )
    if asking.as_json:
        print(json.dumps(asdict(summary)))
    else:
        print(summary, file=sys.stderr)
    raise typer.Exit(1 if summary.troubles else 0)


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An X12 834 file (005010X220A1).")],
    mapping: Annotated[Path, typer.Option(exists=True, help="Which plan is which module: docs/enrollment-files.md.")],
    yes: Annotated[bool, typer.Option("--yes", help="Apply the plan without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and stop.")] = False,
    most_terminations: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the enrolled who may lose cover.")
    ] = 0.1,
    today: Annotated[str, typer.Option(help="Taken for today; default: today.")] = "",
    report: Annotated[Path | None, typer.Option(help="Writes the acceptance report, as JSON, into a file.")] = None,
) -> None:
    """Import an enrollment file: show what it would change, ask, change it, and say what became of every member."""
    from server.enrollment_file import import_834, read_mapping

    asking: Asking = context.obj
    on: date = day(today) if today else today_utc()

    def confirm(plan: "Plan") -> bool:
        _show(plan)
        return not dry_run and (yes or typer.confirm("Apply this plan?", err=True))

    with asking.client() as client:
        told = import_834(
            file,
            bearing(client.channel, asking.token),
            read_mapping(mapping),
            confirm=confirm,
            most_terminations=most_terminations,
            today=on,
        )
    if report:
        report.write_text(told.to_json())
    if asking.as_json:
        print(told.to_json())
    else:
        CONSOLE.print(told.to_text(), markup=False)


def _show(plan: "Plan") -> None:
    """What the plan would do: how many members, and for those who are concerned, to whom and why."""
    counts = ", ".join(f"{count} {kind.name.lower()}" for kind, count in plan.counts().items() if count)
    table = Table("what", "who", "segment", "why", title=f"The plan: {counts or 'nothing'}", title_justify="left")
    concerned = [member for member in plan.members if member.kind.name != "UNCHANGED"]
    for member in concerned[:MOST_SHOWN]:
        why = "; ".join((*member.reasons, *(str(finding) for finding in member.findings)))
        table.add_row(member.kind.name, Text(member.name), str(member.segment_number or ""), Text(why))
    ERRORS.print(table)
    if len(concerned) > MOST_SHOWN:
        ERRORS.print(f"and {len(concerned) - MOST_SHOWN} more: --report FILE --dry-run says all")
