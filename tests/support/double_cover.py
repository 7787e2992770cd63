"""A member who is covered by several policies, each with its own contract."""

from typing import Any

import grpc

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.eligibility.v1 import coverage_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_group_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.type.v1 import membership_type_pb2
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import admin, new_id


class DoubleCover:
    """Publishes contracts, stores members, enrolls them, and asks who pays first. `token` is that of the last write."""

    def __init__(self, channel: grpc.Channel, admin_name: str = "back-office") -> None:
        self.channel = channel
        self.catalog: Any = CatalogServiceStub(channel)
        self.members: Any = MemberServiceStub(channel)
        self.requests: Any = ChangeRequestServiceStub(channel)
        self.checks: Any = EligibilityCheckServiceStub(channel)
        self.requester = admin(name=admin_name)
        self.token = ""

    def contract(self, *, modules: int = 1, sponsor: str = "ACME", zone: str = "UTC", back: int = 36500) -> list[str]:
        """Publishes a contract, and returns its id and those of its modules. The last module has capability VISION."""
        listed = [
            contract_pb2.Module(
                module_id=new_id(), slot=f"slot{n}", service_type=contract_pb2.SERVICE_TYPE_BASE, capabilities=["CARE"]
            )
            for n in range(modules)
        ]
        listed[-1].capabilities.append("VISION")
        contract = contract_pb2.Contract(
            contract_id=new_id(),
            country_code="FR",
            currency_code="EUR",
            time_zone=zone,
            sponsor_id=sponsor,
            versions=[
                contract_pb2.ContractVersion(days=span("2000-01-01", None), max_backdating_days=back, modules=listed)
            ],
        )
        request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
        self.catalog.PublishContract(request)
        return [contract.contract_id, *(module.module_id for module in listed)]

    def person(self, born_on: str | None = None) -> str:
        member = member_pb2.Member(member_id=new_id(), kind=member_pb2.MEMBER_KIND_PERSON)
        self.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
        if born_on:
            self.born(member.member_id, born_on)
        return member.member_id

    def born(self, member_id: str, born_on: str | None) -> None:
        self._record(member_id, birth=member_pb2.Birth(born_on=date(born_on) if born_on else None))

    def coordination(self, child: str, primary: str, first: str, last: str | None = None) -> None:
        attribute = member_pb2.Attribute(days=span(first, last), name="COORDINATION", value=primary)
        self._record(child, attributes=member_pb2.Attributes(items=[attribute]))

    def employment(self, member_id: str, employer: str, status: str, first: str = "2000-01-01") -> None:
        number = condition_pb2.EmploymentStatus.Value(f"EMPLOYMENT_STATUS_{status}")
        job = member_pb2.Employment(days=span(first, None), employer_id=employer, status=number)
        self._record(member_id, employments=member_pb2.Employments(items=[job]))

    def _record(self, member_id: str, **facts: Any) -> None:
        request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=member_id, **facts)
        self.token = self.members.RecordFacts(request).consistency_token

    def enroll(
        self, contract: list[str], primary: str, member: str, role: str, first: str, last: str | None = None, n: int = 1
    ) -> None:
        """Enrolls a member with a membership type in the module with a number, from 1."""
        change = change_request_pb2.Enroll(
            member_id=member,
            membership_type=membership_type_pb2.MembershipType.Value(f"MEMBERSHIP_TYPE_{role}"),
            module_id=contract[n],
            days=span(first, last),
        )
        self._submit(contract, primary, change_request_pb2.ScopedChange(enroll=change))

    def leave(self, contract: list[str], primary: str, member: str, first: str, last: str | None = None) -> None:
        change = change_request_pb2.Leave(member_id=member, days=span(first, last))
        self._submit(contract, primary, change_request_pb2.ScopedChange(leave=change))

    def _submit(self, contract: list[str], primary: str, change: change_request_pb2.ScopedChange) -> None:
        request = change_request_service_pb2.SubmitChangeRequestRequest(
            request_id=new_id(),
            group=enrollment_group_pb2.GroupKey(contract_id=contract[0], primary_id=primary),
            changes=[change],
            requester=self.requester,
        )
        answer = self.requests.SubmitChangeRequest(request)
        assert answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED, answer
        self.token = answer.consistency_token

    def check(self, member: str, on: str | None = None, **asked: Any) -> pb.CheckEligibilityResponse:
        check = pb.EligibilityCheck(member_id=member, date=date(on) if on else None, **asked)
        request = pb.CheckEligibilityRequest(check=check, consistency_token=self.token)
        answer: pb.CheckEligibilityResponse = self.checks.CheckEligibility(request, timeout=60)
        return answer

    def order(self, member: str, on: str, **asked: Any) -> list[tuple[str, str]]:
        """Returns the primaries in order of payment, each with the rule that decided."""
        return [(record.key.primary_id, rule_of(record)) for record in self.check(member, on, **asked).records]


def rule_of(record: coverage_pb2.CoverageRecord) -> str:
    """Returns the rule that put a record after the previous one; empty for the first record."""
    return coverage_pb2.PaymentRule.Name(record.decided_by).removeprefix("PAYMENT_RULE_").replace("UNSPECIFIED", "")
