"""The command `migration backfill`, which takes over groups from the legacy tables."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from affilia.migration.v1.migration_service_pb2 import BackfillGroupsResponse
from affilia_cli.console import CONSOLE, ERRORS
from affilia_cli.exit_status import OTHER_ERROR
from affilia_cli.migration_arguments import country_in
from affilia_cli.options import Admin, Country, MappedContract
from affilia_cli.session import Session
from affilia_client import CallFailed
from affilia_views.migration_words import plural

MAX_FAILURES_REPORTED = 100
"""How many failures the server reports."""


def backfill(
    context: typer.Context,
    country: Country,
    contract: MappedContract = "",
    request_id: Annotated[str, typer.Option(help="Id of a backfill to resume. Defaults to a new one.")] = "",
    admin: Admin = "",
) -> None:
    """Align every group that is missing in the core or stale, in the stages DUAL_WRITE and READ_CORE.

    In READ_CORE, also write the core's days to the legacy tables. Ctrl-C stops the backfill. What is done stays done.
    """
    session: Session = context.obj
    code, request_id = country_in(country), request_id or str(uuid4())
    with session.client(admin) as client:
        contract_id = session.resolver(client).contract(contract) if contract else ""
        scope = ["--contract", contract_id] if contract_id else []
        with _saying_how_to_resume(["affilia migration backfill", code, *scope, "--request-id", request_id]):
            answers = client.migrations.backfill_groups(
                request_id=request_id, country_code=code, contract_id=contract_id
            )
            last = _follow(session, answers, request_id)
    if not session.as_json:
        CONSOLE.print(
            f"{last.done} of {plural(last.groups, 'group')} done: {last.aligned} aligned,"
            f" {last.written_back} written to the legacy tables, {last.failed} failed"
        )
        if last.failed > MAX_FAILURES_REPORTED:
            CONSOLE.print(f"Only the first {MAX_FAILURES_REPORTED} failures are listed.")
    raise typer.Exit(OTHER_ERROR if last.failed else 0)


def _follow(session: Session, answers: Iterable[BackfillGroupsResponse], request_id: str) -> BackfillGroupsResponse:
    """Shows the progress and the failures, and returns the last response."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    last = BackfillGroupsResponse()
    with Progress(*columns, console=ERRORS, disable=session.as_json) as progress:
        task = progress.add_task(f"backfill {request_id}", total=None)
        for last in answers:
            session.print_json(last)
            progress.update(task, total=last.groups, completed=last.done)
            for failure in last.failures:
                ERRORS.print(f"{failure.group_id}: {failure.reason} {failure.message}", style="red")
    return last


@contextmanager
def _saying_how_to_resume(words: list[str]) -> Iterator[None]:
    """Prints the command that resumes the backfill if it is interrupted by Ctrl-C or an error.

    Ctrl-C ends the command with status 1.
    """
    hint = f"To resume, run: {' '.join(words)}"
    try:
        yield
    except KeyboardInterrupt:
        ERRORS.print(f"Stopped. {hint}")
        raise typer.Exit(OTHER_ERROR) from None
    except CallFailed as failed:
        if not failed.reason or failed.retry_after_seconds:
            ERRORS.print(hint)
        raise
