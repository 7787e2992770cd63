"""Applies a plan, several families at a time, and reports on every member.

An interrupted import can be repeated. Request ids are derived from the file and the content of the request, and what
an earlier import of the file requested is not planned again.
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from affilia_cli.enrollment_file.applying.family_applier import NOT_REACHED, FamilyApplier
from affilia_cli.enrollment_file.applying.file_requests import FileRequests
from affilia_cli.enrollment_file.applying.outcomes import MemberOutcome, Outcome, final_outcome, outcome_of
from affilia_cli.enrollment_file.applying.progress import Progress
from affilia_cli.enrollment_file.applying.recording_facts import FactRecorder
from affilia_cli.enrollment_file.applying.report import Report, report_of
from affilia_cli.enrollment_file.applying.retrying import Retrier, Stopped
from affilia_cli.enrollment_file.applying.workers import MAX_IN_FLIGHT, Workers
from affilia_cli.enrollment_file.book.batched_calls import batches
from affilia_cli.enrollment_file.book.book import Book
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.planning.plan import Plan, PlannedMember
from affilia_client import CallFailed, Client

MAX_FAMILIES_READ_TOGETHER = 20
"""The members of these families are read in one call, shortly before their facts are recorded."""

INTERRUPTED = "Interrupted. Finishing the families under way; press Ctrl-C again to stop immediately."


class _Family(NamedTuple):
    """All members of the plan in one family, by their index in the plan."""

    primary_id: str
    members: dict[int, PlannedMember]


class Applier:
    """Applies the plan of one file."""

    def __init__(
        self,
        plan: Plan,
        book: Book,
        client: Client,
        mapping: Mapping,
        requests: FileRequests,
        retrier: Retrier,
        today: date,
    ) -> None:
        self._plan = plan
        self._retrier = retrier
        self._recorder = FactRecorder(client, requests, retrier, mapping, today)
        self._applier = FamilyApplier(client, requests, retrier, self._recorder, book, plan.module_names)
        self._outcomes: dict[int, MemberOutcome] = {}

    def apply(self, progress: Progress) -> Report:
        """Sends all planned requests, for 16 families at a time.

        A failed call is reported for the members that it concerns; the others continue. After a KeyboardInterrupt or
        the deadline, the families under way are finished, and the report says who wasn't reached. A second
        KeyboardInterrupt is raised immediately.
        """
        families = list(self._families())
        with progress.task("Applying the plan, by family", len(families)) as advance:

            def work(batch: list[_Family]) -> None:
                for family in self._apply_batch(batch):
                    self._outcomes.update(family)
                    advance()

            workers = Workers(work, batches(families, _batch_size(len(families))), self._retrier)
            try:
                workers.join()
            except KeyboardInterrupt:
                self._retrier.stop()
                progress.note(INTERRUPTED)
                workers.join()
        members = (self._outcomes.get(index) or self._unreached(each) for index, each in enumerate(self._plan.members))
        return report_of(self._plan.file, members, self._plan.findings, applied=True)

    def _families(self) -> Iterator[_Family]:
        """Yields the families that have something to apply, with all of their members."""
        families = {primary_id: _Family(primary_id, {}) for primary_id, _ in self._plan.families()}
        for index, member in enumerate(self._plan.members):
            if member.primary_id in families:
                families[member.primary_id].members[index] = member
        yield from families.values()

    def _apply_batch(self, batch: list[_Family]) -> Iterator[dict[int, MemberOutcome]]:
        pending = [each for family in batch for each in family.members.values() if self._final_outcome(each) is None]
        try:
            stored = self._recorder.read(pending)
        except CallFailed as failed:
            for family in batch:
                yield {index: self._failed(each, failed) for index, each in family.members.items()}
            return
        except Stopped:
            return
        for family in batch:
            if self._retrier.is_over:
                return
            outcomes = self._applier.apply(family.primary_id, list(family.members.values()), stored)
            yield dict(zip(family.members, outcomes, strict=True))

    def _final_outcome(self, member: PlannedMember) -> MemberOutcome | None:
        return final_outcome(member, self._plan.module_names)

    def _failed(self, member: PlannedMember, failed: CallFailed) -> MemberOutcome:
        final = self._final_outcome(member)
        return final or outcome_of(member, Outcome.FAILED, self._plan.module_names, [str(failed)])

    def _unreached(self, member: PlannedMember) -> MemberOutcome:
        final = self._final_outcome(member)
        return final or outcome_of(member, Outcome.PLANNED, self._plan.module_names, [NOT_REACHED])


def _batch_size(num_families: int) -> int:
    """Returns the size of batches that keep all workers busy, and that one call can read."""
    return max(1, min(MAX_FAMILIES_READ_TOGETHER, num_families // MAX_IN_FLIGHT))
