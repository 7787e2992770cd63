"""Simulates a plan, to know who would lose days by it with all its consequences. Writes nothing."""

from collections.abc import Iterable
from datetime import date
from functools import partial, reduce

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED
from affilia.enrollment.v1.change_request_service_pb2 import SimulateChangeRequestRequest
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_cli.enrollment_file.applying.family_changes import (
    MemberChanges,
    changes_by_contract,
    divided,
    without_rejected,
)
from affilia_cli.enrollment_file.applying.file_requests import FileRequests
from affilia_cli.enrollment_file.applying.losses import Days, FamilyDays
from affilia_cli.enrollment_file.applying.progress import Progress
from affilia_cli.enrollment_file.applying.retrying import Retrier
from affilia_cli.enrollment_file.applying.workers import Workers
from affilia_cli.enrollment_file.book.book import Book, BookFamily, EnrollmentKey, FamilyKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.book.periods import days_by_enrollment
from affilia_cli.enrollment_file.findings import ServerStateUnreadable
from affilia_cli.enrollment_file.planning.plan import Plan, PlannedMember
from affilia_client import CallFailed, Client, Invalid, NotFound, PreconditionFailed

JUDGED_CALL_FAILURES = (Invalid, NotFound, PreconditionFailed)
"""Failures of one family's simulation. Applying its changes will fail alike, and is reported then."""


class Simulator:
    """Simulates the changes of families as they will be applied.

    Changes of members whom the server doesn't know yet can't be simulated: they lose nothing, and are left out.
    """

    def __init__(self, book: Book, client: Client, requests: FileRequests, retrier: Retrier) -> None:
        self._book = book
        self._client = client
        self._requests = requests
        self._retrier = retrier

    def changed_families(self, plan: Plan, today: date, progress: Progress) -> dict[FamilyKey, FamilyDays]:
        """Returns the days of all families that can lose days by the plan.

        Raises ServerStateUnreadable if the server can't simulate at all.
        """
        families = list(self._families_at_risk(plan, today))
        if not families:
            return {}
        found: dict[FamilyKey, FamilyDays] = {}
        with progress.task("Checking the plan", len(families)) as advance:

            def simulate(family: tuple[FamilyKey, list[PlannedMember]]) -> None:
                found[family[0]] = self._days(*family)
                advance()

            try:
                Workers(simulate, families, self._retrier).join()
            except CallFailed as failed:
                raise ServerStateUnreadable(f"Can't simulate the plan on the server: {failed}") from failed
            finally:
                self._retrier.stop()
        if len(found) < len(families):
            raise ServerStateUnreadable(
                "The deadline passed while the plan was checked. Nothing was written. Allow more time with --deadline."
            )
        return found

    def _families_at_risk(self, plan: Plan, today: date) -> Iterable[tuple[FamilyKey, list[PlannedMember]]]:
        for primary_id, members in plan.families():
            known = [each for each in members if each.changes_days and not (each.person and each.person.is_new)]
            for contract_id in dict.fromkeys(days.contract_id for each in known for days in each.modules):
                key = FamilyKey(contract_id, primary_id)
                family = self._book.families.get(key)
                if family and can_lose_days(family, known, today):
                    yield key, known

    def _days(self, key: FamilyKey, members: list[PlannedMember]) -> FamilyDays:
        """Returns the days of a family before and after its requests. Each request is simulated on its own."""
        family = self._book.families[key]
        changes = changes_by_contract(members, self._requests.note).get(key.contract_id, [])
        if not changes:
            return FamilyDays(family.days, family.days)
        try:
            simulated = [self._simulate(key, request) for request in divided(changes)]
        except JUDGED_CALL_FAILURES:
            return FamilyDays(family.days, {**family.days, **_planned_days(members, key)})
        before = simulated[0].before
        return FamilyDays(before, reduce(partial(_both_applied, before), (each.after for each in simulated)))

    def _simulate(self, key: FamilyKey, members: list[MemberChanges]) -> FamilyDays:
        """Returns the days before and after one request, without the members whom the rules reject.

        A rejected member with facts to record counts as planned, because the rules can allow the changes once the facts
        are recorded.
        """
        uncertain: list[PlannedMember] = []
        before = self._book.families[key].days
        while members:
            response = self._retrier.call(
                self._client.changes.simulate_change_request,
                SimulateChangeRequestRequest(
                    requester=self._requests.requester,
                    group=GroupKey(contract_id=key.contract_id, primary_id=key.primary_id),
                    changes=[change for each in members for change in each.changes],
                    accept_consequences=True,
                ),
            )
            before = days_by_enrollment(response.periods_before)
            if response.verdict == VERDICT_APPROVED:
                after = days_by_enrollment(response.periods_after)
                return FamilyDays(before, {**after, **_planned_days(uncertain, key)})
            remaining = without_rejected(members, response.violations)
            uncertain += [each.planned for each in members if each not in remaining and each.planned.facts]
            members = remaining
        return FamilyDays(before, {**before, **_planned_days(uncertain, key)})


def can_lose_days(family: BookFamily, members: Iterable[PlannedMember], today: date) -> bool:
    """Returns whether the family has an enrollment with days from today on that the plan does more than extend.

    Any other enrollment can lose days: by the plan, or as a consequence of the rules.
    """
    extended = {
        EnrollmentKey(member.member_id, days.module_id)
        for member in members
        for days in member.modules
        if days.contract_id == family.key.contract_id and days.added and not days.removed
    }
    return any(
        key not in extended and days.runs and days.runs[-1].last_on >= today for key, days in family.days.items()
    )


def _both_applied(before: Days, one: Days, other: Days) -> Days:
    """Returns the days after two requests, each of which was simulated on its own."""
    none = DayRuns()
    both = {}
    for key in {**before, **one, **other}:
        was, first, second = before.get(key, none), one.get(key, none), other.get(key, none)
        both[key] = (was - (was - first) - (was - second)) | (first - was) | (second - was)
    return both


def _planned_days(members: Iterable[PlannedMember], key: FamilyKey) -> Days:
    return {
        EnrollmentKey(member.member_id, days.module_id): days.after
        for member in members
        for days in member.modules
        if days.contract_id == key.contract_id
    }
