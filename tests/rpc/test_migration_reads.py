"""Reads of groups while a country is migrated: which source answers, in every stage."""

from typing import Any

import grpc
import pytest

from affilia.eligibility.v1 import eligibility_check_service_pb2 as check_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_group_pb2
from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from tests.scenarios.enrollment_messages import date, iso, span
from tests.support.calls import Failure, Family, failure_of, new_id
from tests.support.legacy import legacy_case
from tests.support.merging import store_merge
from tests.support.migration import (
    CORE,
    DUAL_WRITE,
    FORCE_CORE,
    FORCE_LEGACY,
    IN_ORDER,
    READ_CORE,
    RETIRED,
    TRANSLATE,
    Spain,
    Stage,
)
from tests.support.spanish import FLEX, FLEX_PLUS
from tests.support.waiting import wait_until

FOLLOW = enrollment_group_pb2.SOURCE_OF_TRUTH_FOLLOW_MIGRATION
UNSPECIFIED = enrollment_group_pb2.SOURCE_OF_TRUTH_UNSPECIFIED
LEGACY, OF_CORE = enrollment_group_pb2.ENROLLMENT_SOURCE_LEGACY, enrollment_group_pb2.ENROLLMENT_SOURCE_CORE

ALIGNED = ["P PRIMARY BASE 2024-03-01 -"]
STALE = ["C CHILD BASE 2026-06-01 -", *ALIGNED]


def failure(spain: Spain, owner: str = "P", **how: Any) -> Failure:
    """Returns how reading an owner's group by its key fails."""
    return failure_of(spain.family.queries.GetEnrollmentGroup, asked(spain, owner, **how))


def asked(spain: Spain, owner: str = "P", **how: Any) -> pb.GetEnrollmentGroupRequest:
    return pb.GetEnrollmentGroupRequest(key=spain.key(owner), **how)


def listed(spain: Spain, **asked: Any) -> list[enrollment_group_pb2.EnrollmentGroup]:
    """Returns the groups of all pages of a list."""
    found: list[enrollment_group_pb2.EnrollmentGroup] = []
    token = ""
    while True:
        page = spain.family.queries.ListEnrollmentGroups(pb.ListEnrollmentGroupsRequest(page_token=token, **asked))
        found += page.groups
        token = page.next_page_token
        if not token:
            return found


@pytest.fixture
def stale(spain: Spain) -> Spain:
    """A group whose legacy rows have changed since it was aligned, so that the two sources differ."""
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.row("C", "CHILD", FLEX, "2026-06-01")
    return spain


# -------------------------------------------------------------------------------------------------- every stage


@pytest.mark.parametrize("stage", IN_ORDER)
def test_the_stage_decides_which_source_answers(stale: Spain, stage: Stage) -> None:
    stale.move_to(stage)
    legacy_answers = stage in (TRANSLATE, DUAL_WRITE, READ_CORE)
    contract, primary = {"contract_id": stale.family.contract_id}, {"primary_id": stale.family.primary}
    for source in (UNSPECIFIED, FOLLOW):
        (by_contract,) = listed(stale, source_of_truth=source, **contract)
        (by_primary,) = listed(stale, source_of_truth=source, **primary)
        for found in (stale.group(source_of_truth=source), by_contract, by_primary):
            assert stale.periods(found) == (STALE if legacy_answers else ALIGNED)
            assert found.source == (LEGACY if legacy_answers else OF_CORE)
            assert found.revision == (0 if legacy_answers else 1)
            assert found.HasField("cause") is found.HasField("recorded_at") is not legacy_answers
    from_core = stale.group(source_of_truth=FORCE_CORE)
    assert (from_core.source, stale.periods(from_core)) == (OF_CORE, ALIGNED)
    assert listed(stale, source_of_truth=FORCE_CORE, **contract) == [from_core]
    # The core doesn't know the child.
    of_child = {"member_id": stale.family.child}
    assert len(listed(stale, **of_child)) == legacy_answers
    assert listed(stale, source_of_truth=FORCE_CORE, **of_child) == []


