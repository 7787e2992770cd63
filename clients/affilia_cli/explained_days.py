"""Reads why enrollments include a day or not: the revision that last added or removed it, and its explanation."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

from affilia.eligibility.v1.coverage_pb2 import CoverageRecord
from affilia.eligibility.v1.eligibility_check_service_pb2 import MissingCoverage
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentDifference, EnrollmentGroup, GroupKey
from affilia.history.v1.explanation_pb2 import ExplainedRun
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_client import Client, NotAllowed, NotFound, NotSupported
from affilia_client.dates import span_from_proto
from affilia_views.explanations import ExplainedDay

CANNOT_EXPLAIN = (NotAllowed, NotFound, NotSupported)
"""Errors for callers who aren't allowed to read the group, and from older servers."""


DayUnder = Callable[[str], date]
"""Returns the day to explain under a contract, given by its id."""


def lacking(
    client: Client, missing: Iterable[MissingCoverage], groups: Iterable[EnrollmentGroup], day_under: DayUnder
) -> Iterator[ExplainedDay]:
    """Yields why enrollments don't include a day, with the full explanation of the revision that removed it.

    `groups` are the member's groups.
    """
    keys = {group.group_id: group.key for group in groups}
    for each in missing:
        key = keys.get(each.group_id, GroupKey())
        on = day_under(key.contract_id)
        runs = _runs(client, each.group_id, each.revision, each.member_id, each.module_id, on) if each.revision else ()
        yield ExplainedDay(
            each.group_id,
            key,
            each.member_id,
            each.module_id,
            each.revision,
            runs,
            each.failed_rules,
            each.summary,
        )


def having(client: Client, records: Iterable[CoverageRecord], day_under: DayUnder) -> Iterator[ExplainedDay]:
    """Yields why enrollments include a day, for each coverage record whose group the caller can read."""
    for each in records:
        on = day_under(each.key.contract_id)
        revision = _revision_that_added(client, each, on) if each.revision else 0
        if revision:
            runs = _runs(client, each.group_id, revision, each.member_id, each.module_id, on)
            yield ExplainedDay(each.group_id, each.key, each.member_id, each.module_id, revision, runs)


def _revision_that_added(client: Client, record: CoverageRecord, on: date) -> int:
    """Returns the newest revision that added the day to the enrollment of a record, or 0 if it can't be read."""
    try:
        changed = _differences(client, record, 0, record.revision)
        revisions = [cause.revision for each in changed for cause in each.causes]
        for revision in reversed(revisions):
            step = _differences(client, record, revision - 1, revision)
            if any(_contains(days, on) for each in step for days in each.gained):
                return revision
    except CANNOT_EXPLAIN:
        return 0
    return 0


def _differences(client: Client, record: CoverageRecord, earlier: int, later: int) -> list[EnrollmentDifference]:
    """Returns how the enrollment of a record differs between two revisions."""
    found = client.enrollment.diff_revisions(group_id=record.group_id, from_revision=earlier, to_revision=later)
    enrollment = record.member_id, record.module_id
    return [each for each in found.differences if (each.member_id, each.module_id) == enrollment]


def _runs(
    client: Client, group_id: str, revision: int, member_id: str, module_id: str, on: date
) -> Sequence[ExplainedRun]:
    try:
        found = client.history.explain_difference(
            group_id=group_id, revision=revision, member_id=member_id, module_id=module_id
        )
    except CANNOT_EXPLAIN:
        return ()
    return [run for run in found.runs if _contains(run.days, on)]


def _contains(days: DateSpan, on: date) -> bool:
    first, last = span_from_proto(days)
    return (first is None or first <= on) and (last is None or on <= last)
