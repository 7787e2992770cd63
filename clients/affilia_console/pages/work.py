"""What needs attention: rejected requests, failed recomputes, premium runs and migrations."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Generic, TypeVar

from starlette.responses import Response

from affilia.enrollment.v1 import change_request_pb2 as requests_pb
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest, Recompute
from affilia.migration.v1.migration_service_pb2 import Migration
from affilia.premium.v1.premium_computation_service_pb2 import PremiumRun, PremiumRunState
from affilia.type.v1.year_month_pb2 import MonthSpan, YearMonth
from affilia_console import finding
from affilia_console.failures import Refused
from affilia_console.parts import part
from affilia_console.visits import Visit
from affilia_views.migration_words import EFFECTS, next_step, stage_name
from affilia_views.outline import Item
from affilia_views.reasons import violation_items
from affilia_views.words import actor_words, changes_words, enum_word, requester_words

MAX_LISTED = 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Listed(Generic[T]):
    """The newest of some things, and whether there are more."""

    items: Sequence[T]
    has_more: bool = False


def work(visit: Visit) -> Response:
    """Shows the lists of one day. A list that the person isn't allowed to read shows the error instead."""
    on = _day(visit.query.get("on", ""))
    rejected = part(lambda: _rejected_on(visit, on))
    failed = part(lambda: _failed_recomputes(visit))
    runs = part(lambda: _runs(visit))
    migrations = part(lambda: list(visit.client.migrations.list_migrations().migrations))
    return visit.page(
        "work.html",
        on=on,
        before=on - timedelta(days=1),
        after=on + timedelta(days=1),
        rejected=rejected,
        failed=failed,
        runs=runs,
        migrations=migrations,
        month=f"{datetime.now(UTC):%Y-%m}",
        about=_About(visit),
    )


def run_again(visit: Visit) -> Response:
    """Requests a recompute of the group whose recompute failed."""
    visit.check_writable()
    group_id = visit.text("group_id")
    visit.client.changes.request_recompute(request_id=visit.text("request_id"), group_id=group_id)
    return visit.goes_to("/work", "The recompute will run in a moment.")


def start_run(visit: Visit) -> Response:
    """Starts a premium run over all contracts, or one."""
    visit.check_writable()
    first = _month(visit.text("first"))
    months = MonthSpan(first=first, last=_month(visit.text("last")) if visit.text("last") else first)
    contract = finding.contract_id(visit, visit.text("contract")) if visit.text("contract") else ""
    progress = visit.client.premiums.run_premiums(
        request_id=visit.text("request_id"), contract_id=contract, months=months
    )
    with closing(progress):  # the run goes on without a reader
        run_id = next(progress).run.run_id
    return visit.goes_to(f"/work/runs/{run_id}", "The premium run was started.")


def run(visit: Visit) -> Response:
    """Shows a premium run with its progress and failures. htmx reloads it while it is running."""
    run_id = visit.path("run_id")
    found = visit.client.premiums.get_premium_run(run_id=run_id).run
    failures = visit.client.premiums.list_premium_failures(run_id=run_id, page_size=MAX_LISTED).failures
    template = "run_progress.html" if visit.is_htmx else "run.html"
    return visit.page(template, run=found, failures=failures, about=_About(visit))


def stop_run(visit: Visit) -> Response:
    """Stops a premium run. What it has computed stays."""
    visit.check_writable()
    run_id = visit.path("run_id")
    visit.client.premiums.stop_premium_run(run_id=run_id)
    return visit.goes_to(f"/work/runs/{run_id}", "The run stops when the policies in progress are computed.")


def _month(text: str) -> YearMonth:
    try:
        first_on = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Refused(f"A month must have the form 2026-03, got {text or 'nothing'}.") from None
    return YearMonth(year=first_on.year, month=first_on.month)


def _rejected_on(visit: Visit, on: date) -> _Listed[ChangeRequest]:
    begins = datetime.combine(on, time(), UTC)
    page = visit.client.changes.list_change_requests(
        verdict=requests_pb.VERDICT_REJECTED,
        recorded_from=begins,
        recorded_before=begins + timedelta(days=1),
        page_size=MAX_LISTED,
    )
    visit.names.load_members(request.key.primary_id for request in page.change_requests)
    return _Listed(page.change_requests, bool(page.next_page_token))


def _failed_recomputes(visit: Visit) -> _Listed[Recompute]:
    page = visit.client.changes.list_recomputes(state=requests_pb.RECOMPUTE_STATE_FAILED, page_size=MAX_LISTED)
    return _Listed(page.recomputes, bool(page.next_page_token))


def _runs(visit: Visit) -> _Listed[PremiumRun]:
    page = visit.client.premiums.list_premium_runs(page_size=MAX_LISTED)
    return _Listed(page.runs, bool(page.next_page_token))


def _day(text: str) -> date:
    """Returns the day in a query, or today in UTC, in which the log's instants are shown."""
    try:
        return date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError:
        raise Refused(f"The day must have the form 2026-03-01, got {text}.") from None


class _About:
    """What the templates show of requests, recomputes, runs and migrations."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def requester(self, request: ChangeRequest) -> str:
        return requester_words(request, self._visit.names)

    def changes(self, request: ChangeRequest) -> Sequence[str]:
        return changes_words(request, self._visit.names)

    def reasons(self, request: ChangeRequest) -> Sequence[Item]:
        omitted = request.violations_omitted
        return violation_items(request.violations, request.key.contract_id, self._visit.names, omitted)

    def trigger(self, recompute: Recompute) -> str:
        return enum_word(requests_pb.RecomputeTrigger, recompute.trigger)

    def actor(self, recorded: Recompute | PremiumRun) -> str:
        return actor_words(recorded.actor, self._visit.names)

    def state(self, run: PremiumRun) -> str:
        return enum_word(PremiumRunState, run.state)

    def is_running(self, run: PremiumRun) -> bool:
        return run.state == PremiumRunState.PREMIUM_RUN_STATE_RUNNING

    def months(self, run: PremiumRun) -> str:
        first, last = run.months.first, run.months.last
        return f"{first.year}-{first.month:02}" + ("" if first == last else f" to {last.year}-{last.month:02}")

    def contract(self, run: PremiumRun) -> str:
        return self._visit.names.contract_name(run.contract_id) if run.contract_id else "all contracts"

    def stage(self, migration: Migration) -> str:
        return stage_name(migration.stage) if migration.stage else "no stage"

    def effects(self, migration: Migration) -> Sequence[tuple[str, str]]:
        return list(EFFECTS[migration.stage].lines()) if migration.stage in EFFECTS else []

    def next_step(self, migration: Migration) -> str:
        last = migration.last_comparison if migration.HasField("last_comparison") else None
        return next_step(migration.stage, migration.country_code, last)