@pytest.mark.parametrize("stage", [TRANSLATE, DUAL_WRITE, READ_CORE, CORE])
def test_force_legacy_reads_the_legacy_tables_until_they_are_retired(stale: Spain, stage: Stage) -> None:
    stale.move_to(stage)
    group = stale.group(source_of_truth=FORCE_LEGACY)
    assert (group.source, stale.periods(group)) == (LEGACY, STALE)
    for which in ({"contract_id": stale.family.contract_id}, {"member_id": stale.family.child}):
        assert listed(stale, source_of_truth=FORCE_LEGACY, **which) == [group]


def test_force_legacy_fails_when_the_tables_are_retired(stale: Spain) -> None:
    stale.move_to(RETIRED)
    expected = Failure(grpc.StatusCode.FAILED_PRECONDITION, "NO_LEGACY_SOURCE", {"country_code": "ES"}, {})
    assert failure(stale, source_of_truth=FORCE_LEGACY) == expected
    by_id = pb.GetEnrollmentGroupRequest(group_id=stale.group_id(), source_of_truth=FORCE_LEGACY)
    assert failure_of(stale.family.queries.GetEnrollmentGroup, by_id) == expected
    of_contract = pb.ListEnrollmentGroupsRequest(contract_id=stale.family.contract_id, source_of_truth=FORCE_LEGACY)
    assert failure_of(stale.family.queries.ListEnrollmentGroups, of_contract) == expected
    assert listed(stale, primary_id=stale.family.primary, source_of_truth=FORCE_LEGACY) == []


@pytest.mark.parametrize("stage", [TRANSLATE, DUAL_WRITE, READ_CORE])
def test_legacy_tables_have_no_history(stale: Spain, stage: Stage) -> None:
    stale.move_to(stage)
    recorded_at = stale.group(source_of_truth=FORCE_CORE).recorded_at
    expected = (grpc.StatusCode.FAILED_PRECONDITION, "LEGACY_HAS_NO_HISTORY", {"country_code": "ES"})
    points: list[dict[str, Any]] = [{"revision": 0}, {"revision": 1}, {"instant": recorded_at}]
    for as_of in points:
        for source in (FOLLOW, FORCE_LEGACY):
            found = failure(stale, source_of_truth=source, **as_of)
            assert (found.code, found.reason, found.facts) == expected
            request = pb.ListEnrollmentGroupsRequest(
                contract_id=stale.family.contract_id, source_of_truth=source, **as_of
            )
            found = failure_of(stale.family.queries.ListEnrollmentGroups, request)
            assert (found.code, found.reason, found.facts) == expected
        periods = ALIGNED if as_of != {"revision": 0} else []
        assert stale.periods(stale.group(source_of_truth=FORCE_CORE, **as_of)) == periods
    revisions = stale.family.queries.ListRevisions(pb.ListRevisionsRequest(group_id=stale.group_id())).revisions
    assert [revision.revision for revision in revisions] == [1]


def test_only_periods_that_touch_a_span_are_returned(stale: Spain) -> None:
    touching = span("2026-05-01", "2026-05-31")
    assert stale.periods(stale.group(touching=touching)) == ALIGNED
    (found,) = listed(stale, contract_id=stale.family.contract_id, touching=touching)
    assert stale.periods(found) == ALIGNED
    (empty,) = listed(stale, contract_id=stale.family.contract_id, touching=span(None, "2024-02-29"))
    assert (empty.source, list(empty.periods)) == (LEGACY, [])


# -------------------------------------------------------------------------------------------------- what legacy has


