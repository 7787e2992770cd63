"""Merging two records of one person."""

from typing import Any

import grpc
import pytest

from affilia.audit.v1 import audit_service_pb2
from affilia.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
)
from domain.member_merging import MAX_IDENTIFIERS
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import failure_of, new_id, without_token
from tests.support.doubled import PARTNER, Doubled
from tests.support.insured import Insured

FAILED, INVALID = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
def doubled(server_channel: grpc.Channel, internal: grpc.Channel) -> Doubled:
    return Doubled(Insured(server_channel, internal)).set_up()


def test_merged_records_are_covered_on_the_days_of_both(doubled: Doubled) -> None:
    """Case M1."""
    story = doubled.story()
    before = story.family.group()
    answer = story.merge_double()
    child, double, primary = story.family.child, story.double, story.family.primary
    assert story.periods() == {primary: [("2026-01-01", "")], child: [("2026-01-01", "")]}
    assert story.differences(answer.groups[0].revision) == {
        child: (["EXTENDED"], [("2026-07-01", "")], []),
        double: (["CANCELLED"], [], [("2026-05-01", "")]),
    }
    (group,) = answer.groups
    assert (group.group_id, group.revision, group.made_revision) == (before.group_id, before.revision + 1, True)
    (overrun,) = answer.overruns
    assert (overrun.group_id, overrun.code) == (before.group_id, "DEDUCTIBLE")
    assert (overrun.individual_limit, overrun.used, overrun.overrun) == (100_00, 130_00, 30_00)
    assert overrun.term_start == date("2026-01-01")
    assert story.insured.used("2026-08-01", child) == (130_00, 130_00)
    assert story.insured.reason("2026-08-01", child) == "COVERED"
    check = story.insured.check("2026-08-01", double)
    assert check.merged_into == child and check.records


def test_the_cause_of_the_revision_is_a_recompute_of_the_merge(doubled: Doubled) -> None:
    doubled.story().merge_double()
    group = doubled.family.group()
    request = change_request_service_pb2.GetRecomputeRequest(recompute_id=group.cause.recompute_id)
    recompute = doubled.family.requests.GetRecompute(request).recompute
    assert recompute.trigger == change_request_pb2.RECOMPUTE_TRIGGER_MERGE
    assert recompute.revision == group.revision and recompute.HasField("done_at")
    listed = change_request_service_pb2.ListRecomputesRequest(group_id=group.group_id)
    assert not doubled.family.requests.ListRecomputes(listed).waiting_count


def test_past_revisions_stay_as_they_were(doubled: Doubled) -> None:
    doubled.story()
    before = doubled.family.group()
    doubled.merge_double()
    assert doubled.family.group(revision=before.revision) == before
    assert doubled.family.group(instant=before.recorded_at) == before


def test_a_retry_returns_the_first_response(doubled: Doubled) -> None:
    request = doubled.story().request(doubled.double, doubled.family.child)
    first = doubled.members.MergeMembers(request)
    assert without_token(doubled.members.MergeMembers(request)) == without_token(first)
    other = doubled.request(doubled.double, doubled.family.primary, request_id=request.request_id)
    assert failure_of(doubled.members.MergeMembers, other).reason == "REQUEST_ID_REUSED"


# ------------------------------------------------------------------------------------- rejected merges


def test_a_primary_of_an_approved_group_cannot_be_merged(doubled: Doubled) -> None:
    """Case M2."""
    doubled.story()
    partner = doubled.store(new_id())
    doubled.enroll(partner, "2026-01-01", kind=PARTNER)
    before = doubled.family.group()
    failure = doubled.rejected(doubled.family.primary, partner)
    assert (failure.code, failure.reason) == (FAILED, "MERGE_NOT_POSSIBLE")
    assert (failure.facts["cause"], failure.facts["group_ids"]) == ("PRIMARY_OF_GROUP", before.group_id)
    assert doubled.family.group() == before


