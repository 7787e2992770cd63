"""Imports a file: reads it, plans the changes, checks the plan, applies it if confirmed, and returns a report."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from affilia_cli.enrollment_file.applying.applying import Applier
from affilia_cli.enrollment_file.applying.file_requests import FileRequests
from affilia_cli.enrollment_file.applying.guard import Limits, check_plan
from affilia_cli.enrollment_file.applying.progress import SILENT, Progress
from affilia_cli.enrollment_file.applying.report import Report, not_applied
from affilia_cli.enrollment_file.applying.retrying import Retrier, Stopping
from affilia_cli.enrollment_file.applying.simulating import Simulator
from affilia_cli.enrollment_file.book.book import Book
from affilia_cli.enrollment_file.book.reading_book import read_book
from affilia_cli.enrollment_file.findings import FileRejected
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.parties import check_parties
from affilia_cli.enrollment_file.planning.earlier_imports import with_earlier_imports
from affilia_cli.enrollment_file.planning.plan import Plan
from affilia_cli.enrollment_file.planning.planning import make_plan
from affilia_cli.enrollment_file.reading.file import EnrollmentFile
from affilia_cli.enrollment_file.reading.parsing import read_file
from affilia_cli.requesters import NOBODY, Claims
from affilia_client import Client
from affilia_views.days import today_in

Acknowledge = Callable[[EnrollmentFile | FileRejected], None]
"""Acknowledges a file that was read, or one that is rejected."""

DEFAULT_LIMITS = Limits()
DEFAULT_DEADLINE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Planned:
    """A plan with what it is based on."""

    plan: Plan
    book: Book
    today: date


def plan_834(
    path: Path, client: Client, mapping: Mapping, *, today: date | None = None, progress: Progress = SILENT
) -> Plan:
    """Returns what an import of the file would do now. Writes nothing.

    Members whom a full file omits lose coverage from `today` on. By default, that is the contract's today; if the
    mapping has contracts in several time zones, the latest one, so that nobody loses coverage in the past.

    Raises FileRejected with every finding, ServerStateUnreadable, or OSError if the file can't be read.
    """
    return _planned(path, client, mapping, today, progress).plan


def import_834(
    path: Path,
    client: Client,
    mapping: Mapping,
    *,
    confirm: Callable[[Plan], bool],
    max_terminations: float = DEFAULT_LIMITS.max_terminations,
    max_days_lost: float | None = None,
    today: date | None = None,
    claims: Claims = NOBODY,
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
    progress: Progress = SILENT,
    acknowledge: Acknowledge = lambda _: None,
    stopping: Stopping | None = None,
) -> Report:
    """Plans the import, calls `confirm` with the plan, applies it, and returns a report.

    Importing a file again changes nothing.

    `max_terminations` is the maximum share (0 to 1) of a contract's covered members whose coverage may end.
    `max_days_lost` is the maximum share of all members' covered days of the next twelve months that may be lost. By
    default, it is 0.10, or `max_terminations` if that is larger.
    Both are checked before `confirm` is called, with all consequences of the plan; 1 means no limit. If `confirm`
    returns False, the report describes the plan and nothing is written.

    `claims` are the claims of the client's token. If it is an admin's token, that admin requests the changes.

    Calls that the server asks to repeat, or that reach no server, are repeated for up to `deadline_seconds`, first
    while the plan is checked and again while it is applied. After that, or after a KeyboardInterrupt, the families
    under way are finished, and `Report.is_complete` is False; importing the file again continues. A second
    KeyboardInterrupt is raised.

    `stopping` ends the import from another thread, as a KeyboardInterrupt does. While the plan is being checked, this
    raises ServerStateUnreadable or Stopped.

    `acknowledge` is called with the file once it has been planned, or with the reason why it is rejected.

    Raises the same errors as `plan_834`, TooManyTerminations, and TooManyDaysLost; in these cases nothing is written.
    Later failures are listed in the report.
    """
    try:
        planned = _planned(path, client, mapping, today, progress)
    except FileRejected as rejected:
        acknowledge(rejected)
        raise
    acknowledge(planned.plan.file)
    plan, book, stopping = planned.plan, planned.book, stopping or Stopping()
    requests = FileRequests(plan.file, mapping, claims)
    simulator = Simulator(book, client, requests, stopping.stops(Retrier(deadline_seconds, progress)))
    if max_days_lost is None:
        max_days_lost = max(DEFAULT_LIMITS.max_days_lost, max_terminations)
    check_plan(plan, book, mapping, simulator, Limits(max_terminations, max_days_lost), planned.today, progress)
    if not confirm(plan):
        return not_applied(plan)
    retrier = stopping.stops(Retrier(deadline_seconds, progress))
    return Applier(plan, book, client, mapping, requests, retrier, planned.today).apply(progress)


def _planned(path: Path, client: Client, mapping: Mapping, today: date | None, progress: Progress) -> _Planned:
    with progress.task("Reading the file"):
        file = read_file(path)
        check_parties(file, mapping)
    with progress.task("Reading members and enrollments from the server"):
        book = read_book(client, mapping, file)
    with progress.task("Planning"):
        on = today or max(today_in(contract.time_zone) for contract in book.contracts.values())
        plan = make_plan(file, mapping, book, on)
    with progress.task("Reading earlier requests from the server"):
        plan = with_earlier_imports(plan, mapping, book, on, client)
    module_names = {
        module_id: name for contract in book.contracts.values() for module_id, name in contract.module_names.items()
    }
    return _Planned(replace(plan, module_names=module_names), book, on)
