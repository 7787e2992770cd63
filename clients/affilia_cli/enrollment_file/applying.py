"""Applies a plan: stores members and facts, submits one change request for each group, and reports on every member.

Every request id is derived from the file and the content of the request. An interrupted import can therefore be
repeated, and importing a file again changes nothing. If the rules reject a member's changes, the rest of the family is
submitted again without that member.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from google.protobuf import json_format
from google.protobuf.message import Message

from affilia.catalog.v1 import member_service_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.plan import Plan, PlannedMember
from affilia_cli.enrollment_file.report import MemberOutcome, Outcome, Report, final_outcome, outcome_of, report_of
from affilia_cli.enrollment_file.server_state import CALL_SECONDS
from affilia_cli.enrollment_file.verdicts import describe_consequence, describe_notice, describe_violation
from affilia_cli.requesters import Claims, loading_admin
from affilia_client import CallFailed, Client

MAX_CONCURRENT_FAMILIES = 8
"""Families share no members, so they don't wait for each other."""

MAX_CHANGES = 100
"""Maximum number of changes in one change request (`change_request_service.proto`)."""


def apply_plan(plan: Plan, client: Client, mapping: Mapping, claims: Claims) -> Report:
    """Sends all planned requests. A failed call is reported for the members that it affects; the others continue."""
    applier = _Applier(plan, client, mapping, claims)
    pending = [member for member in plan.members if final_outcome(member) is None]
    families: dict[str, list[PlannedMember]] = {}
    for member in pending:
        families.setdefault(member.primary_id, []).append(member)
    with ThreadPoolExecutor(max_workers=MAX_CONCURRENT_FAMILIES) as pool:
        list(pool.map(applier.family, families.values()))  # The list makes sure that exceptions are raised here.
    members = (final_outcome(member) or applier.outcome(member) for member in plan.members)
    return report_of(plan.file, members, plan.findings, applied=True)


class _Applier:
    def __init__(self, plan: Plan, client: Client, mapping: Mapping, claims: Claims) -> None:
        self._client = client
        self._mapping = mapping
        envelope = plan.file.envelope
        self._source = (envelope.interchange_number, envelope.group_number, plan.file.digest)
        self._requester = loading_admin(
            claims,
            f"834 {envelope.sender}"[:100],
            f"834 file {envelope.interchange_number} of {envelope.sender}"[:500],
        )
        self._failures: dict[str, list[str]] = {}
        self._reasons: dict[str, list[str]] = {}
        self._notices: dict[str, list[str]] = {}

    def outcome(self, member: PlannedMember) -> MemberOutcome:
        """Returns the outcome of a member for whom requests were sent."""
        failures, reasons = self._failures.get(member.member_id, []), self._reasons.get(member.member_id, [])
        outcome = Outcome.FAILED if failures else Outcome.REJECTED if reasons else Outcome.ACCEPTED
        return outcome_of(member, outcome, [*failures, *reasons], self._notices.get(member.member_id, ()))

    def family(self, members: list[PlannedMember]) -> None:
        """Stores facts before it submits change requests, which depend on them. This order causes no recomputes."""
        stored = [member for member in members if self._store_facts(member)]
        for contract_id in dict.fromkeys(step.contract_id for member in stored for step in member.steps):
            self._submit(contract_id, [m for m in stored if any(step.contract_id == contract_id for step in m.steps)])

    def _store_facts(self, member: PlannedMember) -> bool:
        try:
            for fact in member.facts:
                self._set_request_id(fact)
                if isinstance(fact, member_service_pb2.UpsertMemberRequest):
                    self._client.members.upsert_member(fact, timeout=CALL_SECONDS)
                else:
                    self._client.members.record_facts(fact, timeout=CALL_SECONDS)
        except CallFailed as failed:
            self._failures.setdefault(member.member_id, []).append(str(failed))
            return False
        return True

    def _submit(self, contract_id: str, members: list[PlannedMember]) -> None:
        """Submits a group's changes. If some are rejected, submits the others again without the members concerned."""
        while members:
            changes = [step.change for each in members for step in each.steps if step.contract_id == contract_id]
            if len(changes) > MAX_CHANGES:
                self._add(
                    self._reasons,
                    members,
                    f"The family has {len(changes)} changes, but a change request can have at most {MAX_CHANGES}.",
                )
                return
            request = change_request_service_pb2.SubmitChangeRequestRequest(
                requester=self._requester,
                group=GroupKey(contract_id=contract_id, primary_id=members[0].primary_id),
                changes=changes,
                # The sponsor decides for the family. Consequences are reported as notices.
                accept_consequences=True,
            )
            self._set_request_id(request)
            try:
                judged = self._client.changes.submit_change_request(request, timeout=CALL_SECONDS).change_request
            except CallFailed as failed:
                self._add(self._failures, members, str(failed))
                return
            if judged.verdict == change_request_pb2.VERDICT_APPROVED:
                self._add_notices(judged, members)
                return
            rejected = {violation.member_id for violation in judged.violations}
            for violation in judged.violations:
                concerned = [each for each in members if each.member_id == violation.member_id]
                self._add(self._reasons, concerned, describe_violation(violation))
            remaining = [each for each in members if each.member_id not in rejected]
            if len(remaining) == len(members):  # No violation names a member who could be left out.
                for violation in judged.violations:
                    self._add(self._reasons, members, describe_violation(violation))
                return
            members = remaining

    def _add_notices(self, judged: change_request_pb2.ChangeRequest, members: list[PlannedMember]) -> None:
        """Adds the notices of an approved request. Those about somebody else are added to the first member."""
        notices = [(each.member_id, describe_notice(each)) for each in judged.notices]
        notices += [(each.member_id, describe_consequence(each)) for each in judged.consequences]
        for member_id, text in notices:
            concerned = [each for each in members if each.member_id == member_id]
            self._add(self._notices, concerned or members[:1], text if concerned else f"member {member_id} {text}")

    @staticmethod
    def _add(texts: dict[str, list[str]], members: Iterable[PlannedMember], text: str) -> None:
        for each in members:
            texts.setdefault(each.member_id, []).append(text)

    def _set_request_id(
        self,
        request: member_service_pb2.UpsertMemberRequest
        | member_service_pb2.RecordFactsRequest
        | change_request_service_pb2.SubmitChangeRequestRequest,
    ) -> None:
        """Sets the id to the UUIDv5 of the file's control numbers and digest and of the request's other fields."""
        request.request_id = ""
        request.request_id = self._mapping.request_id(*self._source, request.DESCRIPTOR.full_name, _content(request))


def _content(request: Message) -> str:
    """Returns the request as JSON, which is stable across protobuf releases."""
    return json.dumps(json_format.MessageToDict(request), sort_keys=True)
