"""What a merge leaves behind: histories, explanations, erasures, and statements that hold after it."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import condition_pb2, member_service_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_query_service_pb2,
)
from affilia.history.v1 import history_entry_pb2, history_service_pb2
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from domain.days import NO_DAYS, Days
from server.mapping.dates import span_from_proto
from tests.scenarios.enrollment_messages import date
from tests.support.calls import new_id
from tests.support.doubled import CHILD, Doubled
from tests.support.history_story import history_of
from tests.support.insured import Insured
from tests.support.waiting import wait_until


@pytest.fixture
def doubled(server_channel: grpc.Channel, internal: grpc.Channel) -> Doubled:
    return Doubled(Insured(server_channel, internal)).set_up()


# ------------------------------------------------------------------------------------- records of the merge


def test_a_merge_is_in_the_histories_of_both_members_and_of_the_group(doubled: Doubled) -> None:
    doubled.story().merge_double(reason="one child")
    channel, double, child = doubled.family.channel, doubled.double, doubled.family.child
    records = [history_entry_pb2.HISTORY_KIND_RECORD]
    for subject in ({"group_id": doubled.insured.group_id}, {"member_id": child}, {"member_id": double}):
        entries = history_of(channel, kinds=records, consistency_token=doubled.insured.token, **subject)
        merges = [each for each in entries if each.record.kind == history_entry_pb2.RECORD_KIND_MEMBER_MERGED]
        (merge,) = merges
        assert (merge.record.member_id, merge.record.merged_into) == (double, child)
        assert (merge.record.reason, merge.actor.subject) == ("one child", "dev")
        assert merge.summary == "Two records of one person were merged."
    paged = history_of(channel, kinds=records, page_size=1, group_id=doubled.insured.group_id)
    assert [each.entry_id for each in paged] == [
        each.entry_id for each in history_of(channel, kinds=records, group_id=doubled.insured.group_id)
    ]


def test_the_history_names_the_merge_as_the_cause_of_the_recompute(doubled: Doubled) -> None:
    doubled.story().merge_double()
    entries = history_of(doubled.family.channel, group_id=doubled.insured.group_id)
    recomputes = [each for each in entries if each.kind == history_entry_pb2.HISTORY_KIND_RECOMPUTE]
    assert recomputes[0].summary.startswith("Recomputed after two records of one person were merged.")
    assert recomputes[0].revision == doubled.family.group().revision and len(recomputes[0].differences) == 2


def test_an_explanation_names_the_merge(doubled: Doubled) -> None:
    doubled.story().merge_double()
    stub: Any = HistoryServiceStub(doubled.family.channel)
    revision = doubled.family.group().revision
    request = history_service_pb2.ExplainDifferenceRequest(group_id=doubled.insured.group_id, revision=revision)
    runs = {run.member_id: run for run in stub.ExplainDifference(request, timeout=60).runs}
    assert runs.keys() == {doubled.family.child, doubled.double}
    for run in runs.values():
        (cause,) = run.decisive_inputs
        assert (cause.merge.member_id, cause.merge.merged_into) == (doubled.double, doubled.family.child)
        assert cause.actor.subject == "dev" and cause.HasField("recorded_at")
        assert f"member {doubled.double} was merged into member {doubled.family.child}, recorded by dev" in run.summary
        assert not run.is_incomplete


def test_explanations_of_earlier_revisions_stay_the_same_after_a_merge(doubled: Doubled) -> None:
    doubled.story()
    stub: Any = HistoryServiceStub(doubled.family.channel)
    revision = doubled.family.group().revision
    request = history_service_pb2.ExplainDifferenceRequest(group_id=doubled.insured.group_id, revision=revision)
    before = stub.ExplainDifference(request, timeout=60)
    doubled.merge_double()
    assert stub.ExplainDifference(request, timeout=60) == before


def test_erasing_the_remaining_member_erases_the_merged_record_too(doubled: Doubled) -> None:
    name = f"Melusine {new_id()}"
    doubled.store(doubled.double, display_name=name)
    doubled.insured.enroll("2026-01-01")
    spring = doubled.enrolling(doubled.double, "2026-01-01", "2026-03-31")
    spring.note = f"moved with {name}"
    doubled.submit_as_admin(spring)
    doubled.merge_double(reason=f"{name} was stored twice")
    erase = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=doubled.family.child)
    assert doubled.members.EraseMember(erase).groups_closed == 1
    entries = history_of(doubled.family.channel, group_id=doubled.insured.group_id)
    assert not any(name in str(entry) for entry in entries)
    early = doubled.members.GetMember(member_service_pb2.GetMemberRequest(member_id=doubled.double))
    assert not early.member.display_name and early.member.HasField("erased_on")
    assert doubled.periods()[doubled.family.child] == [("2026-01-01", "2026-03-31")]


# ------------------------------------------------------------------------------------- statements that always hold


def test_every_revision_is_the_previous_one_plus_its_difference(doubled: Doubled) -> None:
    doubled.story().merge_double()
    last = doubled.family.group().revision
    assert [each.revision for each in sorted(doubled.revisions(), key=lambda each: each.revision)] == [
        *range(1, last + 1)
    ]
    state: dict[tuple[str, str], Days] = {}
    for revision in range(1, last + 1):
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=doubled.insured.group_id, from_revision=revision - 1, to_revision=revision
        )
        for each in doubled.family.queries.DiffRevisions(request).differences:
            key = (each.member_id, each.module_id)
            gained, lost = (Days.of(*map(span_from_proto, spans)) for spans in (each.gained, each.lost))
            state[key] = (state.get(key, NO_DAYS) | gained) - lost
        recorded: dict[tuple[str, str], Days] = {}
        for period in doubled.family.group(revision=revision).periods:
            key = (period.member_id, period.module_id)
            recorded[key] = recorded.get(key, NO_DAYS) | Days.of(span_from_proto(period.days))
        assert {key: days for key, days in state.items() if days} == recorded


def test_recomputing_a_group_after_a_merge_changes_nothing(doubled: Doubled) -> None:
    doubled.story().merge_double()
    before = doubled.family.group()
    recompute(doubled)
    assert doubled.family.group() == before
    doubled.insured.rebuild()
    assert doubled.insured.reason("2026-08-01", doubled.family.child) == "COVERED"
    assert doubled.insured.used("2026-08-01", doubled.family.child) == (130_00, 130_00)


def recompute(doubled: Doubled) -> None:
    request = change_request_service_pb2.RequestRecomputeRequest(request_id=new_id(), group_id=doubled.insured.group_id)
    doubled.family.requests.RequestRecompute(request)
    wait_until_recomputed(doubled)


def wait_until_recomputed(doubled: Doubled) -> None:
    request = change_request_service_pb2.ListRecomputesRequest(group_id=doubled.insured.group_id)
    wait_until(lambda: not doubled.family.requests.ListRecomputes(request).waiting_count, "no recompute waits")


def test_facts_of_the_remaining_record_affect_groups_that_only_name_the_other_one(doubled: Doubled) -> None:
    contract = doubled.insured.contract()
    rule = contract.versions[0].rules.add(code="CHILD_AGE", applies_to=[CHILD])
    rule.condition.age.CopyFrom(condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=26))
    doubled.family.amend(contract)
    doubled.insured.enroll("2026-01-01")
    doubled.family.born(doubled.double, "2015-06-01")
    doubled.enroll(doubled.double, "2026-01-01")
    doubled.merge_double()
    child = doubled.family.child
    assert doubled.periods()[child] == [("2026-01-01", "2041-05-31")]
    doubled.family.born(child, "2001-06-01")
    wait_until_recomputed(doubled)
    assert doubled.periods()[child] == [("2026-01-01", "2027-05-31")]


def test_a_moved_date_of_birth_and_the_merge_explain_coverage_together(doubled: Doubled) -> None:
    doubled.insured.enroll("2026-01-01")
    unborn = doubled.store(new_id())
    doubled.enroll(unborn, "2026-01-01", "2026-03-31")
    doubled.family.born(doubled.double, "2015-06-01")
    doubled.enroll(doubled.double, "2026-05-01")
    doubled.merge(doubled.double, unborn)
    assert doubled.facts(unborn).born_on == date("2015-06-01")
    stub: Any = HistoryServiceStub(doubled.family.channel)
    revision = doubled.family.group().revision
    request = history_service_pb2.ExplainDifferenceRequest(group_id=doubled.insured.group_id, revision=revision)
    for run in stub.ExplainDifference(request, timeout=60).runs:
        assert [cause.WhichOneof("input") for cause in run.decisive_inputs] == ["merge"]


# ------------------------------------------------------------------------------------- after an erasure in the group


@pytest.fixture
def closed(doubled: Doubled) -> Doubled:
    """The family in which another child, covered in the spring, was erased; both records were covered in May."""
    sibling = doubled.store(new_id())
    doubled.insured.enroll("2026-01-01")
    doubled.enroll(sibling, "2026-03-01", "2026-04-30")
    doubled.insured.enroll("2026-01-01", "2026-05-31", child=True)
    doubled.enroll(doubled.double, "2026-02-01", "2026-02-28", module=doubled.family.plus)
    doubled.enroll(doubled.double, "2026-05-01", "2026-07-31")
    erase = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=sibling)
    doubled.members.EraseMember(erase)
    return doubled


def test_a_closed_past_is_read_with_the_remaining_record(closed: Doubled) -> None:
    closed.merge_double()
    of_child = [("2026-01-01", "2026-07-31")]
    assert closed.periods()[closed.family.child] == of_child
    assert closed.double not in closed.periods()
    recompute(closed)
    assert closed.periods()[closed.family.child] == of_child
    # On the days on which the records were on two modules of one slot, the remaining record's days stay.
    modules = {period.module_id for period in closed.family.group().periods if period.member_id == closed.family.child}
    assert modules == {closed.family.base}


def test_the_group_can_change_after_a_merge_in_a_closed_group(closed: Doubled) -> None:
    closed.merge_double()
    answer = closed.submit_as_admin(closed.enrolling(closed.family.child, "2027-01-01"))
    assert answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED
    assert closed.periods()[closed.family.child] == [("2026-01-01", "2026-07-31"), ("2027-01-01", "")]
