"""Submits and recomputes of groups with legacy rows, in every stage: aligned, judged, and written to both sides."""

import grpc
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
)
from affilia.type.v1 import membership_type_pb2
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import admin, failure_of, new_id, without_token
from tests.support.migration import CORE, DUAL_WRITE, FORCE_CORE, READ_CORE, RETIRED, TRANSLATE, Row, Spain, Stage
from tests.support.migration_requests import (
    born,
    differences,
    enroll,
    leave,
    rejected,
    requests_of,
    revisions,
    roles,
    submitted,
    waiting_recomputes,
)
from tests.support.spanish import DENTAL, FLEX, FLEX_OLD, FLEX_PLUS, SpanishFamily
from tests.support.waiting import wait_until

FAILED = grpc.StatusCode.FAILED_PRECONDITION

# -------------------------------------------------------------------------------------------------- translate


def test_in_translate_nothing_changes_here(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    before = spain.rows()
    for failure in (rejected(spain), rejected(spain, leave(spain, "P", "2026-05-01"))):
        assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")
        assert failure.facts == {"country_code": "ES", "stage": "TRANSLATE"}
    assert spain.rows() == before
    with pytest.raises(grpc.RpcError) as unknown:
        spain.core_periods()
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


def test_contracts_that_are_not_mapped_are_the_cores_alone(spain: Spain) -> None:
    spain.map()
    other = SpanishFamily(spain.channel)
    other.publish()
    other.store(other.primary)
    other.submit(other.enroll(other.base, "2026-05-01"))
    assert other.group().revision == 1
    assert spain.rows() == []


def test_recomputes_wait_through_translate_and_run_in_dual_write(strict_spain: Spain) -> None:
    spain = strict_spain
    spain.employ("P", "2020-01-01")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert "C CHILD BASE 2024-03-01 2026-03-14" in spain.core_periods()
    spain.move(TRANSLATE)
    born(spain, "C", "2010-01-01")
    assert waiting_recomputes(spain) == 1
    assert "C CHILD BASE 2024-03-01 2026-03-14" in spain.core_periods()
    spain.move(DUAL_WRITE)
    wait_until(lambda: waiting_recomputes(spain) == 0, "the recompute has run")
    assert "C CHILD BASE 2024-03-01 2034-12-31" in spain.core_periods()


# -------------------------------------------------------------------------------------------------- dual write


def test_s2_a_submit_aligns_first_and_writes_both(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    answer = submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.plus, "2026-05-01"))
    assert answer.change_request.revision == 2
    assert roles(spain) == ["MIGRATION", "MEMBER"]
    assert [each.revision for each in revisions(spain)] == [1, 2]
    assert spain.rows() == [
        Row(1, "P", "PRIMARY", FLEX, "2024-03-01", "2026-04-30"),
        Row(2, "P", "PRIMARY", FLEX_PLUS, "2026-05-01", None),
    ]
    assert spain.counts() == {}


def test_s3_rows_of_another_program_are_taken_over_before_the_next_change(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.plus, "2026-05-01"))
    row = spain.row("C", "CHILD", FLEX, "2026-06-01")
    assert spain.counts() == {"STALE": 1}
    answer = submitted(spain, leave(spain, "P", "2026-08-01", spain.family.plus))
    assert answer.change_request.revision == 4
    assert roles(spain) == ["MIGRATION", "MEMBER", "MIGRATION", "MEMBER"]
    assert differences(spain, 3) == {("C", "STARTED")}
    assert differences(spain, 4) == {("P", "TERMINATED")}
    assert spain.rows()[1:] == [
        Row(2, "P", "PRIMARY", FLEX_PLUS, "2026-05-01", "2026-07-31"),
        Row(row, "C", "CHILD", FLEX, "2026-06-01", None),
    ]
    assert spain.counts() == {}


def test_days_that_only_the_tables_have_stay_in_dual_write(strict_spain: Spain) -> None:
    """Rules end C's coverage in the core. A change of something else leaves C's row alone."""
    spain = strict_spain
    spain.employ("P", "2020-01-01")
    spain.user("C", "2001-05-20")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.option, "2026-05-01"))
    assert "C CHILD BASE 2024-03-01 2026-05-19" in spain.core_periods()
    assert spain.rows()[1:] == [
        Row(2, "C", "CHILD", FLEX, "2024-03-01", None),
        Row(3, "P", "PRIMARY", DENTAL, "2026-05-01", None),
    ]
    # Only what the revision takes away is taken away.
    submitted(spain, leave(spain, "C", "2026-05-01"))
    assert spain.legacy_periods()[:2] == ["C CHILD BASE 2024-03-01 2026-04-30", "C CHILD BASE 2026-05-20 -"]
    assert spain.rows()[1] == Row(2, "C", "CHILD", FLEX, "2024-03-01", "2026-04-30")


