"""The door itself: from the path of a file to a plan, and from a plan that somebody confirmed to a report."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import grpc

from server.enrollment_file.applying import apply_plan
from server.enrollment_file.book import Book
from server.enrollment_file.mapping import Mapping
from server.enrollment_file.parsing import read_file
from server.enrollment_file.plan import Plan, check_terminations
from server.enrollment_file.planning import make_plan
from server.enrollment_file.report import Report, not_applied

MOST_TERMINATIONS = 0.10


def plan_834(path: Path, channel: grpc.Channel, mapping: Mapping, *, today: date) -> Plan:
    """What an import of the file would do, as the book is now. Writes nothing.

    `today` is the day from which those lose cover whom a file of everybody leaves out; so in the contract's time zone.
    Errors: FileRefused with every finding, BookUnreadable; OSError where the file cannot be read.
    """
    file = read_file(path)
    return make_plan(file, mapping, Book(channel, mapping.contract_ids), today)


def import_834(
    path: Path,
    channel: grpc.Channel,
    mapping: Mapping,
    *,
    confirm: Callable[[Plan], bool],
    most_terminations: float = MOST_TERMINATIONS,
    today: date,
) -> Report:
    """Plans, asks `confirm`, applies, and reports. The same file again changes nothing.

    `most_terminations` is the share, 0 to 1, of those enrolled under a contract who may lose cover; 1 lets all go. It
    is judged before anybody is asked. Where `confirm` says no, the report tells the plan, and nothing was written.
    Errors: as for plan_834, and TooManyTerminations; then nothing was written. What fails later is in the report.
    """
    plan = plan_834(path, channel, mapping, today=today)
    check_terminations(plan, most_terminations)
    return apply_plan(plan, channel, mapping) if confirm(plan) else not_applied(plan)
