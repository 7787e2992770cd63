"""A family with benefits, and short forms of calls to eligibility."""

from typing import Any

import grpc

from affilia.catalog.v1 import contract_pb2
from affilia.eligibility.v1 import accumulator_pb2, coverage_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.eligibility.v1.eligibility_internal_service_pb2_grpc import EligibilityInternalServiceStub
from affilia.enrollment.v1 import change_request_pb2
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family, admin, new_id

DEDUCTIBLE, PHYSIO = "DEDUCTIBLE", "BENEFIT:PHYSIO"


class Insured:
    """A family under a contract with limits, and both services of eligibility. `token` is that of the last write."""

    def __init__(self, channel: grpc.Channel, internal: grpc.Channel, **ids: str) -> None:
        self.family = Family(channel, **ids)
        self.internal = internal
        self.checks: Any = EligibilityCheckServiceStub(channel)
        self.claims: Any = EligibilityInternalServiceStub(internal)
        self.token = ""

    def set_up(self) -> "Insured":
        self.family.set_up()
        self.family.amend(self.contract())
        return self

    def contract(
        self, individual: int | None = 100_00, family: int | None = 150_00, physio: int = 9
    ) -> contract_pb2.Contract:
        """Returns a contract: base and plus share slot, deductible and visits; plus has more deductible and OPTICAL."""
        contract = self.family.contract()
        base, plus, option = contract.versions[0].modules
        for module, more in ((base, 1), (plus, 2)):
            limits = module.limits
            limits.add(
                kind=contract_pb2.LIMIT_KIND_DEDUCTIBLE,
                unit=contract_pb2.LIMIT_UNIT_MONEY,
                individual_amount=None if individual is None else individual * more,
                family_amount=None if family is None else family * more,
            )
            limits.add(
                kind=contract_pb2.LIMIT_KIND_BENEFIT,
                benefit="PHYSIO",
                unit=contract_pb2.LIMIT_UNIT_VISITS,
                individual_amount=physio,
            )
            module.capabilities.append("DENTAL")
            module.network_tier = "STANDARD"
        plus.capabilities.append("OPTICAL")
        option.capabilities.append("HOME_CARE")
        return contract

    def submit(self, *changes: change_request_pb2.ScopedChange) -> None:
        self.token = self.family.submit(*changes, requester=self.family.requester or admin()).consistency_token

    def enroll(self, first: str, last: str | None = None, *, child: bool = False, module: str | None = None) -> None:
        self.submit(self.family.enroll(module or self.family.base, first, last, child=child))

    @property
    def group_id(self) -> str:
        return str(self.family.group().group_id)

    # -------------------------------------------------------------------------------------------- asked

    def check(self, on: str, member: str | None = None, **asked: str) -> pb.CheckEligibilityResponse:
        check = pb.EligibilityCheck(member_id=member or self.family.primary, date=date(on), **asked)
        request = pb.CheckEligibilityRequest(check=check, consistency_token=self.token)
        answer: pb.CheckEligibilityResponse = self.checks.CheckEligibility(request, timeout=60)
        return answer

    def reason(self, on: str, member: str | None = None, **asked: str) -> str:
        return reason_of(self.check(on, member, **asked))

    def records(self, on: str, member: str | None = None) -> list[coverage_pb2.CoverageRecord]:
        return list(self.check(on, member).records)

    # -------------------------------------------------------------------------------------------- used

    def application(self, on: str, member: str | None = None, **amounts: int) -> internal_pb.ApplyAccumulatorsRequest:
        """Returns a request to apply amounts, given as `deductible` and `physio`."""
        codes = {"deductible": DEDUCTIBLE, "physio": PHYSIO}
        return internal_pb.ApplyAccumulatorsRequest(
            application_id=new_id(),
            member_id=member or self.family.primary,
            group_id=self.group_id,
            service_date=date(on),
            amounts=[accumulator_pb2.AccumulatorAmount(code=codes[n], amount=a) for n, a in amounts.items()],
            consistency_token=self.token,
        )

    def apply(self, on: str, member: str | None = None, **amounts: int) -> tuple[str, list[tuple[int, int]]]:
        """Returns the id of the application, and what was applied and in excess of each amount."""
        request = self.application(on, member, **amounts)
        answer = self.claims.ApplyAccumulators(request)
        self.token = answer.consistency_token
        return request.application_id, [(a.applied, a.excess) for a in answer.amounts]

    def reverse(self, application_id: str) -> internal_pb.ReverseAccumulatorsResponse:
        request = internal_pb.ReverseAccumulatorsRequest(application_id=application_id)
        answer: internal_pb.ReverseAccumulatorsResponse = self.claims.ReverseAccumulators(request)
        self.token = answer.consistency_token
        return answer

    def used(self, on: str, member: str | None = None, code: str = DEDUCTIBLE) -> tuple[int, int]:
        """Returns what the member and the family have used."""
        request = pb.GetAccumulatorsRequest(
            member_id=member or self.family.primary, date=date(on), consistency_token=self.token
        )
        found = self.checks.GetAccumulators(request, timeout=60).accumulators
        return next((a.individual.used, a.family.used) for a in found if a.code == code)

    def ledger(self, **which: Any) -> list[accumulator_pb2.AccumulatorApplication]:
        asked = which if "member_id" in which else {"group_id": self.group_id, **which}
        request = internal_pb.ListAccumulatorApplicationsRequest(page_size=1000, consistency_token=self.token, **asked)
        applications: list[accumulator_pb2.AccumulatorApplication] = []
        while True:
            page = self.claims.ListAccumulatorApplications(request)
            applications += page.applications
            if not page.next_page_token:
                return applications
            request.page_token = page.next_page_token

    def rebuild(self) -> internal_pb.RebuildProjectionResponse:
        answer: internal_pb.RebuildProjectionResponse = self.claims.RebuildProjection(
            internal_pb.RebuildProjectionRequest(), timeout=60
        )
        return answer


def reason_of(answer: pb.CheckEligibilityResponse) -> str:
    return pb.EligibilityReason.Name(answer.reason).removeprefix("ELIGIBILITY_REASON_")
