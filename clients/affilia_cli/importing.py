"""The command `import-834`: imports an enrollment file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from affilia_cli.console import CONSOLE, ERRORS
from affilia_cli.days import parse_day
from affilia_cli.exit_status import INCOMPLETE
from affilia_cli.import_progress import ImportProgress
from affilia_cli.local_files import write_private
from affilia_cli.session import Session
from affilia_cli.tables import new_table, show_table, whole

if TYPE_CHECKING:
    from affilia_cli.enrollment_file import Report
    from affilia_cli.enrollment_file.findings import FileRejected
    from affilia_cli.enrollment_file.planning.plan import Plan
    from affilia_cli.enrollment_file.reading.file import EnrollmentFile

MAX_MEMBERS_ON_TERMINAL = 50
CSV = ".csv"


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An X12 834 file (005010X220A1).")],
    mapping: Annotated[Path, typer.Option(exists=True, help="The sponsor's mapping: docs/enrollment-files.md.")],
    yes: Annotated[bool, typer.Option("--yes", help="Apply the plan without asking for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan without applying it.")] = False,
    max_terminations: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Maximum share of a contract's covered members whose coverage may end. 1: no limit."
        ),
    ] = 0.1,
    max_days_lost: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Maximum share of the covered days of the next twelve months that may be lost. By default 0.1, or"
            " --max-terminations if that is larger.",
        ),
    ] = None,
    today: Annotated[
        str,
        typer.Option(help="Today's date, such as 2026-03-01. Defaults to the current day in the contract's time zone."),
    ] = "",
    deadline: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds after which no further families are started and no failed calls are retried."
        ),
    ] = 3600,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report to this file, as CSV if its name ends in .csv, otherwise as JSON."),
    ] = None,
    acknowledge: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Write the acknowledgements (TA1, 999) for the sender to this folder."
        ),
    ] = None,
) -> None:
    """Import an enrollment file.

    Shows the planned changes, asks for confirmation, applies them, and reports on every member. Ctrl-C finishes the
    families under way; running the command again continues. Exits with 5 if some families weren't applied.
    """
    from affilia_cli.enrollment_file import import_834, read_mapping
    from affilia_cli.enrollment_file.acknowledging import control_numbers_of, read_envelope, write_acknowledgements

    session: Session = context.obj

    def confirm(plan: "Plan") -> bool:
        _show_plan(plan)
        return not dry_run and (yes or typer.confirm("Apply this plan?", err=True))

    envelope = read_envelope(file) if acknowledge else None
    if acknowledge and envelope is None:
        ERRORS.print("The file doesn't begin with ISA, so it can't be acknowledged.")
    with session.client() as client:

        def answer(outcome: "EnrollmentFile | FileRejected") -> None:
            if acknowledge and envelope:
                for path in write_acknowledgements(acknowledge, envelope, outcome, control_numbers_of(client)):
                    ERRORS.print(f"Wrote {path}")

        result = import_834(
            file,
            client,
            read_mapping(mapping),
            confirm=confirm,
            max_terminations=max_terminations,
            max_days_lost=max_days_lost,
            today=parse_day(today) if today else None,
            claims=session.claims,
            deadline_seconds=deadline,
            progress=ImportProgress(),
            acknowledge=answer,
        )
    if report:
        write_private(report, result.to_csv() if report.suffix.lower() == CSV else result.to_json())
    if session.as_json:
        print(result.to_json())
    else:
        CONSOLE.print(result.to_text(whole(CONSOLE).width))
    if result.applied and not result.is_complete:
        _show_how_to_go_on(result)
        raise typer.Exit(INCOMPLETE)


def _show_plan(plan: "Plan") -> None:
    """Prints how many members the plan changes, and each of them with what the file says, the days, and the reason."""
    from affilia_cli.enrollment_file.applying.outcomes import planned_outcome
    from affilia_cli.enrollment_file.applying.report import details

    table = new_table("action", "member", "segment", "details", title=f"Plan: {plan.summary()}")
    affected = [member for member in plan.members if member.kind.name != "UNCHANGED"]
    shown = affected[:MAX_MEMBERS_ON_TERMINAL] if ERRORS.is_terminal else affected
    for member in shown:
        text = "; ".join(details(planned_outcome(member, plan.module_names)))
        table.add_row(member.kind.name, Text(member.name), str(member.segment_number or ""), Text(text))
    show_table(table, ERRORS)
    if len(affected) > len(shown):
        ERRORS.print(f"and {len(affected) - len(shown)} more. --dry-run --report FILE writes all of them.")


def _show_how_to_go_on(report: "Report") -> None:
    from affilia_cli.enrollment_file.applying.outcomes import Outcome

    counts = report.counts()
    undone = counts[Outcome.PLANNED] + counts[Outcome.FAILED]
    ERRORS.print(
        f"{undone} of {len(report.members)} members were not applied completely. Run the same command again to"
        " continue: what was applied is not requested twice."
    )
