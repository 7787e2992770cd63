"""The worked cases of groups with legacy rows: aligned by a backfill, and written by the next one."""

import grpc

from affilia.enrollment.v1 import (
    change_request_pb2,
)
from affilia.migration.v1 import migration_service_pb2 as pb
from tests.scenarios.enrollment_messages import iso
from tests.support.calls import failure_of
from tests.support.migration import DUAL_WRITE, READ_CORE, Row, Spain
from tests.support.migration_requests import born, requests_of, revisions
from tests.support.spanish import FLEX, FLEX_PLUS
from tests.support.waiting import wait_until

FAILED = grpc.StatusCode.FAILED_PRECONDITION
MIGRATION = change_request_pb2.REQUESTER_ROLE_MIGRATION
NOW = pb.SOURCE_DIFFERENCE_KIND_NOW


def example(spain: Spain) -> None:
    """Fills the tables as in the page's worked example, where rows have the ids 101 to 105."""
    spain.user("P", "1980-06-01")
    spain.user("C", "2001-05-20")
    spain.user("C2", None)
    for who, type_, product, first, last in (
        ("P", "PRIMARY", FLEX, "2024-03-01", None),
        ("P", "PRIMARY", FLEX_PLUS, "2025-01-01", "2025-12-31"),
        ("C", "CHILD", FLEX, "2024-03-01", "2024-08-31"),
        ("C", "CHILD", FLEX, "2024-06-01", None),
        ("C2", "CHILD", FLEX, "2024-03-01", None),
    ):
        spain.row(who, type_, product, first, last)


P_TRANSLATED = ["P PRIMARY BASE 2024-03-01 2024-12-31", "P PRIMARY BASE 2026-01-01 -"]
P_ON_PLUS = "P PRIMARY BASE_PLUS 2025-01-01 2025-12-31"


def test_a1_a_backfill_takes_over_the_past_and_lets_rules_govern_from_today(strict_spain: Spain) -> None:
    spain = strict_spain
    example(spain)
    spain.employ("P", "2020-01-01")
    spain.move_to(DUAL_WRITE)
    last = spain.backfill()[-1]
    assert (last.groups, last.done, last.aligned, last.written_back, last.failed) == (1, 1, 1, 0, 0)
    assert spain.core_periods() == [
        "C CHILD BASE 2024-03-01 2026-05-19",
        "C2 CHILD BASE 2024-03-01 2026-03-14",
        *P_TRANSLATED,
        P_ON_PLUS,
    ]
    (request,) = requests_of(spain)
    assert request.requester.role == MIGRATION
    assert iso(request.overridden_before) == "2026-03-15"
    assert list(request.overridden_rules) == ["CHILD_AGE", "EMPLOYED", "NEEDS_PRIMARY"]
    assert request.revision == 1
    events = spain.tables.execute(
        "SELECT kind FROM event JOIN enrollment_group USING (group_key) WHERE group_id = %s",
        [spain.group_id()],
    ).fetchall()
    assert events == [("POLICY_ACTIVATED",)]
    (difference,), result = spain.compare()
    c, c2 = sorted(difference.enrollments, key=lambda each: each.member_id != spain.member("C"))
    assert difference.kind == NOW
    assert [(each.kind, each.count) for each in result.differences] == [(NOW, 1)]
    assert [(reason.rule_code, iso(reason.days[0].first_on)) for reason in c.reasons] == [("CHILD_AGE", "2026-05-20")]
    (missing,) = c2.reasons
    assert (missing.rule_code, iso(missing.days[0].first_on)) == ("CHILD_AGE", "2026-03-15")
    assert len(missing.missing_facts) == 1


def test_a2_without_an_employment_everybody_ends_yesterday_and_comes_back_when_it_is_recorded(
    strict_spain: Spain,
) -> None:
    spain = strict_spain
    example(spain)
    spain.execute("UPDATE legacy_es.es_user SET birth_date = '2010-01-01' WHERE id = %s", spain.users["C2"])
    before = spain.rows()
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert spain.core_periods() == [
        "C CHILD BASE 2024-03-01 2026-03-14",
        "C2 CHILD BASE 2024-03-01 2026-03-14",
        "P PRIMARY BASE 2024-03-01 2024-12-31",
        "P PRIMARY BASE 2026-01-01 2026-03-14",
        P_ON_PLUS,
    ]
    (difference,), _ = spain.compare()
    assert difference.kind == NOW
    codes = {
        who: {reason.rule_code for each in difference.enrollments if each.member_id == spain.member(who)
              for reason in each.reasons}
        for who in ("P", "C2")
    }  # fmt: skip
    assert codes == {"P": {"EMPLOYED"}, "C2": {"CHILD_AGE", "NEEDS_PRIMARY"}}
    spain.employ("P", "2020-01-01")
    wait_until(lambda: len(revisions(spain)) == 2, "the recompute")
    assert spain.core_periods() == [
        "C CHILD BASE 2024-03-01 2026-05-19",
        "C2 CHILD BASE 2024-03-01 2034-12-31",
        *P_TRANSLATED,
        P_ON_PLUS,
    ]
    assert spain.rows() == before


def test_s4_a_forced_stage_lets_the_next_backfill_write_what_rules_ended(strict_spain: Spain) -> None:
    spain = strict_spain
    example(spain)
    spain.employ("P", "2020-01-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.compare()
    failure = failure_of(spain.migrations.SetMigrationStage, spain.change(READ_CORE))
    assert (failure.code, failure.reason) == (FAILED, "MIGRATION_NOT_READY")
    assert failure.facts == {"country_code": "ES", "NOW": "1"}
    spain.move(READ_CORE, force=True, reason="the child is no longer covered")
    last = spain.backfill()[-1]
    assert (last.aligned, last.written_back, last.failed) == (0, 1, 0)
    assert [row for row in spain.rows() if row.user != "P"] == [
        Row(3, "C", "CHILD", FLEX, "2024-03-01", "2026-05-19"),
        Row(4, "C", "CHILD", FLEX, "2024-06-01", None, True),
        Row(5, "C2", "CHILD", FLEX, "2024-03-01", "2026-03-14"),
    ]
    assert spain.counts() == {}
    assert [each.written_back for each in spain.backfill()][-1] == 0


def test_the_worked_example_ends_in_agreement(strict_spain: Spain) -> None:
    spain = strict_spain
    example(spain)
    spain.employ("P", "2020-01-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    born(spain, "C2", "2010-01-01")
    wait_until(lambda: len(revisions(spain)) == 2, "the recompute")
    assert "C2 CHILD BASE 2024-03-01 2034-12-31" in spain.core_periods()
    assert spain.counts() == {"LATER": 1}
    spain.move(READ_CORE)
    spain.backfill()
    assert [(row.first, row.last, row.is_cancelled) for row in spain.rows()[2:]] == [
        ("2024-03-01", "2026-05-19", False),
        ("2024-06-01", None, True),
        ("2024-03-01", "2034-12-31", False),
    ]
    assert spain.counts() == {}
