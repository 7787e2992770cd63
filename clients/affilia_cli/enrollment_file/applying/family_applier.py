"""Applies the plan for one family: facts first, then a change request for each group."""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field

from affilia.catalog.v1.member_service_pb2 import MemberWithFacts
from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest
from affilia.enrollment.v1.change_request_service_pb2 import SubmitChangeRequestRequest
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_cli.enrollment_file.applying.family_changes import (
    MemberChanges,
    changes_by_contract,
    divided,
    without_rejected,
)
from affilia_cli.enrollment_file.applying.file_requests import FileRequests
from affilia_cli.enrollment_file.applying.outcomes import GroupDays, MemberOutcome, Outcome, final_outcome, outcome_of
from affilia_cli.enrollment_file.applying.recording_facts import FactRecorder, FactsNotRecorded
from affilia_cli.enrollment_file.applying.retrying import Retrier, Stopped
from affilia_cli.enrollment_file.book.book import Book, FamilyKey
from affilia_cli.enrollment_file.book.periods import days_by_enrollment
from affilia_cli.enrollment_file.planning.plan import PlannedMember
from affilia_cli.enrollment_file.planning.verdicts import describe_consequence, describe_notice, describe_violation
from affilia_client import CallFailed, Client

NOT_REACHED = "Not applied, because the import ended first. Import the file again to continue."
NOT_REQUESTED = "Not requested, because an earlier request for the family failed. Import the file again."

Texts = dict[str, list[str]]
"""Sentences by member id."""


@dataclass(slots=True)
class _Results:
    """What happened to the members of a family. `groups` has the server's days by contract."""

    failures: Texts = field(default_factory=dict)
    reasons: Texts = field(default_factory=dict)
    notices: Texts = field(default_factory=dict)
    groups: dict[str, GroupDays] = field(default_factory=dict)
    is_stopped: bool = False


class FamilyApplier:
    """Applies families, from several threads."""

    def __init__(
        self,
        client: Client,
        requests: FileRequests,
        retrier: Retrier,
        recorder: FactRecorder,
        book: Book,
        names: Lookup[str, str],
    ) -> None:
        self._client = client
        self._requests = requests
        self._retrier = retrier
        self._recorder = recorder
        self._book = book
        self._names = names

    def apply(
        self, primary_id: str, members: Sequence[PlannedMember], stored: Lookup[str, MemberWithFacts]
    ) -> list[MemberOutcome]:
        """Applies what is planned for a family and returns the outcome for each member.

        `members` also has those for whom nothing is to be done: the changes of others can affect them. A failed call is
        reported for the members that it concerns. Facts are recorded before the changes that depend on them, so that
        the server doesn't compute the group twice.
        """
        results = _Results()
        pending = [each for each in members if final_outcome(each, self._names) is None]
        try:
            ready = [each for each in pending if self._record_facts(each, stored.get(each.member_id), results)]
            for contract_id, changes in changes_by_contract(ready, self._requests.note).items():
                self._submit_all(FamilyKey(contract_id, primary_id), changes, results)
        except Stopped:
            results.is_stopped = True
        return [self._outcome(each, results) for each in members]

    def _record_facts(self, member: PlannedMember, stored: MemberWithFacts | None, results: _Results) -> bool:
        try:
            self._recorder.record(member, stored, employer_of(member, self._book))
        except (CallFailed, FactsNotRecorded) as failed:
            _add(results.failures, [member.member_id], str(failed))
            return False
        return True

    def _submit_all(self, key: FamilyKey, changes: list[MemberChanges], results: _Results) -> None:
        """Submits a group's requests in order. After a failed call, the following ones aren't submitted: without the
        days that it adds, they could take cover away."""
        remaining = divided(changes)
        while remaining:
            members = remaining.pop(0)
            try:
                self._submit(key, members, results)
            except CallFailed as failed:
                _add(results.failures, _ids(members), str(failed))
                for later in remaining:
                    _add(results.failures, _ids(later), NOT_REQUESTED)
                return

    def _submit(self, key: FamilyKey, members: list[MemberChanges], results: _Results) -> None:
        """Submits one request. If some members are rejected, submits it again without them."""
        while members:
            request = SubmitChangeRequestRequest(
                requester=self._requests.requester,
                group=GroupKey(contract_id=key.contract_id, primary_id=key.primary_id),
                changes=[change for each in members for change in each.changes],
                # The sponsor decides for the family. Consequences are reported as notices.
                accept_consequences=True,
            )
            self._requests.set_id(request)
            response = self._retrier.call(self._client.changes.submit_change_request, request)
            results.groups[key.contract_id] = days_by_enrollment(response.group.periods)
            judged = response.change_request
            if judged.verdict == VERDICT_APPROVED:
                _add_notices(judged, members, results.notices)
                return
            remaining = without_rejected(members, judged.violations)
            for violation in judged.violations:
                concerned = [each.member_id for each in members if each.member_id == violation.member_id]
                # If no violation names a member who could be left out, all are rejected for all reasons.
                _add(results.reasons, concerned if remaining else _ids(members), describe_violation(violation))
            members = remaining

    def _outcome(self, member: PlannedMember, results: _Results) -> MemberOutcome:
        final = final_outcome(member, self._names, results.groups)
        if final is not None:
            return final
        failures, reasons = results.failures.get(member.member_id, []), results.reasons.get(member.member_id, [])
        outcome = Outcome.FAILED if failures else Outcome.REJECTED if reasons else Outcome.ACCEPTED
        if results.is_stopped and not failures:
            outcome, reasons = Outcome.PLANNED, [*reasons, NOT_REACHED]
        notices = results.notices.get(member.member_id, ())
        return outcome_of(member, outcome, self._names, [*failures, *reasons], notices, results.groups)


def employer_of(member: PlannedMember, book: Book) -> str:
    """Returns the sponsor of the member's contract: that of the file's coverages, or else of the family's groups."""
    contract_ids = [days.contract_id for days in member.modules]
    contract_ids += [each for each in book.contracts if FamilyKey(each, member.primary_id) in book.families]
    return book.contracts[next(iter(contract_ids), next(iter(book.contracts)))].sponsor_id


def _add_notices(judged: ChangeRequest, members: list[MemberChanges], notices: Texts) -> None:
    """Adds the notices of an approved request. Those about somebody else are added to the first member."""
    texts = [(each.member_id, describe_notice(each)) for each in judged.notices]
    texts += [(each.member_id, describe_consequence(each)) for each in judged.consequences]
    ids = set(_ids(members))
    for member_id, text in texts:
        if member_id in ids:
            _add(notices, [member_id], text)
        else:
            _add(notices, [members[0].member_id], f"member {member_id} {text}")


def _ids(members: Iterable[MemberChanges]) -> list[str]:
    return [each.member_id for each in members]


def _add(texts: Texts, member_ids: Iterable[str], text: str) -> None:
    for member_id in member_ids:
        texts.setdefault(member_id, []).append(text)