@pytest.mark.parametrize("stage", [READ_CORE, CORE])
def test_from_read_core_on_the_tables_get_the_days_of_the_core(strict_spain: Spain, stage: Stage) -> None:
    spain = strict_spain
    spain.employ("P", "2020-01-01")
    spain.user("C", "2001-05-20")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(stage)
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.option, "2026-05-01"))
    assert spain.rows() == [
        Row(1, "P", "PRIMARY", FLEX, "2024-03-01", None),
        Row(2, "C", "CHILD", FLEX, "2024-03-01", "2026-05-19"),
        Row(3, "P", "PRIMARY", DENTAL, "2026-05-01", None),
    ]
    assert spain.core_periods() == spain.legacy_periods()


@pytest.mark.parametrize("stage", [DUAL_WRITE, READ_CORE, CORE])
def test_facts_are_followed_by_a_recompute_that_is_written_back(strict_spain: Spain, stage: Stage) -> None:
    spain = strict_spain
    spain.employ("P", "2020-01-01")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(stage)
    spain.family.members.RecordFacts(
        member_service_pb2.RecordFactsRequest(
            request_id=new_id(), member_id=spain.member("P"), employments=member_pb2.Employments()
        )
    )
    wait_until(lambda: spain.core_periods() == ["P PRIMARY BASE 2024-03-01 2026-03-14"], "the recompute")
    assert spain.rows() == [Row(1, "P", "PRIMARY", FLEX, "2024-03-01", "2026-03-14")]
    assert spain.counts() == {}


@pytest.mark.parametrize("stage", [DUAL_WRITE, READ_CORE, CORE])
def test_amendments_are_followed_by_a_recompute_that_is_written_back(spain: Spain, stage: Stage) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("P", "PRIMARY", DENTAL, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(stage)
    contract = spain.family.contract()
    contract.versions[0].days.last_on.CopyFrom(date("2026-12-31"))
    later = contract.versions.add()
    later.CopyFrom(contract.versions[0])
    later.days.CopyFrom(span("2027-01-01", None))
    del later.modules[2]
    spain.family.amend(contract)
    wait_until(lambda: spain.rows()[1].last == "2026-12-31", "the recompute")
    assert spain.counts() == {}


@pytest.mark.parametrize("stage", [DUAL_WRITE, READ_CORE, CORE])
def test_a_reverted_request_is_written_back(spain: Spain, stage: Stage) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(stage)
    change = submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.plus, "2026-05-01")).change_request
    revert = change_request_pb2.ScopedChange(
        revert=change_request_pb2.Revert(change_request_id=change.change_request_id)
    )
    submitted(spain, revert, requester=admin())
    assert spain.core_periods() == ["P PRIMARY BASE 2024-03-01 -"]
    assert spain.rows() == [
        Row(1, "P", "PRIMARY", FLEX, "2024-03-01", None),
        Row(2, "P", "PRIMARY", FLEX_PLUS, "2026-05-01", None, True),
    ]
    assert spain.counts() == {}


