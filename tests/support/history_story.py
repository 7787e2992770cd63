"""The story of a family, in which every kind of thing is recorded, and short forms of calls to its history."""

from collections.abc import Callable
from typing import Any

import grpc

from affilia.catalog.v1 import condition_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.history.v1 import history_entry_pb2
from affilia.history.v1 import history_service_pb2 as pb
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from affilia.premium.v1 import premium_computation_service_pb2, premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.type.v1 import membership_type_pb2
from tests.rpc.test_costs import priced_contract
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, new_id
from tests.support.insured import Insured
from tests.support.waiting import wait_until

NAME = "Melusine Unverwechselbar"
NOTE = "moved to her aunt Hildegard"
REASON = "moved abroad"
INVOICE = "2026/17"
ADMIN = "ada-lovelace"


def by_admin(reason: str = "a test") -> change_request_pb2.Requester:
    return change_request_pb2.Requester(role=change_request_pb2.REQUESTER_ROLE_ADMIN, requester_id=ADMIN, reason=reason)


def history_of(channel: Any, **asked: Any) -> list[history_entry_pb2.HistoryEntry]:
    """Returns all entries, read in one page or in pages of `page_size`."""
    stub: Any = HistoryServiceStub(channel)
    found: list[history_entry_pb2.HistoryEntry] = []
    token = ""
    while True:
        request = pb.ListHistoryRequest(**{"page_size": 200, **asked, "page_token": token})
        page = stub.ListHistory(request, timeout=60)
        found += page.entries
        token = page.next_page_token
        if not token:
            return found


class Story:
    """A family under a contract with prices, limits and an age limit for children.

    `channel` is that of the admin ADMIN. `channel_of_member` returns the channel of a member; None: the same one.
    """

    def __init__(
        self, channel: Any, internal: grpc.Channel, channel_of_member: Callable[[str], Any] | None = None
    ) -> None:
        self.channel = channel
        self._channel_of_member = channel_of_member
        self.insured = Insured(channel, internal)
        self.family: Family = self.insured.family
        self.premiums: Any = PremiumComputationServiceStub(channel)

    @property
    def group_id(self) -> str:
        return self.insured.group_id

    def contract(self, base_minor: int = 10_000) -> contract_pb2.Contract:
        contract = self.insured.contract()
        for module, priced in zip(
            contract.versions[0].modules, priced_contract(self.family).versions[0].modules, strict=True
        ):
            module.pricing.CopyFrom(priced.pricing)
        version = contract.versions[0]
        version.pricing.age_grid.SetInParent()
        version.modules[0].pricing.age_grid.standard[0].monthly_minor = base_minor
        rule = version.rules.add(code="CHILD_AGE", applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_CHILD])
        rule.condition.age.CopyFrom(condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=26))
        return contract

    def tell(self) -> "Story":
        """Records everything but the erasure: the child turns out to be older than was thought."""
        family = self.family
        family.set_up()
        family.amend(self.contract())
        joining = family.enroll(family.base, "2026-01-01", child=True)
        joining.note = NOTE
        family.submit(family.enroll(family.base, "2026-01-01"), joining, requester=by_admin(REASON))
        family.born(family.child, "2000-03-01")
        self.wait_until_recomputed()
        family.amend(self.contract(base_minor=12_000))
        self.wait_until_recomputed()
        asked = family.request(family.enroll(family.option, "2026-01-01", "2026-12-31", child=True))
        rejected = self.requests_of_primary().SubmitChangeRequest(asked)
        self.insured.token = rejected.consistency_token
        self.compute()
        self.invoice()
        application_id, _ = self.insured.apply("2026-02-01", physio=2, deductible=30_00)
        self.insured.reverse(application_id)
        self.rename(NAME)
        return self

    def requests_of_primary(self) -> Any:
        """Returns the stub with which the primary requests changes."""
        if self._channel_of_member is None:
            return self.family.requests
        return ChangeRequestServiceStub(self._channel_of_member(self.family.primary))

    def wait_until_recomputed(self) -> None:
        request = change_request_service_pb2.ListRecomputesRequest(group_id=self.group_id)
        wait_until(lambda: not self.family.requests.ListRecomputes(request).waiting_count, "no recompute waits")

    def compute(self, first: str = "2026-01", last: str = "2026-02") -> None:
        self.premiums.ComputePremiums(
            premium_computation_service_pb2.ComputePremiumsRequest(
                request_id=new_id(),
                policy=insurance_cost_pb2.Policy(key=self.family.key),
                months=months(first, last),
            )
        )

    def entries(self) -> list[premium_entry_pb2.PremiumEntry]:
        request = premium_computation_service_pb2.ListPremiumEntriesRequest(
            policy=insurance_cost_pb2.Policy(key=self.family.key), page_size=1000
        )
        return list(self.premiums.ListPremiumEntries(request).entries)

    def invoice(self) -> None:
        self.premiums.MarkPremiumsInvoiced(
            premium_computation_service_pb2.MarkPremiumsInvoicedRequest(
                request_id=new_id(),
                entry_ids=[entry.entry_id for entry in self.entries()],
                debtor=premium_entry_pb2.DEBTOR_PRIMARY,
                invoice_id=INVOICE,
            )
        )

    def rename(self, name: str) -> None:
        member = member_pb2.Member(member_id=self.family.child, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name)
        self.family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))

    def erase_child(self, **how: Any) -> None:
        request = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=self.family.child, **how)
        self.family.members.EraseMember(request)

    def history(self, **asked: Any) -> list[history_entry_pb2.HistoryEntry]:
        """Returns the history of the group, or of another subject that is given."""
        subjects = {"group_id", "member_id", "contract_id"} & asked.keys()
        return history_of(self.channel, **asked if subjects else {"group_id": self.group_id, **asked})
