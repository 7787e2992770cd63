"""Premium entries with `explain`: what changed since the month was computed before, and to whom that is explained."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import contract_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD as CHILD
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_explained_differences import BOSS, UNDER_26, explain
from tests.rpc.test_explanations import recomputes
from tests.rpc.test_premiums import compute, policy
from tests.support.calls import Family
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import Metadata, as_, channel_of, everything


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _), connected_to(server.address) as channel:
        yield channel


def with_children(family: Family) -> contract_pb2.Contract:
    """Returns a contract with prices, whose base covers children until they are 26."""
    contract = priced_contract(family)
    contract.versions[0].modules[0].rules.add(code="CHILD_AGE", applies_to=[CHILD], condition=UNDER_26)
    return contract


@pytest.fixture
def computed(public: grpc.Channel) -> Family:
    """A family whose premiums of January to March 2026 are computed: the child is born in 2001, the primary in 1980."""
    family = Family(channel_of(public, BOSS)).set_up()
    family.requests = ChangeRequestServiceStub(channel_of(public, everything()))
    family.amend(with_children(family))
    family.born(family.child, "2001-03-01")
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True))
    assert compute(family) == (0, 6)
    return family


def entries(
    family: Family, public: grpc.Channel, caller: Metadata = BOSS, **how: Any
) -> list[premium_entry_pb2.PremiumEntry]:
    asked = pb.ListPremiumEntriesRequest(policy=policy(family), page_size=1000, **{"explain": True, **how})
    stub = PremiumComputationServiceStub(channel_of(public, caller))
    answer = stub.ListPremiumEntries(asked, timeout=120)
    assert answer.unexplained_entries == 0
    return list(answer.entries)


def added_last(found: list[premium_entry_pb2.PremiumEntry]) -> list[premium_entry_pb2.PremiumEntry]:
    newest = max(entry.recorded_at.ToDatetime() for entry in found)
    return [entry for entry in found if entry.recorded_at.ToDatetime() == newest]


def test_the_first_entry_of_a_month_is_caused_by_the_revision_that_added_its_days(
    computed: Family, public: grpc.Channel
) -> None:
    gained = {
        computed.primary: "Gained from 2026-01-01 on: change request ",
        computed.child: "Gained from 2026-01-01 to 2027-02-28: change request ",
    }
    for entry in entries(computed, public):
        (cause,) = entry.causes
        assert cause.revision == 1
        assert cause.summary.startswith(gained[entry.member_id])


def test_corrections_lead_to_the_fact_that_removed_the_days(computed: Family, public: grpc.Channel) -> None:
    computed.born(computed.child, "2000-03-01")
    assert recomputes(computed)[-1].revision == 2
    assert compute(computed) == (1, 0)
    (offset,) = added_last(entries(computed, public))
    (run,) = explain(computed, public, 2)
    assert offset.cancels_entry_id
    assert [(cause.revision, cause.summary) for cause in offset.causes] == [(2, run.summary)]
    assert "changed from 2001-03-01 to 2000-03-01" in run.summary


def test_another_price_leads_to_the_version_that_was_changed(computed: Family, public: grpc.Channel) -> None:
    contract = with_children(computed)
    contract.versions[0].modules[0].pricing.age_grid.standard[0].monthly_minor = 20_000
    computed.amend(contract)
    assert not recomputes(computed)[-1].revision
    assert compute(computed)[1] > 0
    for entry in added_last(entries(computed, public)):
        (cause,) = entry.causes
        assert cause.revision == 0
        assert cause.summary.startswith("Another price: contract version from 2025-01-01 changed, recorded ")


def test_entries_are_explained_only_on_request_and_to_callers_who_can_read_groups(
    computed: Family, public: grpc.Channel
) -> None:
    computed.born(computed.child, "2000-03-01")
    assert recomputes(computed)[-1].revision == 2
    compute(computed)

    def summaries(caller: Metadata, **how: Any) -> str:
        found = entries(computed, public, caller, **how)
        return "\n".join(cause.summary for entry in found for cause in entry.causes)

    assert summaries(BOSS, explain=False) == ""
    assert summaries(as_("service", "billing", "premiums.read")) == ""
    for caller in (as_("member", computed.primary), as_("service", "billing", "premiums.read", "enrollment.read")):
        text = summaries(caller)
        assert "date of birth of member" in text
        assert "2000-03-01" not in text
    assert "2000-03-01" in summaries(as_("service", "b", "premiums.read", "enrollment.read", "members.read"))
