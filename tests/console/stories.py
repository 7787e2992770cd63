"""Families for stories that change data: a family with names, prices and an age limit, and a large group."""

from typing import Any

import grpc

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.type.v1 import membership_type_pb2
from tests.rpc.test_costs import priced_contract
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, admin, new_id
from tests.support.waiting import wait_until

CHILD = membership_type_pb2.MEMBERSHIP_TYPE_CHILD
PRIMARY = membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY
MODULES = ("Hospital basic", "Hospital plus", "Travel")


class NamedFamily:
    """Marie and her son Léo, whose cover ends when he turns 26. A suffix makes their names unique."""

    def __init__(self, channel: grpc.Channel, suffix: str = "", admin_id: str = "back-office") -> None:
        self.family = Family(channel)
        self._admin_id = admin_id
        self.suffix = suffix or new_id()[:8]
        self.marie, self.leo = f"Marie Dupont-{self.suffix}", f"Léo Dupont-{self.suffix}"

    @property
    def group_id(self) -> str:
        return self.family.group().group_id

    def set_up(self) -> "NamedFamily":
        """Enrolls both from 2026 on: revision 1."""
        family = self.family
        family.set_up(self.contract())
        self.name(family.primary, self.marie)
        self.name(family.child, self.leo)
        family.submit(
            family.enroll(family.base, "2026-01-01"),
            family.enroll(family.base, "2026-01-01", child=True),
            requester=admin("joins the company", self._admin_id),
        )
        return self

    def contract(self) -> contract_pb2.Contract:
        contract = priced_contract(self.family)
        contract.display_name = f"Company plan {self.suffix}"
        version = contract.versions[0]
        for module, name in zip(version.modules, MODULES, strict=True):
            module.display_name = name
            module.capabilities.append(name.upper().replace(" ", "_"))
        rule = version.rules.add(code="CHILD_AGE", description="Children are covered until they turn 26.")
        rule.applies_to.append(CHILD)
        rule.condition.age.CopyFrom(condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=26))
        return contract

    def name(self, member_id: str, name: str, *identifiers: tuple[str, str]) -> None:
        """Gives a member a name, and identifiers."""
        found = [member_pb2.Identifier(system=system, value=value) for system, value in identifiers]
        member = member_pb2.Member(
            member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name, identifiers=found
        )
        self.family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))

    def born(self, member_id: str, born_on: str) -> None:
        """Corrects a birth date, and waits until the family is recomputed."""
        self.family.born(member_id, born_on)
        self.wait_until_recomputed()

    def wait_until_recomputed(self) -> None:
        request = change_request_service_pb2.ListRecomputesRequest(group_id=self.group_id)
        wait_until(lambda: not self.family.requests.ListRecomputes(request).waiting_count, "no recompute waits")

    def with_history(self) -> "NamedFamily":
        """Makes four revisions: both join, Léo turns out to be older, Marie moves to another module, Léo leaves."""
        family = self.family
        self.born(family.child, "2000-08-15")
        self.switch("2026-07-01")
        leave = change_request_pb2.Leave(member_id=family.child, days=span("2026-05-01", None))
        family.submit(
            change_request_pb2.ScopedChange(leave=leave), requester=admin("has his own insurance", self._admin_id)
        )
        return self

    def switch(self, on: str) -> None:
        """Moves Marie to the better module of the same slot."""
        family = self.family
        family.submit(
            family.leave(on, module_id=family.base),
            family.enroll(family.plus, on),
            requester=admin("wants a single room", self._admin_id),
        )

    def add_person(self, name: str, born_on: str | None = None, *identifiers: tuple[str, str]) -> str:
        """Stores another person, who isn't in a family, and returns the id."""
        member_id = new_id()
        self.name(member_id, name, *identifiers)
        if born_on:
            self.family.born(member_id, born_on)
        return member_id


class LargeGroup:
    """A group of many members, each enrolled in all modules of a contract without rules."""

    def __init__(self, channel: grpc.Channel, members: int, modules: int) -> None:
        self.family = Family(channel)
        self.members = [self.family.primary, *(new_id() for _ in range(members - 1))]
        self.modules = [new_id() for _ in range(modules)]

    def set_up(self) -> "LargeGroup":
        request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=self._contract())
        self.family.catalog.PublishContract(request)
        for n, member_id in enumerate(self.members):
            member = member_pb2.Member(
                member_id=member_id,
                kind=member_pb2.MEMBER_KIND_PERSON,
                display_name=f"Person {n:03} of the large group",
            )
            self.family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
        changes = [self._enroll(member_id, module_id) for member_id in self.members for module_id in self.modules]
        for start in range(0, len(changes), 100):
            self.family.submit(*changes[start : start + 100], requester=admin("a large group"))
        return self

    @property
    def group_id(self) -> str:
        return self.family.group().group_id

    def _contract(self) -> contract_pb2.Contract:
        contract = self.family.contract()
        contract.display_name = "Large group"
        del contract.versions[0].modules[:]
        for n, module_id in enumerate(self.modules):
            contract.versions[0].modules.add(
                module_id=module_id, service_type=contract_pb2.SERVICE_TYPE_OPTION, display_name=f"Module {n:02}"
            )
        return contract

    def _enroll(self, member_id: str, module_id: str) -> Any:
        kind = PRIMARY if member_id == self.family.primary else CHILD
        enroll = change_request_pb2.Enroll(
            member_id=member_id, membership_type=kind, module_id=module_id, days=span("2026-01-01", None)
        )
        return change_request_pb2.ScopedChange(enroll=enroll)