def test_a_person_cannot_be_merged_into_a_pet(doubled: Doubled) -> None:
    """Case M2."""
    pet = doubled.store(new_id(), kind=member_pb2.MEMBER_KIND_PET)
    failure = doubled.rejected(doubled.double, pet)
    assert (failure.code, failure.reason, failure.facts["cause"]) == (FAILED, "MERGE_NOT_POSSIBLE", "DIFFERENT_KINDS")
    assert "is a person" in str(doubled_error(doubled, doubled.double, pet))


def test_a_member_cannot_be_merged_into_themselves(doubled: Doubled) -> None:
    """Case M2."""
    failure = doubled.rejected(doubled.family.child, doubled.family.child)
    assert (failure.code, *failure.violations) == (INVALID, "into_member_id")


def test_unknown_members_cannot_be_merged(doubled: Doubled) -> None:
    unknown = new_id()
    for pair in ((unknown, doubled.double), (doubled.double, unknown)):
        failure = doubled.rejected(*pair)
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "MEMBER_UNKNOWN")
        assert failure.facts["member_id"] == unknown


def test_erased_members_cannot_be_merged(doubled: Doubled) -> None:
    erase = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=doubled.double)
    doubled.members.EraseMember(erase)
    for pair in ((doubled.double, doubled.family.child), (doubled.family.child, doubled.double)):
        failure = doubled.rejected(*pair)
        assert (failure.reason, failure.facts["cause"]) == ("MERGE_NOT_POSSIBLE", "ERASED")


def test_members_of_different_types_in_one_group_cannot_be_merged(doubled: Doubled) -> None:
    doubled.insured.enroll("2026-01-01")
    doubled.insured.enroll("2026-01-01", child=True)
    doubled.enroll(doubled.double, "2026-01-01", kind=PARTNER)
    before = doubled.family.group()
    failure = doubled.rejected(doubled.double, doubled.family.child)
    assert (failure.reason, failure.facts["cause"]) == ("MERGE_NOT_POSSIBLE", "DIFFERENT_TYPES")
    assert failure.facts["group_ids"] == before.group_id
    failure = doubled.rejected(doubled.double, doubled.family.primary)
    assert failure.facts["cause"] == "DIFFERENT_TYPES"
    assert doubled.family.group() == before
    assert not doubled.read(doubled.double).member.display_name


def test_merged_members_cannot_be_merged_again_in_either_direction(doubled: Doubled) -> None:
    doubled.merge_double()
    third = doubled.store(new_id())
    for pair in ((doubled.double, third), (third, doubled.double), (doubled.family.child, doubled.double)):
        failure = doubled.rejected(*pair)
        assert (failure.code, failure.reason) == (FAILED, "MEMBER_MERGED")
        assert failure.facts == {"member_id": doubled.double, "merged_into": doubled.family.child}


def test_a_reason_is_required(doubled: Doubled) -> None:
    failure = doubled.rejected(doubled.double, doubled.family.child, reason="")
    assert (failure.code, *failure.violations) == (INVALID, "reason")
    failure = doubled.rejected(doubled.double, doubled.family.child, reason="x" * 501)
    assert (failure.code, *failure.violations) == (INVALID, "reason")


# ------------------------------------------------------------------------------------- chains


def test_a_chain_of_merges_ends_at_the_last_record(doubled: Doubled) -> None:
    third = doubled.store(new_id())
    doubled.insured.enroll("2026-01-01")
    doubled.enroll(doubled.double, "2026-05-01")
    doubled.insured.apply("2026-05-20", doubled.double, deductible=80_00)
    doubled.merge(doubled.double, third)
    doubled.merge(third, doubled.family.child)
    assert doubled.periods()[doubled.family.child] == [("2026-05-01", "")]
    assert doubled.insured.used("2026-06-01", doubled.family.child) == (80_00, 80_00)
    assert doubled.insured.check("2026-06-01", doubled.double).merged_into == doubled.family.child
    # Facts of the last record still affect the group whose requests only name the first one.
    later = doubled.enrolling(doubled.family.child, "2026-01-01", "2026-02-28")
    assert doubled.submit_as_admin(later).change_request.verdict == change_request_pb2.VERDICT_APPROVED
    assert doubled.periods()[doubled.family.child] == [("2026-01-01", "2026-02-28"), ("2026-05-01", "")]


