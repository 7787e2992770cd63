"""Converts days and membership types between the server's messages and plain values."""

from collections.abc import Iterable
from datetime import date

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.enrollment_file.book.book import EnrollmentKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns, Run
from affilia_client.dates import span_from_proto, span_to_proto


def run_of(days: DateSpan) -> Run:
    """Returns a span as a run. Unbounded ends are the first and last day of the calendar."""
    first_on, last_on = span_from_proto(days)
    return Run(first_on or date.min, last_on or date.max)


def span_of(run: Run) -> DateSpan:
    return span_to_proto(run.first_on, None if run.is_open else run.last_on)


def days_of(spans: Iterable[DateSpan]) -> DayRuns:
    return DayRuns.of(map(run_of, spans))


def days_by_enrollment(periods: Iterable[EnrollmentPeriod]) -> dict[EnrollmentKey, DayRuns]:
    runs: dict[EnrollmentKey, list[Run]] = {}
    for each in periods:
        runs.setdefault(EnrollmentKey(each.member_id, each.module_id), []).append(run_of(each.days))
    return {key: DayRuns.of(found) for key, found in runs.items()}


def type_name(membership_type: MembershipType.ValueType) -> str:
    """Returns the name of a membership type as in mappings, such as "CHILD"."""
    return MembershipType.Name(membership_type).removeprefix("MEMBERSHIP_TYPE_")
