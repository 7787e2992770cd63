"""Short forms of common calls for tests over the wire: a contract, a family, and their change requests."""

from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia.type.v1 import date_span_pb2, membership_type_pb2
from tests.scenarios.enrollment_messages import date, span

M = TypeVar("M", bound=Message)

ADULT_RULE = condition_pb2.Rule(
    code="ADULT",
    condition=condition_pb2.Condition(age=condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, min_years=18)),
)


def new_id() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Failure:
    """The decoded status of a failed call."""

    code: grpc.StatusCode
    reason: str
    facts: dict[str, str]
    violations: dict[str, str]


def failure_of(call: Any, request: Message, metadata: tuple[tuple[str, str], ...] = ()) -> Failure:
    """Makes a call that must fail, and returns its failure."""
    try:
        call(request, metadata=metadata)
    except grpc.RpcError as error:
        return decoded(error)
    raise AssertionError("the call did not fail")


def decoded(error: Any) -> Failure:
    """Returns the status and details of a failed call."""
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(info)
                detail.Unpack(bad_request)
    violations = {v.field: v.description for v in bad_request.field_violations}
    return Failure(error.code(), info.reason, dict(info.metadata), violations)


def without_token(answer: M) -> M:
    """Returns an answer without its consistency token, which also reflects what was recorded since the first answer."""
    without = type(answer)()
    without.CopyFrom(answer)
    without.ClearField("consistency_token")
    return without


@dataclass
class Family:
    """A contract with two modules of one slot and an option, and a family under it."""

    channel: grpc.Channel
    contract_id: str = field(default_factory=new_id)
    base: str = field(default_factory=new_id)
    plus: str = field(default_factory=new_id)
    option: str = field(default_factory=new_id)
    primary: str = field(default_factory=new_id)
    child: str = field(default_factory=new_id)
    requester: Any = None
    """The requester of changes; None for the primary. A message, typed as Any because `ids` are passed by name."""

    def __post_init__(self) -> None:
        self.catalog = CatalogServiceStub(self.channel)
        self.members = MemberServiceStub(self.channel)
        self.requests = ChangeRequestServiceStub(self.channel)
        self.queries = EnrollmentQueryServiceStub(self.channel)
        self.key = enrollment_group_pb2.GroupKey(contract_id=self.contract_id, primary_id=self.primary)

    def ids(self) -> dict[str, str]:
        """Returns the arguments that make the same family on another channel."""
        names = ("contract_id", "base", "plus", "option", "primary", "child")
        return {name: getattr(self, name) for name in names}

    def contract(self) -> contract_pb2.Contract:
        adults_only = contract_pb2.Module(
            module_id=self.option, service_type=contract_pb2.SERVICE_TYPE_OPTION, rules=[ADULT_RULE]
        )
        modules = [
            contract_pb2.Module(module_id=module_id, slot="base", service_type=contract_pb2.SERVICE_TYPE_BASE)
            for module_id in (self.base, self.plus)
        ]
        return contract_pb2.Contract(
            contract_id=self.contract_id,
            country_code="FR",
            currency_code="EUR",
            time_zone="Europe/Paris",
            sponsor_id="ACME",
            versions=[
                contract_pb2.ContractVersion(
                    days=span("2025-01-01", None), max_backdating_days=3650, modules=[*modules, adults_only]
                )
            ],
        )

    def set_up(self, contract: contract_pb2.Contract | None = None) -> "Family":
        """Publishes the contract and stores the members, the primary born in 1980, the child in 2015."""
        request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract or self.contract())
        self.catalog.PublishContract(request)
        for member_id, born_on in ((self.primary, "1980-06-01"), (self.child, "2015-06-01")):
            self.store(member_id)
            self.born(member_id, born_on)
        return self

    def store(self, member_id: str) -> None:
        """Stores a member without facts."""
        member = member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON)
        self.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))

    def amend(self, contract: contract_pb2.Contract) -> contract_pb2.Contract:
        """Replaces all versions of the contract by those of another contract message."""
        current = self.catalog.GetContract(catalog_service_pb2.GetContractRequest(contract_id=self.contract_id))
        request = catalog_service_pb2.AmendContractRequest(
            request_id=new_id(),
            contract_id=self.contract_id,
            versions=contract.versions,
            etag=current.contract.etag,
        )
        return self.catalog.AmendContract(request).contract

    def born(self, member_id: str, born_on: str | None) -> member_service_pb2.RecordFactsResponse:
        request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=member_id)
        request.birth.CopyFrom(member_pb2.Birth(born_on=date(born_on) if born_on else None))
        return self.members.RecordFacts(request)

    def enroll(
        self, module_id: str, first: str, last: str | None = None, child: bool = False
    ) -> change_request_pb2.ScopedChange:
        return change_request_pb2.ScopedChange(
            enroll=change_request_pb2.Enroll(
                member_id=self.child if child else self.primary,
                membership_type=membership_type_pb2.MEMBERSHIP_TYPE_CHILD
                if child
                else membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY,
                module_id=module_id,
                days=span(first, last),
            )
        )

    def leave(self, first: str, last: str | None = None, module_id: str = "") -> change_request_pb2.ScopedChange:
        return change_request_pb2.ScopedChange(
            leave=change_request_pb2.Leave(member_id=self.primary, module_id=module_id, days=span(first, last))
        )

    def primary_as_requester(self) -> change_request_pb2.Requester:
        return change_request_pb2.Requester(role=change_request_pb2.REQUESTER_ROLE_MEMBER, requester_id=self.primary)

    def request(
        self, *changes: change_request_pb2.ScopedChange, **more: Any
    ) -> change_request_service_pb2.SubmitChangeRequestRequest:
        """Returns a change request of the requester, with a new request id."""
        content: dict[str, Any] = {
            "request_id": new_id(),
            "group": self.key,
            "changes": changes,
            "requester": self.requester or self.primary_as_requester(),
            **more,
        }
        return change_request_service_pb2.SubmitChangeRequestRequest(**content)

    def submit(
        self, *changes: change_request_pb2.ScopedChange, **more: Any
    ) -> change_request_service_pb2.SubmitChangeRequestResponse:
        return self.requests.SubmitChangeRequest(self.request(*changes, **more))

    def group(self, **how: Any) -> enrollment_group_pb2.EnrollmentGroup:
        request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=self.key, **how)
        return self.queries.GetEnrollmentGroup(request).group


def admin(reason: str = "a test", name: str = "back-office") -> change_request_pb2.Requester:
    return change_request_pb2.Requester(role=change_request_pb2.REQUESTER_ROLE_ADMIN, requester_id=name, reason=reason)


def days(first: str | None, last: str | None = None) -> date_span_pb2.DateSpan:
    return span(first, last)