def test_reverting_an_alignment_takes_away_what_it_took_over(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    (aligned,) = requests_of(spain)
    revert = change_request_pb2.ScopedChange(
        revert=change_request_pb2.Revert(change_request_id=aligned.change_request_id)
    )
    submitted(spain, revert, requester=admin())
    assert spain.core_periods() == []
    assert [row.is_cancelled for row in spain.rows()] == [True]
    assert spain.counts() == {}


def test_a_corrected_type_stays_although_the_rows_say_otherwise(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    correction = change_request_pb2.CorrectMembershipType(
        member_id=spain.member("C"), membership_type=membership_type_pb2.MEMBERSHIP_TYPE_PARTNER
    )
    submitted(spain, change_request_pb2.ScopedChange(correct_membership_type=correction), requester=admin())
    assert "C PARTNER BASE 2024-03-01 -" in spain.core_periods()
    assert "C PARTNER BASE 2024-03-01 -" in spain.legacy_periods()
    assert [row.type for row in spain.rows()] == ["PRIMARY", "CHILD"]
    assert spain.counts() == {}
    submitted(spain, enroll(spain, "C", "PARTNER", spain.family.option, "2026-05-01"))
    assert spain.rows()[2] == Row(3, "C", "PARTNER", DENTAL, "2026-05-01", None)
    assert roles(spain) == ["MIGRATION", "ADMIN", "MEMBER"]


@pytest.mark.parametrize("stage", [DUAL_WRITE, READ_CORE, CORE])
def test_a_new_policy_gets_users_a_policy_and_rows(spain: Spain, stage: Stage) -> None:
    spain.move_to(stage)
    for who in ("P", "C"):
        spain.family.store(spain.member(who))
    submitted(
        spain,
        enroll(spain, "P", "PRIMARY", spain.family.base, "2026-05-01"),
        enroll(spain, "C", "CHILD", spain.family.base, "2026-05-01"),
    )
    assert sorted(row[1:] for row in spain.rows()) == sorted(
        [("P", "PRIMARY", FLEX, "2026-05-01", None, False), ("C", "CHILD", FLEX, "2026-05-01", None, False)]
    )
    policies = spain.tables.execute("SELECT health_contract_id, global_user_id::text FROM legacy_es.es_policy p"
                                    " JOIN legacy_es.es_user u ON u.id = p.owner_user_id").fetchall()  # fmt: skip
    assert policies == [(17, spain.member("P"))]
    assert roles(spain) == ["MEMBER"]
    assert spain.legacy_periods() == spain.core_periods()
    assert spain.counts() == {}


def test_a_user_without_a_policy_owns_the_new_one(spain: Spain) -> None:
    spain.user("P", "1980-06-01")
    spain.family.store(spain.member("P"))
    spain.move_to(DUAL_WRITE)
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.base, "2026-05-01"))
    owners = spain.tables.execute("SELECT owner_user_id FROM legacy_es.es_policy").fetchall()
    assert owners == [(spain.users["P"],)]
    (users,) = spain.tables.execute("SELECT count(*) FROM legacy_es.es_user").fetchone() or (0,)
    assert users == 1


def test_a_new_run_of_a_module_gets_the_product_of_the_users_last_row(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX_OLD, "2024-03-01", "2025-12-31")
    spain.move_to(DUAL_WRITE)
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.base, "2026-05-01"))
    assert spain.rows()[1] == Row(2, "P", "PRIMARY", FLEX_OLD, "2026-05-01", None)


@pytest.mark.parametrize("stage", [DUAL_WRITE, READ_CORE, CORE])
def test_a_pet_has_no_place_in_the_tables(spain: Spain, stage: Stage) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(stage)
    pet = member_pb2.Member(member_id=spain.member("REX"), kind=member_pb2.MEMBER_KIND_PET)
    spain.family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=pet))
    before = spain.rows()
    failure = rejected(spain, enroll(spain, "REX", "PET", spain.family.base, "2026-05-01"))
    assert (failure.code, failure.reason) == (FAILED, "LEGACY_CANNOT_HOLD")
    assert failure.facts == {
        "cause": "MEMBERSHIP_TYPE", "group_id": spain.group_id(), "member_id": spain.member("REX")
    }  # fmt: skip
    assert spain.rows() == before
    assert len(requests_of(spain)) == 1


