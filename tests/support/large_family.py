"""A family under a contract with many modules, on a server."""

import grpc

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2, pricing_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.type.v1 import membership_type_pb2
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, new_id

PRIMARY = membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY
CHILD = membership_type_pb2.MEMBERSHIP_TYPE_CHILD


class LargeFamily:
    """Everybody is on the first `enrolled` modules. The other modules require the ones before them."""

    def __init__(self, channel: grpc.Channel, modules: int, people: int, enrolled: int) -> None:
        self.family = Family(channel)
        self.modules = [new_id() for _ in range(modules)]
        self.people = [self.family.primary, *(new_id() for _ in range(people - 1))]
        publish = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=self._contract())
        self.family.catalog.PublishContract(publish)
        for n, member in enumerate(self.people):
            self.family.store(member)
            self.family.born(member, f"{1975 + n * 4}-06-01")
        changes = [self.enroll(member, module) for module in self.modules[:enrolled] for member in self.people]
        for i in range(0, len(changes), 96):
            self.family.submit(*changes[i : i + 96], requester=admin())

    def choices(self) -> change_request_service_pb2.ListAvailableChoicesResponse:
        """Returns the choices of one of the children."""
        request = change_request_service_pb2.ListAvailableChoicesRequest(
            key=self.family.key, member_id=self.people[2], membership_type=CHILD, on=date("2026-12-01")
        )
        return self.family.requests.ListAvailableChoices(request)

    def _contract(self) -> contract_pb2.Contract:
        contract = self.family.contract()
        version = contract.versions[0]
        del version.modules[:]
        version.pricing.age_grid.SetInParent()
        for n, module_id in enumerate(self.modules):
            module = version.modules.add(module_id=module_id, service_type=contract_pb2.SERVICE_TYPE_OPTION)
            row = pricing_pb2.AgeGridRow(beneficiary_types=[PRIMARY, CHILD], min_age=0, monthly_minor=1_000 + n)
            module.pricing.age_grid.standard.append(row)
            before = self.modules[max(0, n - 3) : n] or self.modules[:1]
            for subject in (condition_pb2.SUBJECT_ANY_MEMBER, condition_pb2.SUBJECT_EVERY_MEMBER):
                either = module.rules.add(code=f"RULE_{n}_{subject}").condition.any_of
                adult = condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, min_years=18)
                either.conditions.add(age=adult)
                either.conditions.add(enrolled_on=condition_pb2.EnrolledOnCondition(subject=subject, module_ids=before))
        return contract

    def enroll(self, member: str, module_id: str, first: str = "2026-01-01") -> change_request_pb2.ScopedChange:
        """Returns a change that enrolls one of them from a day on."""
        kind = PRIMARY if member == self.family.primary else CHILD
        enroll = change_request_pb2.Enroll(
            member_id=member, membership_type=kind, module_id=module_id, days=span(first, None)
        )
        return change_request_pb2.ScopedChange(enroll=enroll)
