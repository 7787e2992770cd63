"""What the stage of a migration keeps others from doing, and how its calls are audited and explained."""

from typing import Any

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import member_service_pb2
from affilia.enrollment.v1 import change_request_pb2
from affilia.history.v1 import history_service_pb2
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from tests.scenarios.enrollment_messages import iso
from tests.support.calls import failure_of, new_id
from tests.support.migration import CORE, DUAL_WRITE, IN_ORDER, READ_CORE, RETIRED, TRANSLATE, Spain, Stage
from tests.support.migration_requests import requests_of
from tests.support.spanish import FLEX
from tests.support.waiting import wait_until

FAILED = grpc.StatusCode.FAILED_PRECONDITION


def insert_row(spain: Spain) -> int:
    return spain.row("P", "PRIMARY", FLEX, "2025-01-01", "2025-01-31")


# -------------------------------------------------------------------------------------------------- other programs


@pytest.mark.parametrize("stage", [TRANSLATE, DUAL_WRITE, RETIRED])
def test_others_write_before_read_core_and_once_retired(spain: Spain, stage: Stage) -> None:
    insert_row(spain)
    spain.move_to(stage)
    spain.policy("P")
    insert_row(spain)
    spain.execute("UPDATE legacy_es.es_enrollment SET end_date = NULL")
    spain.execute("DELETE FROM legacy_es.es_enrollment")


@pytest.mark.parametrize("stage", [READ_CORE, CORE])
def test_others_are_refused_from_read_core_on_and_write_again_after_a_step_back(spain: Spain, stage: Stage) -> None:
    insert_row(spain)
    spain.move_to(stage)
    for statement in (
        "INSERT INTO legacy_es.es_enrollment (policy_id, user_id, enrollment_type, product_code)"
        " SELECT policy_id, user_id, enrollment_type, product_code FROM legacy_es.es_enrollment",
        "UPDATE legacy_es.es_enrollment SET end_date = NULL",
        "DELETE FROM legacy_es.es_enrollment",
        "TRUNCATE legacy_es.es_enrollment",
        "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) SELECT 17, id FROM legacy_es.es_user",
        "UPDATE legacy_es.es_policy SET created_at = now()",
    ):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="written through Affilia"):
            spain.execute(statement)
    spain.execute("UPDATE legacy_es.es_user SET birth_date = '1980-06-01'")  # users stay theirs
    spain.move_to(DUAL_WRITE)
    spain.execute("UPDATE legacy_es.es_enrollment SET end_date = NULL")
    assert [row.last for row in spain.rows()] == [None]


# -------------------------------------------------------------------------------------------------- members


@pytest.mark.parametrize("stage", IN_ORDER)
def test_members_of_the_tables_are_neither_erased_nor_merged_until_retired(spain: Spain, stage: Stage) -> None:
    for who, type_ in (("P", "PRIMARY"), ("C", "CHILD")):
        spain.row(who, type_, FLEX, "2024-03-01", "2025-01-31")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(stage)
    spain.family.store(spain.member("X"))
    for who in ("P", "C"):
        calls: list[tuple[Any, Any]] = [
            (spain.family.members.EraseMember, erasure(spain, who)),
            (spain.family.members.MergeMembers, merge(spain, "X", who)),
            (spain.family.members.MergeMembers, merge(spain, who, "X")),
        ]
        for call, request in calls:
            if stage == RETIRED:
                continue
            failure = failure_of(call, request)
            assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")
    spain.family.members.EraseMember(erasure(spain, "X"))  # in no table
    if stage == RETIRED:
        spain.family.members.EraseMember(erasure(spain, "C"))


def erasure(spain: Spain, who: str) -> member_service_pb2.EraseMemberRequest:
    return member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=spain.member(who))


def merge(spain: Spain, from_: str, into: str) -> member_service_pb2.MergeMembersRequest:
    return member_service_pb2.MergeMembersRequest(
        request_id=new_id(), from_member_id=spain.member(from_), into_member_id=spain.member(into), reason="same person"
    )


def test_members_who_are_in_no_policy_are_users_too(spain: Spain) -> None:
    spain.user("S")
    spain.map()
    spain.family.store(spain.member("S"))
    failure = failure_of(spain.family.members.EraseMember, erasure(spain, "S"))
    assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")


# -------------------------------------------------------------------------------------------------- the audit log


def audited(spain: Spain, method: str) -> list[tuple[dict[str, str], int, str]]:
    """Returns the ids, the number of omitted ones and the outcome of the entries of a method, since the test began."""
    return spain.tables.execute(
        "SELECT ids, omitted_ids, outcome FROM audit_entry WHERE method = %s AND entry_key > %s ORDER BY entry_key",
        [f"/affilia.migration.v1.MigrationService/{method}", spain.audited_before],
    ).fetchall()


def test_every_call_that_changes_something_is_audited(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    mapping, backfill_id = spain.mapping(), new_id()
    spain.migrations.MapLegacyContract(mapping)
    named = {"request_id": mapping.request_id, "contract_id": spain.family.contract_id}
    ((ids, _, outcome),) = audited(spain, "MapLegacyContract")
    assert (named.items() <= ids.items(), outcome) == (True, "OK")
    moved, refused = spain.change(DUAL_WRITE), spain.change(CORE)
    spain.migrations.SetMigrationStage(moved)
    failure_of(spain.migrations.SetMigrationStage, refused)
    assert [(ids["request_id"], outcome) for ids, _, outcome in audited(spain, "SetMigrationStage")] == [
        (moved.request_id, "OK"),
        (refused.request_id, "STAGE_MISMATCH"),
    ]
    assert [set(ids) for ids, _, _ in audited(spain, "SetMigrationStage")] == [
        {"request_id", "resolved.contract_id"}, {"request_id", "resolved.contract_id"}
    ]  # fmt: skip
    spain.backfill(request_id=backfill_id)
    ((ids, _, outcome),) = audited(spain, "BackfillGroups")
    assert outcome == "OK"
    assert ids == {"request_id": backfill_id, "resolved.group_id": spain.group_id()}


# -------------------------------------------------------------------------------------------------- explanations


def test_the_difference_that_an_alignment_makes_is_explained(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.execute("UPDATE legacy_es.es_enrollment SET end_date = '2026-12-31'")
    spain.backfill()
    aligned = requests_of(spain)[1].change_request_id
    request = history_service_pb2.ExplainDifferenceRequest(group_id=spain.group_id(), revision=2)
    (run,) = HistoryServiceStub(spain.channel).ExplainDifference(request).runs
    assert (iso(run.days.first_on), run.gained) == ("2027-01-01", False)
    assert [each.change_request_id for each in run.decisive_inputs] == [aligned]
    assert f"migration from legacy tables, change request {aligned}" in run.summary


def test_days_that_rules_took_when_a_group_was_aligned_are_explained_by_the_fact_that_brings_them_back(
    strict_spain: Spain,
) -> None:
    spain = strict_spain
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert spain.core_periods() == ["P PRIMARY BASE 2024-03-01 2026-03-14"]
    spain.employ("P", "2020-01-01")
    wait_until(lambda: spain.core_periods() == ["P PRIMARY BASE 2024-03-01 -"], "the recompute")
    request = history_service_pb2.ExplainDifferenceRequest(group_id=spain.group_id(), revision=2)
    (run,) = HistoryServiceStub(spain.channel).ExplainDifference(request).runs
    assert (iso(run.days.first_on), run.gained) == ("2026-03-15", True)
    (employment,) = run.decisive_inputs
    assert employment.fact.kind == change_request_pb2.FACT_KIND_EMPLOYMENT
