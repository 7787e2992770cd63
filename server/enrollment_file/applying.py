"""Carries a plan out: members and facts first, then one change request a group, and says what became of everybody.

Every request id is derived from the file and from what the request says, so a run that was cut short goes on where it
stopped, and the same file again repeats what was said. Somebody whom a rule stands against does not hold up the rest
of the family: the others are asked for again without them.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from affilia.catalog.v1 import member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from server.enrollment_file.book import CALL_SECONDS
from server.enrollment_file.mapping import Mapping
from server.enrollment_file.plan import Plan, PlannedMember
from server.enrollment_file.report import MemberOutcome, Outcome, Report, outcome_of, report_of, settled
from server.enrollment_file.verdicts import describe_consequence, describe_error, describe_notice, describe_violation

FAMILIES_AT_ONCE = 8
"""They share no member, so nothing of one waits for another."""

MOST_CHANGES = 100
"""In one change request (`change_request_service.proto`)."""


def apply_plan(plan: Plan, channel: grpc.Channel, mapping: Mapping) -> Report:
    """Sends everything that is planned. A call that fails is told of the members concerned, and stops nobody else."""
    applier = _Applier(plan, channel, mapping)
    waiting = [member for member in plan.members if settled(member) is None]
    families: dict[str, list[PlannedMember]] = {}
    for member in waiting:
        families.setdefault(member.primary_id, []).append(member)
    with ThreadPoolExecutor(max_workers=FAMILIES_AT_ONCE) as pool:
        list(pool.map(applier.family, families.values()))  # As a list, so that a defect is raised here.
    members = (settled(member) or applier.outcome(member) for member in plan.members)
    return report_of(plan.file, members, plan.findings, applied=True)


class _Applier:
    def __init__(self, plan: Plan, channel: grpc.Channel, mapping: Mapping) -> None:
        self._members = MemberServiceStub(channel)
        self._requests = ChangeRequestServiceStub(channel)
        self._mapping = mapping
        envelope = plan.file.envelope
        self._source = (envelope.interchange_number, envelope.group_number, plan.file.digest)
        self._requester = change_request_pb2.Requester(
            role=change_request_pb2.REQUESTER_ROLE_ADMIN,
            requester_id=f"834 {envelope.sender}"[:100],
            reason=f"834 file {envelope.interchange_number} of {envelope.sender}"[:500],
        )
        self._failures: dict[str, list[str]] = {}
        self._reasons: dict[str, list[str]] = {}
        self._notices: dict[str, list[str]] = {}

    def outcome(self, member: PlannedMember) -> MemberOutcome:
        """What became of a member for whom something was sent."""
        failures, reasons = self._failures.get(member.member_id, []), self._reasons.get(member.member_id, [])
        outcome = Outcome.FAILED if failures else Outcome.REJECTED if reasons else Outcome.ACCEPTED
        return outcome_of(member, outcome, [*failures, *reasons], self._notices.get(member.member_id, ()))

    def family(self, members: list[PlannedMember]) -> None:
        """Facts before change requests: these are judged by them, and nothing is recomputed in between."""
        stored = [member for member in members if self._store(member)]
        for contract_id in dict.fromkeys(step.contract_id for member in stored for step in member.steps):
            self._ask(contract_id, [m for m in stored if any(step.contract_id == contract_id for step in m.steps)])

    def _store(self, member: PlannedMember) -> bool:
        try:
            for fact in member.facts:
                self._identify(fact)
                if isinstance(fact, member_service_pb2.UpsertMemberRequest):
                    self._members.UpsertMember(fact, timeout=CALL_SECONDS)
                else:
                    self._members.RecordFacts(fact, timeout=CALL_SECONDS)
        except grpc.RpcError as fault:
            self._failures.setdefault(member.member_id, []).append(describe_error(fault))
            return False
        return True

    def _ask(self, contract_id: str, members: list[PlannedMember]) -> None:
        """Asks for a group's changes; where some are refused, once more without the members concerned."""
        while members:
            changes = [step.change for each in members for step in each.steps if step.contract_id == contract_id]
            if len(changes) > MOST_CHANGES:
                self._tell(self._reasons, members, f"{len(changes)} changes of one family; at most {MOST_CHANGES}")
                return
            request = change_request_service_pb2.SubmitChangeRequestRequest(
                requester=self._requester,
                group=GroupKey(contract_id=contract_id, primary_id=members[0].primary_id),
                changes=changes,
                # The sponsor decides for the family; what follows from it is told as a notice.
                accept_consequences=True,
            )
            self._identify(request)
            try:
                judged = self._requests.SubmitChangeRequest(request, timeout=CALL_SECONDS).change_request
            except grpc.RpcError as fault:
                self._tell(self._failures, members, describe_error(fault))
                return
            if judged.verdict == change_request_pb2.VERDICT_APPROVED:
                self._hear(judged, members)
                return
            refused = {violation.member_id for violation in judged.violations}
            for violation in judged.violations:
                concerned = [each for each in members if each.member_id == violation.member_id]
                self._tell(self._reasons, concerned, describe_violation(violation))
            left = [each for each in members if each.member_id not in refused]
            if len(left) == len(members):  # Nothing that anybody in particular could be taken out for.
                for violation in judged.violations:
                    self._tell(self._reasons, members, describe_violation(violation))
                return
            members = left

    def _hear(self, judged: change_request_pb2.ChangeRequest, members: list[PlannedMember]) -> None:
        """What an approval adds; what concerns nobody in the plan is told of the first one."""
        told = [(each.member_id, describe_notice(each)) for each in judged.notices]
        told += [(each.member_id, describe_consequence(each)) for each in judged.consequences]
        for member_id, text in told:
            concerned = [each for each in members if each.member_id == member_id]
            self._tell(self._notices, concerned or members[:1], text if concerned else f"member {member_id} {text}")

    @staticmethod
    def _tell(book: dict[str, list[str]], members: Iterable[PlannedMember], text: str) -> None:
        for each in members:
            book.setdefault(each.member_id, []).append(text)

    def _identify(
        self,
        request: member_service_pb2.UpsertMemberRequest
        | member_service_pb2.RecordFactsRequest
        | change_request_service_pb2.SubmitChangeRequestRequest,
    ) -> None:
        """The UUIDv5 of the file's control numbers and digest, and of what the request says beside its id."""
        request.request_id = ""
        request.request_id = self._mapping.request_id(*self._source, request.DESCRIPTOR.full_name, _content(request))


def _content(request: Message) -> str:
    """As JSON, whose form no protobuf release changes."""
    return json.dumps(json_format.MessageToDict(request), sort_keys=True)
