"""Checks with `explain`: why a member isn't covered as requested, and to whom that is explained."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from tests.rpc.test_explained_differences import BOSS, UNDER_26, explain, with_rule
from tests.rpc.test_explanations import recomputes
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import Metadata, as_, channel_of, everything


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _), connected_to(server.address) as channel:
        yield channel


@pytest.fixture
def aged(public: grpc.Channel) -> tuple[Family, str]:
    """A family whose child was on plus until a corrected date of birth, and the token of the last write.

    The child is covered until 2026-02-28; it was until 2027-02-28 before the correction.
    """
    family = Family(channel_of(public, BOSS)).set_up()
    family.requests = ChangeRequestServiceStub(channel_of(public, everything()))
    family.amend(with_rule(family, family.plus, "CHILD_AGE", UNDER_26))
    family.born(family.child, "2001-03-01")
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.plus, "2026-01-01", child=True))
    family.born(family.child, "2000-03-01")
    assert recomputes(family)[-1].revision == 2
    answer = family.submit(family.enroll(family.base, "2026-01-01", "2026-01-31"))
    return family, answer.consistency_token


def check(
    public: grpc.Channel, aged: tuple[Family, str], on: str, caller: Metadata = BOSS, **asked: Any
) -> pb.CheckEligibilityResponse:
    family, token = aged
    asked = {"member_id": family.child, "date": date(on), **asked}
    explain_it = asked.pop("explain", True)
    request = pb.CheckEligibilityRequest(
        check=pb.EligibilityCheck(**asked), consistency_token=token, explain=explain_it
    )
    answer: pb.CheckEligibilityResponse = EligibilityCheckServiceStub(channel_of(public, caller)).CheckEligibility(
        request, timeout=120
    )
    return answer


def test_a_lost_day_refers_to_the_revision_that_removed_it(public: grpc.Channel, aged: tuple[Family, str]) -> None:
    family, _ = aged
    answer = check(public, aged, "2026-05-01")
    assert answer.reason == pb.ELIGIBILITY_REASON_COVERAGE_ENDED
    (missing,) = answer.missing_coverage
    assert missing.group_id == family.group().group_id
    assert (missing.member_id, missing.module_id, missing.revision) == (family.child, family.plus, 2)
    (run,) = explain(family, public, 2)
    assert missing.summary == run.summary
    assert list(missing.failed_rules) == list(run.failed_rules)


def test_a_requested_day_that_was_never_granted_has_the_rules_that_exclude_it(
    public: grpc.Channel, aged: tuple[Family, str]
) -> None:
    (missing,) = check(public, aged, "2028-01-01").missing_coverage
    assert missing.revision == 0
    (rule,) = missing.failed_rules
    assert rule.rule_code == "CHILD_AGE"
    assert rule.facts[0].value.born_on == date("2000-03-01")
    assert missing.summary == f"Excluded on 2028-01-01. {rule.summary}"


def test_nothing_is_explained_if_the_member_is_covered_or_nobody_asked_for_the_day(
    public: grpc.Channel, aged: tuple[Family, str]
) -> None:
    family, _ = aged
    assert check(public, aged, "2026-02-01").covered
    for answer in (
        check(public, aged, "2026-02-01"),
        check(public, aged, "2025-12-31"),
        check(public, aged, "2026-05-01", module_id=family.base),
        check(public, aged, "2026-05-01", explain=False),
    ):
        assert list(answer.missing_coverage) == []


def test_a_module_that_is_missing_beside_another_is_explained(public: grpc.Channel, aged: tuple[Family, str]) -> None:
    family, token = aged
    token = family.submit(family.enroll(family.base, "2026-03-01", child=True)).consistency_token
    answer = check(public, (family, token), "2026-05-01", module_id=family.plus)
    assert answer.reason == pb.ELIGIBILITY_REASON_MODULE_NOT_COVERED
    assert [each.module_id for each in answer.missing_coverage] == [family.plus]


def test_only_callers_who_can_read_the_group_get_an_explanation(public: grpc.Channel, aged: tuple[Family, str]) -> None:
    family, _ = aged
    both = ("eligibility.read", "enrollment.read")
    assert not check(public, aged, "2026-05-01", as_("service", "claims", "eligibility.read")).missing_coverage
    assert not check(public, aged, "2026-05-01", as_("member", family.child)).missing_coverage
    (missing,) = check(public, aged, "2026-05-01", as_("service", "claims", *both)).missing_coverage
    assert missing.failed_rules[0].summary == "CHILD_AGE depends on date of birth."
    assert "2000" not in missing.summary
    with_facts = check(public, aged, "2026-05-01", as_("service", "claims", *both, "members.read"))
    assert with_facts.missing_coverage == check(public, aged, "2026-05-01").missing_coverage


def test_a_member_gets_explanations_for_their_own_group(public: grpc.Channel, aged: tuple[Family, str]) -> None:
    family, _ = aged
    token = family.submit(family.leave("2026-04-01")).consistency_token
    me = as_("member", family.primary)
    (missing,) = check(public, (family, token), "2026-05-01", me, member_id=family.primary).missing_coverage
    assert (missing.module_id, missing.revision) == (family.base, 3)
    assert "change request" in missing.summary