# ------------------------------------------------------------------------------------- facts and identifiers


def test_facts_move_where_nothing_is_known(doubled: Doubled) -> None:
    child, double = doubled.family.child, doubled.double
    doubled.record(double, addresses={"items": [address("FR")]})
    doubled.attribute(double, "school", "yes")
    doubled.attribute(child, "sport", "chess")
    answer = doubled.merge_double()
    facts = doubled.facts(child)
    assert facts.born_on == date("2015-06-01")
    assert [each.country_code for each in facts.addresses] == ["FR"]
    assert [(each.name, each.value) for each in facts.attributes] == [("school", "yes"), ("sport", "chess")]
    assert doubled.read(child).member.etag == answer.member.etag
    assert answer.member.member_id == child


def test_a_date_of_death_moves_if_it_is_not_before_the_date_of_birth(doubled: Doubled) -> None:
    child, double = doubled.family.child, doubled.double
    doubled.record(double, death={"died_on": date("2015-05-31")})
    failure = doubled.rejected(double, child)
    assert (failure.code, *failure.violations) == (INVALID, "from_member_id")
    doubled.record(double, death={"died_on": date("2026-03-10")})
    doubled.merge_double()
    assert doubled.facts(child).died_on == date("2026-03-10")


def address(country: str) -> member_pb2.Address:
    return member_pb2.Address(country_code=country, postal_code="1", days=span("2026-01-01", None))


def test_different_facts_are_listed_and_nothing_is_merged(doubled: Doubled) -> None:
    child, double = doubled.family.child, doubled.double
    doubled.family.born(double, "2015-06-02")
    for member_id, country in ((child, "FR"), (double, "BE")):
        doubled.record(member_id, addresses={"items": [address(country)]})
        doubled.attribute(member_id, "school", country)
        doubled.attribute(member_id, "same", "value")
    before = doubled.read(child)
    failure = doubled.rejected(double, child)
    assert (failure.code, *failure.violations) == (INVALID, "keep")
    assert failure.violations["keep"].endswith("kinds: DATE_OF_BIRTH, ADDRESS, ATTRIBUTE school")
    assert doubled.read(child) == before
    assert doubled.read(double).member.member_id == double


@pytest.mark.parametrize(("keep", "country"), [("KEPT_FACTS_FROM", "BE"), ("KEPT_FACTS_INTO", "FR")])
def test_keep_decides_which_of_different_facts_remain(doubled: Doubled, keep: str, country: str) -> None:
    child, double = doubled.family.child, doubled.double
    for member_id, of_member in ((child, "FR"), (double, "BE")):
        doubled.record(member_id, addresses={"items": [address(of_member)]})
        doubled.attribute(member_id, "school", of_member)
    doubled.attribute(child, "own", "kept")
    doubled.merge_double(keep=member_service_pb2.KeptFacts.Value(keep))
    facts = doubled.facts(child)
    assert [each.country_code for each in facts.addresses] == [country]
    assert [(each.name, each.value) for each in facts.attributes] == [("own", "kept"), ("school", country)]
    assert facts.born_on == date("2015-06-01")


def test_identifiers_move_and_names_do_not(doubled: Doubled) -> None:
    child, number = doubled.family.child, new_id()
    doubled.store(child, display_name="Chloé Martin")
    own = member_pb2.Identifier(system="payroll", value=number)
    wanted = member_service_pb2.IdentifierFilter(system="payroll", value=number)
    doubled.store(doubled.double, display_name="Chloe Martins", identifiers=[own])
    answer = doubled.merge_double()
    assert (answer.member.display_name, list(answer.member.identifiers)) == ("Chloé Martin", [own])
    assert found_by(doubled, identifier=wanted) == [child]
    assert found_by(doubled, query=number) == [child]
    assert doubled.double not in found_by(doubled, query="Chloe Martins")
    # The identifier can't be given to anyone else, but the remaining member can lose it.
    doubled.store(child, display_name="Chloé Martin")
    doubled.store(new_id(), identifiers=[own])