def test_a_product_that_is_not_mapped_blocks_the_group_until_it_is(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    row = spain.row("P", "PRIMARY", "SPA", "2025-01-01")
    spain.move_to(DUAL_WRITE)
    failure = rejected(spain)
    assert (failure.code, failure.reason) == (FAILED, "LEGACY_CANNOT_HOLD")
    assert failure.facts == {"cause": "PRODUCT_NOT_MAPPED", "group_id": spain.group_id(), "row_id": str(row)}
    last = spain.backfill()[-1]
    assert (last.failed, last.failures[0].reason) == (1, "LEGACY_CANNOT_HOLD")
    assert spain.counts() == {"BLOCKED": 1}
    spain.map(modules={**spain.family.modules(), "SPA": spain.family.option})
    assert spain.backfill()[-1].failed == 0
    assert spain.core_periods() == ["P PRIMARY BASE 2024-03-01 -", "P PRIMARY DENTAL 2025-01-01 -"]


def test_a_rejected_request_is_stored_in_the_core_alone(strict_spain: Spain) -> None:
    spain = strict_spain
    spain.employ("P", "2020-01-01")
    spain.user("C", "2001-05-20")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    before = spain.rows()
    spain.family.store(spain.member("C"))
    born(spain, "C", "2001-05-20")
    answer = submitted(spain, enroll(spain, "C", "CHILD", spain.family.base, "2026-06-01"))
    assert answer.change_request.verdict == change_request_pb2.VERDICT_REJECTED
    assert roles(spain) == ["MIGRATION", "MEMBER"]
    assert spain.rows() == before
    assert spain.counts() == {}


@pytest.mark.parametrize("stage", [DUAL_WRITE, READ_CORE, CORE])
def test_a_repeated_request_is_carried_out_once(spain: Spain, stage: Stage) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(stage)
    request = spain.submit_request("P", enroll(spain, "P", "PRIMARY", spain.family.plus, "2026-05-01"))
    first = spain.family.requests.SubmitChangeRequest(request)
    rows = spain.rows()
    again = spain.family.requests.SubmitChangeRequest(request)
    assert without_token(again) == without_token(first)
    assert spain.rows() == rows
    spain.move_to(TRANSLATE)
    assert without_token(spain.family.requests.SubmitChangeRequest(request)) == without_token(first)


def test_the_expected_revision_counts_the_alignment(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    request = spain.submit_request("P")
    request.expected_revision = 0
    failure = failure_of(spain.family.requests.SubmitChangeRequest, request)
    assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "REVISION_MISMATCH")
    # As with a waiting recompute, the alignment stays, so that the caller can read what has changed.
    assert [each.revision for each in revisions(spain)] == [1]
    request.request_id, request.expected_revision = new_id(), 1
    assert spain.family.requests.SubmitChangeRequest(request).change_request.revision == 2


def test_a_deleted_policy_is_taken_over_as_no_periods(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.execute("DELETE FROM legacy_es.es_enrollment")
    spain.execute("DELETE FROM legacy_es.es_policy")
    assert spain.counts() == {"STALE": 1}
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.plus, "2026-05-01"))
    assert spain.core_periods() == ["P PRIMARY BASE_PLUS 2026-05-01 -"]
    assert [row[1:] for row in spain.rows()] == [("P", "PRIMARY", FLEX_PLUS, "2026-05-01", None, False)]
    assert spain.counts() == {}


# -------------------------------------------------------------------------------------------------- core, retired


def test_in_core_a_stale_group_is_overwritten_and_counted(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(CORE)
    with spain.tables.transaction():
        spain.execute("SET LOCAL affilia.writes_back = 'on'")
        spain.execute("UPDATE legacy_es.es_enrollment SET end_date = '2025-12-31'")
    assert spain.core_periods() == ["P PRIMARY BASE 2024-03-01 -"]
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.option, "2026-05-01"))
    assert roles(spain) == ["MIGRATION", "MEMBER"]
    assert [(row.product, row.last) for row in spain.rows()] == [(FLEX, None), (DENTAL, None)]
    assert spain.counts() == {}


def test_in_core_a_group_that_was_never_aligned_is_the_cores(spain: Spain) -> None:
    """Forced there, a group that the core doesn't have is empty. Its first change ends what the rows say."""
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    spain.family.store(spain.member("P"))
    spain.move_to(CORE)
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.option, "2026-05-01"))
    assert spain.core_periods() == ["P PRIMARY DENTAL 2026-05-01 -"]
    assert [(row.product, row.is_cancelled) for row in spain.rows()] == [(FLEX, True), (DENTAL, False)]


def test_a_country_that_steps_back_has_everything_in_both_places(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(CORE)
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.plus, "2026-05-01"))
    spain.move_to(TRANSLATE)
    assert spain.periods(spain.group()) == spain.core_periods()
    assert spain.group(source_of_truth=FORCE_CORE).revision == 2


def test_retired_tables_stay_as_they_are(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(RETIRED)
    before = spain.rows()
    submitted(spain, enroll(spain, "P", "PRIMARY", spain.family.plus, "2026-05-01"))
    born(spain, "P", "1980-01-01")
    wait_until(lambda: waiting_recomputes(spain) == 0, "the recompute")
    assert spain.rows() == before
    assert spain.core_periods()[0] == "P PRIMARY BASE 2024-03-01 2026-04-30"


def test_a_module_without_a_product_cannot_be_chosen(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.map(modules={FLEX: spain.family.base})
    failure = rejected(spain)
    assert (failure.code, failure.reason) == (FAILED, "LEGACY_CANNOT_HOLD")
    assert failure.facts["cause"] == "PRODUCT_NOT_MAPPED"
    assert len(revisions(spain)) == 1
    assert [row.product for row in spain.rows()] == [FLEX]