def test_groups_whose_contract_is_not_mapped_are_the_cores(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    other = Family(spain.channel).set_up()
    other.submit(other.enroll(other.base, "2026-01-01"))
    group = other.group()
    assert (group.source, group.revision) == (OF_CORE, 1)
    queries: Any = EnrollmentQueryServiceStub(spain.channel)
    named: list[dict[str, Any]] = [{"key": other.key}, {"group_id": group.group_id}]
    for of_group in named:
        request = pb.GetEnrollmentGroupRequest(source_of_truth=FORCE_LEGACY, **of_group)
        assert failure_of(queries.GetEnrollmentGroup, request).reason == "NO_LEGACY_SOURCE"
    of_contract: dict[str, Any] = {"contract_id": other.contract_id}
    assert listed(spain, **of_contract) == listed(spain, source_of_truth=FORCE_CORE, **of_contract) == [group]
    listing = pb.ListEnrollmentGroupsRequest(source_of_truth=FORCE_LEGACY, **of_contract)
    assert failure_of(queries.ListEnrollmentGroups, listing).reason == "NO_LEGACY_SOURCE"
    assert listed(spain, primary_id=other.primary, source_of_truth=FORCE_LEGACY) == []


def test_without_a_stage_the_core_answers(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    assert failure(spain).reason == "GROUP_UNKNOWN"
    assert failure(spain, source_of_truth=FORCE_LEGACY).reason == "NO_LEGACY_SOURCE"
    assert listed(spain, contract_id=spain.family.contract_id) == []


@pytest.mark.parametrize("source", [FOLLOW, FORCE_LEGACY, FORCE_CORE])
def test_groups_that_nobody_has_are_unknown(spain: Spain, source: Any) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    expected = (grpc.StatusCode.NOT_FOUND, "GROUP_UNKNOWN")
    found = failure(spain, "C", source_of_truth=source)
    assert (found.code, found.reason) == expected
    by_id = pb.GetEnrollmentGroupRequest(group_id=new_id(), source_of_truth=source)
    found = failure_of(spain.family.queries.GetEnrollmentGroup, by_id)
    assert (found.code, found.reason) == expected


def test_the_core_does_not_have_a_group_before_it_is_aligned(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    assert failure(spain, source_of_truth=FORCE_CORE).reason == "GROUP_UNKNOWN"
    assert listed(spain, contract_id=spain.family.contract_id, source_of_truth=FORCE_CORE) == []


def test_groups_that_other_programs_have_just_added_are_found(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    owners = [f"owner {number}" for number in range(6)]
    for number, owner in enumerate(owners):
        spain.row(owner, "PRIMARY", FLEX, "2025-01-01", owner=owner)
        by_id = pb.GetEnrollmentGroupRequest(group_id=spain.group_id(owner))
        # By id, by key, and in lists: each is the first that asks for this group.
        match number % 3:
            case 0:
                group = spain.family.queries.GetEnrollmentGroup(by_id).group
            case 1:
                group = spain.group(owner)
            case _:
                (group,) = listed(spain, primary_id=spain.member(owner))
        assert spain.periods(group) == [f"{owner} PRIMARY BASE 2025-01-01 -"]
        assert spain.family.queries.GetEnrollmentGroup(by_id).group == group
    assert len(listed(spain, contract_id=spain.family.contract_id)) == 7


def test_an_empty_policy_is_a_group_without_periods(spain: Spain) -> None:
    spain.policy("P")
    spain.map()
    group = spain.group()
    assert (group.source, list(group.periods)) == (LEGACY, [])
    assert listed(spain, contract_id=spain.family.contract_id) == [group]


def test_pages_have_every_group_of_both_sources_once_and_in_order(spain: Spain) -> None:
    partner = spain.member("S")
    for owner in ("P", *"ABDE"):
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
        spain.row("S", "PARTNER", FLEX, "2025-01-01", owner=owner)
    spain.map()
    spain.family.store(partner)
    others = [Family(spain.channel, child=partner).set_up() for _ in range(4)]
    for other in others:
        other.submit(other.enroll(other.base, "2026-01-01"), other.enroll(other.base, "2026-01-01", child=True))
    of_legacy = {spain.group_id(owner) for owner in ("P", *"ABDE")}
    of_core = {other.group().group_id for other in others}
    for size in (1, 2, 3, 4, 9, 100):
        for source, expected in ((FOLLOW, of_legacy | of_core), (FORCE_LEGACY, of_legacy), (FORCE_CORE, of_core)):
            found = listed(spain, member_id=partner, page_size=size, source_of_truth=source)
            assert [group.group_id for group in found] == sorted(expected)
            assert {group.group_id for group in found if group.source == LEGACY} == expected & of_legacy
        found = listed(spain, contract_id=spain.family.contract_id, page_size=size)
        assert [group.group_id for group in found] == sorted(of_legacy)


def test_pages_go_on_after_groups_whose_rows_were_deleted(spain: Spain) -> None:
    for owner in ("P", *"ABDEFG"):
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
    spain.map()
    groups = {spain.group_id(owner): owner for owner in ("P", *"ABDEFG")}
    assert len(listed(spain, contract_id=spain.family.contract_id)) == len(groups)
    first, second, *left = sorted(groups)
    for gone in (first, second):
        owner = groups[gone]
        spain.execute("DELETE FROM legacy_es.es_enrollment WHERE policy_id = %s", spain.policies[owner])
        spain.execute("DELETE FROM legacy_es.es_policy WHERE id = %s", spain.policies[owner])
        spain.execute("DELETE FROM legacy_es.es_user WHERE id = %s", spain.users[owner])
    found = listed(spain, contract_id=spain.family.contract_id, page_size=2)
    assert [group.group_id for group in found] == left
    by_id = pb.GetEnrollmentGroupRequest(group_id=first)
    assert failure_of(spain.family.queries.GetEnrollmentGroup, by_id).reason == "GROUP_UNKNOWN"


# -------------------------------------------------------------------------------------------------- merged members


def await_merge(spain: Spain, member_id: str) -> None:
    """Waits until the server has noticed that a member was merged."""
    request = pb.ListEnrollmentGroupsRequest(primary_id=member_id)
    wait_until(lambda: spain.family.queries.ListEnrollmentGroups(request).merged_into, "the server knows the merge")


def test_the_id_of_a_merged_member_reads_the_group_of_the_remaining_one(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01", "2024-12-31")
    spain.row("S", "PARTNER", FLEX, "2024-03-01")
    remaining = new_id()
    spain.family.store(remaining)
    spain.family.store(spain.family.primary)
    store_merge(spain.server.database_url, spain.family.primary, remaining)
    spain.map()
    await_merge(spain, spain.family.primary)
    answer = spain.family.queries.GetEnrollmentGroup(asked(spain))
    assert answer.merged_into == remaining == answer.group.key.primary_id
    assert {period.member_id for period in answer.group.periods} == {remaining, spain.member("S")}
    for which in ({"primary_id": spain.family.primary}, {"member_id": spain.family.primary}, {"primary_id": remaining}):
        assert listed(spain, **which) == [answer.group]


def test_policies_of_two_users_who_are_one_member_are_one_group_for_everyone_in_them(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01", "2024-12-31")
    spain.row("A", "PRIMARY", FLEX_PLUS, "2025-01-01", owner="A")
    spain.row("S", "PARTNER", FLEX_PLUS, "2025-01-01", owner="A")
    for name in "PA":
        spain.family.store(spain.member(name))
    store_merge(spain.server.database_url, spain.member("A"), spain.member("P"))
    spain.map()
    await_merge(spain, spain.member("A"))
    expected = [
        "P PRIMARY BASE 2024-03-01 2024-12-31",
        "P PRIMARY BASE_PLUS 2025-01-01 -",
        "S PARTNER BASE_PLUS 2025-01-01 -",
    ]
    assert spain.periods(spain.group()) == expected
    for which in ({"member_id": spain.member("S")}, {"member_id": spain.member("A")}):
        assert [spain.periods(group) for group in listed(spain, **which)] == [expected]


# -------------------------------------------------------------------------------------------------- cases


@pytest.mark.parametrize("name", ["T1", "T2", "T4", "T5", "T7"])
def test_a_group_is_translated_as_in_the_case(spain: Spain, name: str) -> None:
    case = legacy_case(name)
    policies = {number: spain.policy() for number in case.get("policies", [1])}
    for row_id, user, type_, product, first, last, *cancelled in case["rows"]:
        policy = policies[case.get("policy_of", {}).get(str(row_id), 1)]
        spain.execute(
            "INSERT INTO legacy_es.es_enrollment (id, policy_id, user_id, enrollment_type, product_code, start_date,"
            " end_date, is_cancelled) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            *(row_id, policy, spain.user(user), type_, product, first, last, bool(cancelled)),
        )
    spain.map()
    expected = [" ".join(text or "-" for text in period) for period in case["translated"]]
    assert spain.periods(spain.group()) == expected
    (found,), result = spain.compare()
    prefix = len("LEGACY_FINDING_KIND_")
    findings = [[finding_kind(finding)[prefix:], int(finding.row_id)] for finding in found.findings]
    assert findings == case["findings"]
    assert result.groups == 1


def finding_kind(finding: Any) -> str:
    name: str = finding.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[finding.kind].name
    return name


def test_member_ids_are_those_of_the_case(spain: Spain) -> None:
    ids = legacy_case("T8")["member_ids"]
    for number, global_id, _ in ids:
        spain.execute("INSERT INTO legacy_es.es_user (id, global_user_id) VALUES (%s, %s)", int(number), global_id)
        policy = spain._added(
            "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES (17, %s)", int(number)
        )
        spain.execute(
            "INSERT INTO legacy_es.es_enrollment (policy_id, user_id, enrollment_type, product_code, start_date)"
            " VALUES (%s, %s, 'PRIMARY', 'FLEX', '2024-03-01')",
            *(policy, int(number)),
        )
    spain.map()

    def owners() -> set[str]:
        return {group.key.primary_id for group in listed(spain, contract_id=spain.family.contract_id)}

    assert owners() == {expected for _, _, expected in ids}
    spain.execute("UPDATE legacy_es.es_user SET global_user_id = gen_random_uuid() WHERE id = 4711")
    assert owners() == {expected for _, _, expected in ids}


def test_case_s1(spain: Spain) -> None:
    """TRANSLATE, T2: submit, simulate, a revision, the core, and a check in the gap."""
    spain.row("P", "PRIMARY", FLEX, "2024-03-01", "2024-05-31")
    spain.row("P", "PRIMARY", FLEX, "2024-09-01")
    spain.map()
    family = spain.family
    change = family.enroll(family.option, "2026-04-01")
    submit = failure_of(family.requests.SubmitChangeRequest, family.request(change))
    assert (submit.code, submit.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MIGRATION_STAGE")
    assert submit.facts == {"country_code": "ES", "stage": "TRANSLATE"}
    with_revision = failure(spain, revision=1)
    assert (with_revision.code, with_revision.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "LEGACY_HAS_NO_HISTORY",
    )
    in_core = failure(spain, source_of_truth=FORCE_CORE)
    assert (in_core.code, in_core.reason) == (grpc.StatusCode.NOT_FOUND, "GROUP_UNKNOWN")
    simulated = family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(
            group=family.key, changes=[change], requester=family.primary_as_requester()
        )
    )
    assert simulated.verdict == change_request_pb2.VERDICT_APPROVED
    after = enrollment_group_pb2.EnrollmentGroup(periods=simulated.periods_after)
    assert spain.periods(after) == [
        "P PRIMARY BASE 2024-03-01 2024-05-31",
        "P PRIMARY BASE 2024-09-01 -",
        "P PRIMARY DENTAL 2026-04-01 -",
    ]
    checks: Any = EligibilityCheckServiceStub(spain.channel)
    check = check_pb.EligibilityCheck(member_id=family.primary, date=date("2024-07-01"))
    answer = checks.CheckEligibility(check_pb.CheckEligibilityRequest(check=check))
    assert answer.reason == check_pb.ELIGIBILITY_REASON_COVERAGE_ENDED
    assert (iso(answer.last_day), iso(answer.first_day)) == ("2024-05-31", "2024-09-01")