def found_by(doubled: Doubled, **how: Any) -> list[str]:
    request = member_service_pb2.SearchMembersRequest(consistency_token=doubled.insured.token, **how)
    return [hit.member.member_id for hit in doubled.members.SearchMembers(request).hits]


def test_more_identifiers_than_a_member_can_have_are_rejected(doubled: Doubled) -> None:
    for member_id, number in ((doubled.double, 15), (doubled.family.child, 6)):
        identifiers = [member_pb2.Identifier(system="payroll", value=new_id()) for _ in range(number)]
        doubled.store(member_id, identifiers=identifiers)
    failure = doubled.rejected(doubled.double, doubled.family.child)
    assert (failure.code, *failure.violations) == (INVALID, "from_member_id")
    assert (
        f"would leave 21 identifiers, and a member can have {MAX_IDENTIFIERS}" in failure.violations["from_member_id"]
    )


# ------------------------------------------------------------------------------------- usage of limits


def test_applications_stay_reversible_after_a_merge(doubled: Doubled) -> None:
    doubled.story().merge_double()
    child = doubled.family.child
    reversed_ = doubled.insured.reverse(doubled.of_double)
    assert doubled.insured.used("2026-03-10", child) == (50_00, 50_00)
    assert {line.member_id for line in reversed_.reversals} == {child}
    assert without_token(doubled.insured.reverse(doubled.of_double)) == without_token(reversed_)
    doubled.insured.reverse(doubled.of_child)
    assert doubled.insured.used("2026-03-10", child) == (0, 0)


def test_usage_equals_the_applications_that_are_not_reversed(doubled: Doubled) -> None:
    doubled.story().merge_double()
    lines = doubled.insured.ledger()
    assert {line.member_id for line in lines} == {doubled.family.child}
    assert sum(line.applied for line in lines) == doubled.insured.used("2026-03-10", doubled.family.child)[0]
    of_child = doubled.insured.ledger(member_id=doubled.family.child)
    assert [line.application_id for line in of_child] == [doubled.of_child, doubled.of_double]


def test_applications_of_a_merged_member_are_orphaned_only_on_days_without_coverage(doubled: Doubled) -> None:
    doubled.story().merge_double()
    assert not doubled.insured.ledger(orphaned_only=True)
    leaving = doubled.family.leave("2026-05-10")
    leaving.leave.member_id = doubled.family.child
    doubled.insured.submit(leaving)
    orphaned = doubled.insured.ledger(orphaned_only=True)
    assert [line.application_id for line in orphaned] == [doubled.of_double]


def test_usage_beyond_a_limit_blocks_further_applications(doubled: Doubled) -> None:
    doubled.story().merge_double()
    _, applied = doubled.insured.apply("2026-08-01", doubled.family.child, deductible=10_00)
    assert applied == [(0, 10_00)]


# ------------------------------------------------------------------------------------- who may merge


def doubled_error(doubled: Doubled, from_id: str, into_id: str) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        doubled.merge(from_id, into_id)
    return raised.value.details()


def test_a_merge_names_groups_and_members_in_the_audit_log(doubled: Doubled) -> None:
    doubled.story().merge_double()
    request = audit_service_pb2.ListAuditEntriesRequest(named_id=doubled.insured.group_id)
    stub: Any = AuditServiceStub(doubled.family.channel)
    entries = [each for each in stub.ListAuditEntries(request).entries if each.method.endswith("/MergeMembers")]
    assert len(entries) == 1
    expected = {doubled.double, doubled.family.child, doubled.family.primary, doubled.family.contract_id}
    assert expected <= {named.id for named in entries[0].ids}
