"""Mapping contracts, and moving a country from stage to stage."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import psycopg
import pytest

from affilia.migration.v1 import migration_service_pb2 as pb
from tests.scenarios.enrollment_messages import ends
from tests.support.calls import Failure, decoded, failure_of, new_id, without_token
from tests.support.migration import (
    CORE,
    DUAL_WRITE,
    FORCE_LEGACY,
    IN_ORDER,
    READ_CORE,
    RETIRED,
    TRANSLATE,
    Spain,
    Stage,
)
from tests.support.spanish import DENTAL, FLEX, FLEX_PLUS, SpanishFamily
from tests.support.waiting import wait_until

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
EXISTS, FAILED = grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.FAILED_PRECONDITION


def map_fails(spain: Spain, request: pb.MapLegacyContractRequest) -> Failure:
    return failure_of(spain.migrations.MapLegacyContract, request)


def move_fails(spain: Spain, request: pb.SetMigrationStageRequest) -> Failure:
    return failure_of(spain.migrations.SetMigrationStage, request)


def another_contract(spain: Spain, country: str = "ES") -> SpanishFamily:
    family = SpanishFamily(spain.channel)
    contract = family.contract()
    contract.country_code = country
    family.publish(contract)
    return family


# -------------------------------------------------------------------------------------------------- mapping


def test_the_first_mapping_puts_the_country_into_translate(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    answer = spain.map(modules={FLEX_PLUS: spain.family.plus, FLEX: spain.family.base})
    assert answer.stage == TRANSLATE
    assert [product.code for product in answer.contract.products] == [FLEX, FLEX_PLUS]
    assert spain.periods(spain.group()) == ["P PRIMARY BASE 2024-03-01 -"]


def test_a_later_mapping_replaces_the_products_and_keeps_the_stage(spain: Spain) -> None:
    spain.move_to(DUAL_WRITE)
    answer = spain.map(modules={FLEX: spain.family.plus})
    assert answer.stage == DUAL_WRITE
    (migration,) = spain.migrations.ListMigrations(pb.ListMigrationsRequest()).migrations
    assert [(each.code, each.module_id) for each in migration.contracts[0].products] == [(FLEX, spain.family.plus)]


def test_an_unknown_contract_is_not_mapped(spain: Spain) -> None:
    for legacy_contract in ("18", "17a", "", "-1", "9" * 30):
        request = spain.mapping(legacy_contract)
        failure = map_fails(spain, request)
        expected = (INVALID, "REQUEST_MALFORMED") if not legacy_contract else (NOT_FOUND, "LEGACY_CONTRACT_UNKNOWN")
        assert (failure.code, failure.reason) == expected
    failure = map_fails(spain, spain.mapping(contract_id=new_id()))
    assert (failure.code, failure.reason) == (NOT_FOUND, "CONTRACT_UNKNOWN")
    assert spain.stage == pb.MIGRATION_STAGE_UNSPECIFIED


def test_a_contract_is_mapped_to_one_other(spain: Spain) -> None:
    spain.map()
    spain.legacy_contract(18)
    other = another_contract(spain)
    for request, mapped_to in (
        (spain.mapping(18), spain.family.contract_id),
        (spain.mapping(modules=other.modules(), contract_id=other.contract_id), spain.family.contract_id),
    ):
        failure = map_fails(spain, request)
        assert (failure.code, failure.reason) == (EXISTS, "LEGACY_CONTRACT_MAPPED")
        assert failure.facts["contract_id"] == mapped_to
    # The failed calls have stored nothing.
    spain.migrations.MapLegacyContract(spain.mapping(18, other.modules(), contract_id=other.contract_id))


def test_the_error_names_the_pair_that_is_mapped(spain: Spain) -> None:
    spain.map()
    spain.legacy_contract(18)
    failure = map_fails(spain, spain.mapping(18))
    assert failure.facts["legacy_contract_id"] == "17"


def test_products_are_modules_of_the_contract_and_listed_once(spain: Spain) -> None:
    foreign = another_contract(spain)
    failure = map_fails(spain, spain.mapping(modules={FLEX: spain.family.base, DENTAL: foreign.base}))
    assert (failure.code, set(failure.violations)) == (INVALID, {"products[1].module_id"})
    twice = [pb.LegacyProduct(code=FLEX, module_id=spain.family.base)] * 2
    failure = map_fails(spain, spain.mapping(products=twice))
    assert (failure.code, set(failure.violations)) == (INVALID, {"products[1].code"})
    failure = map_fails(spain, spain.mapping(products=[]))
    assert (failure.code, set(failure.violations)) == (INVALID, {"products"})


def test_a_contract_of_another_country_is_not_mapped(spain: Spain) -> None:
    french = another_contract(spain, "FR")
    failure = map_fails(spain, spain.mapping(modules=french.modules(), contract_id=french.contract_id))
    assert (failure.code, set(failure.violations)) == (INVALID, {"contract_id"})
    failure = map_fails(spain, spain.mapping(country_code="FR"))
    assert (failure.code, failure.reason) == (FAILED, "NO_LEGACY_SOURCE")


def test_a_module_with_enrollments_in_the_core_stays_mapped(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    without_base = {FLEX_PLUS: spain.family.plus}
    failure = map_fails(spain, spain.mapping(modules=without_base))
    assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")
    assert failure.facts == {"country_code": "ES", "stage": "DUAL_WRITE"}
    # One product of the module can be dropped, and so can modules that nobody has.
    spain.map(modules={FLEX: spain.family.base})


def test_a_repeated_mapping_returns_the_same_response(spain: Spain) -> None:
    request = spain.mapping()
    first = spain.migrations.MapLegacyContract(request)
    spain.move(DUAL_WRITE)
    spain.map(modules={FLEX: spain.family.base})
    again = spain.migrations.MapLegacyContract(request)
    assert without_token(again) == without_token(first)
    (migration,) = spain.migrations.ListMigrations(pb.ListMigrationsRequest()).migrations
    assert len(migration.contracts[0].products) == 1
    changed = spain.mapping(modules={FLEX: spain.family.plus}, request_id=request.request_id)
    failure = map_fails(spain, changed)
    assert (failure.code, failure.reason) == (EXISTS, "REQUEST_ID_REUSED")


# -------------------------------------------------------------------------------------------------- stages


def test_a_country_moves_one_step_at_a_time_in_either_direction(spain: Spain) -> None:
    spain.map()
    for stage in [*IN_ORDER[1:4], *reversed(IN_ORDER[:3])]:
        answer = spain.move(stage, force=True, reason="a test")
        (migration,) = spain.migrations.ListMigrations(pb.ListMigrationsRequest()).migrations
        assert answer.stage == stage == migration.stage
        assert answer.changed_at == migration.changed_at


def test_the_changes_are_kept(spain: Spain) -> None:
    spain.move_to(READ_CORE)
    spain.move(DUAL_WRITE, reason="too early")
    rows = spain.tables.execute(
        "SELECT from_stage, to_stage, forced, reason, subject FROM migration_change ORDER BY change_key"
    ).fetchall()
    assert rows == [
        (None, "TRANSLATE", False, "", rows[0][4]),
        ("TRANSLATE", "DUAL_WRITE", True, "a test", rows[0][4]),
        ("DUAL_WRITE", "READ_CORE", True, "a test", rows[0][4]),
        ("READ_CORE", "DUAL_WRITE", False, "too early", rows[0][4]),
    ]


@pytest.mark.parametrize(
    ("stage", "requested"),
    [(a, b) for a in IN_ORDER for b in IN_ORDER if abs(IN_ORDER.index(a) - IN_ORDER.index(b)) != 1 or a == RETIRED],
)
def test_no_other_step_is_possible(spain: Spain, stage: Stage, requested: Stage) -> None:
    spain.move_to(stage)
    failure = move_fails(spain, spain.change(requested, force=True, reason="a test"))
    assert (failure.code, failure.reason) == (FAILED, "STAGE_NOT_ADJACENT")
    prefix = len("MIGRATION_STAGE_")
    assert failure.facts == {
        "country_code": "ES",
        "stage": pb.MigrationStage.Name(stage)[prefix:],
        "requested_stage": pb.MigrationStage.Name(requested)[prefix:],
    }
    assert spain.stage == stage


def test_a_stage_is_only_changed_from_the_expected_one(spain: Spain) -> None:
    failure = move_fails(spain, spain.change(DUAL_WRITE, TRANSLATE))
    assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "STAGE_MISMATCH")
    spain.move_to(DUAL_WRITE)
    failure = move_fails(spain, spain.change(DUAL_WRITE, TRANSLATE))
    assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "STAGE_MISMATCH")
    assert failure.facts == {"country_code": "ES", "stage": "DUAL_WRITE", "expected_stage": "TRANSLATE"}


def test_force_and_retiring_require_a_reason(spain: Spain) -> None:
    spain.move_to(CORE)
    for request in (
        spain.change(RETIRED, CORE),
        spain.change(RETIRED, CORE, reason=" "),
        spain.change(READ_CORE, CORE, force=True),
    ):
        failure = move_fails(spain, request)
        assert (failure.code, set(failure.violations)) == (INVALID, {"reason"})
    spain.move(RETIRED, reason="the tables are dropped next month")


def test_malformed_changes_are_rejected(spain: Spain) -> None:
    spain.map()
    for field, request in (
        ("stage", spain.change(pb.MIGRATION_STAGE_UNSPECIFIED)),
        ("expected_stage", spain.change(DUAL_WRITE, pb.MIGRATION_STAGE_UNSPECIFIED)),
        ("country_code", spain.change(DUAL_WRITE, country_code="es")),
        ("request_id", spain.change(DUAL_WRITE, request_id="")),
    ):
        assert field in move_fails(spain, request).violations
    failure = move_fails(spain, spain.change(DUAL_WRITE, country_code="PT"))
    assert (failure.code, failure.reason) == (FAILED, "NO_LEGACY_SOURCE")


def test_a_repeated_change_returns_the_same_response(spain: Spain) -> None:
    spain.map()
    request = spain.change(DUAL_WRITE)
    first = spain.migrations.SetMigrationStage(request)
    spain.move(READ_CORE, force=True, reason="a test")
    again = spain.migrations.SetMigrationStage(request)
    assert without_token(again) == without_token(first)
    assert spain.stage == READ_CORE
    failure = move_fails(spain, spain.change(CORE, READ_CORE, request_id=request.request_id))
    assert (failure.code, failure.reason) == (EXISTS, "REQUEST_ID_REUSED")


# -------------------------------------------------------------------------------------------------- the guards


def not_ready(spain: Spain, stage: Stage) -> dict[str, str]:
    """Requests a guarded stage, and returns the counts of its rejection."""
    failure = move_fails(spain, spain.change(stage))
    assert (failure.code, failure.reason) == (FAILED, "MIGRATION_NOT_READY")
    return {name: value for name, value in failure.facts.items() if name != "country_code"}


def test_read_core_requires_a_comparison_of_all_contracts_in_dual_write(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    assert spain.counts() == {"MISSING": 1}
    spain.move(DUAL_WRITE)
    assert not_ready(spain, READ_CORE) == {}  # it was begun in TRANSLATE
    spain.backfill()
    spain.compare(contract_id=spain.family.contract_id)
    assert not_ready(spain, READ_CORE) == {}  # it covered one contract
    assert spain.counts() == {}
    spain.move(READ_CORE)


def test_read_core_is_reached_with_later_differences_only(strict_spain: Spain) -> None:
    spain = strict_spain
    spain.employ("P", "2020-01-01")
    spain.user("C", "2001-05-20")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2024-03-01")
    spain.row("S", "PRIMARY", FLEX, "2024-03-01", owner="S")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert spain.counts() == {"NOW": 1, "LATER": 1}  # nobody has told about an employment of S
    assert not_ready(spain, READ_CORE) == {"NOW": "1", "LATER": "1"}
    spain.employ("S", "2020-01-01")
    wait_until(lambda: spain.counts() == {"LATER": 1}, "S is employed")
    spain.move(READ_CORE)
    assert not_ready(spain, CORE) == {}  # the comparison was begun in DUAL_WRITE
    assert spain.counts() == {"LATER": 1}
    assert not_ready(spain, CORE) == {"LATER": "1"}
    spain.backfill()
    assert spain.counts() == {}
    spain.move(CORE)


def test_a_group_from_before_the_mapping_is_a_difference_until_it_is_written_to_the_tables(spain: Spain) -> None:
    family = spain.family
    family.store(family.primary)
    family.submit(family.enroll(family.base, "2025-01-01"))
    spain.move_to(DUAL_WRITE)
    ((difference,), _) = spain.compare()
    assert difference.kind == pb.SOURCE_DIFFERENCE_KIND_NOW
    assert [ends(days) for each in difference.enrollments for days in each.core_only] == [["2025-01-01", None]]
    spain.backfill()
    assert spain.rows() == []
    spain.move(READ_CORE, force=True, reason="the core is right")
    spain.backfill()
    assert spain.counts() == {}
    assert [(row.product, row.first, row.last) for row in spain.rows()] == [(FLEX, "2025-01-01", None)]
    spain.move(CORE)


def test_steps_back_need_no_comparison(spain: Spain) -> None:
    spain.move_to(CORE)
    for stage in (READ_CORE, DUAL_WRITE, TRANSLATE):
        spain.move(stage)


# -------------------------------------------------------------------------------------------------- concurrency


def test_a_change_waits_for_writers_of_the_tables_and_refuses_later_ones(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.user("C")
    with spain.server.connect() as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.execute("UPDATE legacy_es.es_enrollment SET end_date = '2026-12-31'")
            moving = pool.submit(spain.move, READ_CORE, force=True, reason="a test")
            wait_until(lambda: waiting_for_locks(spain), "the change waits")
            assert not moving.done()
        moving.result()
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="written through Affilia"):
            other.execute("UPDATE legacy_es.es_enrollment SET end_date = NULL")
    assert [row.last for row in spain.rows()] == ["2026-12-31"]


def test_a_change_waits_for_submits_under_way_and_later_ones_see_the_new_stage(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("S", "PRIMARY", FLEX, "2024-03-01", owner="S")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    plus = spain.family.enroll(spain.family.plus, "2026-05-01")
    with spain.server.connect() as other, ThreadPoolExecutor(3) as pool:
        with other.transaction():
            other.execute("SELECT FROM legacy_es.es_policy WHERE id = 1 FOR UPDATE")
            under_way = pool.submit(spain.family.submit, plus)
            wait_until(lambda: waiting_for_locks(spain) == 1, "the submit waits for the policy")
            moving = pool.submit(spain.move, TRANSLATE)
            wait_until(lambda: waiting_for_locks(spain) == 2, "the change waits for the submit")
            later = pool.submit(failure_of, spain.family.requests.SubmitChangeRequest, spain.submit_request("S"))
            wait_until(lambda: waiting_for_locks(spain) == 3, "another submit waits for the change")
            # It hasn't locked its group, for which a backfill could wait that holds the stage.
            free = "SELECT FROM enrollment_group WHERE group_id = %s FOR UPDATE SKIP LOCKED"
            assert len(other.execute(free, [spain.group_id("S")]).fetchall()) == 1
        assert under_way.result().change_request.revision == 2
        assert moving.result().stage == TRANSLATE
        assert later.result().reason == "MIGRATION_STAGE"
    assert [(row.product, row.last) for row in spain.rows("P")] == [(FLEX, "2026-04-30"), (FLEX_PLUS, None)]


def waiting_for_locks(spain: Spain) -> int:
    (waiting,) = spain.tables.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    ).fetchone() or (0,)
    return int(waiting)


# -------------------------------------------------------------------------------------------------- retired


def test_s7_a_retired_country_belongs_to_the_core_alone(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.move_to(RETIRED)
    before = spain.rows()
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: spain.group(source_of_truth=FORCE_LEGACY), "NO_LEGACY_SOURCE"),
        (lambda: spain.move(CORE, force=True, reason="a test"), "STAGE_NOT_ADJACENT"),
        (spain.backfill, "MIGRATION_STAGE"),
    ]
    for call, reason in calls:
        with pytest.raises(grpc.RpcError) as raised:
            call()
        assert (raised.value.code(), decoded(raised.value).reason) == (FAILED, reason)
    answer = spain.family.submit(spain.family.enroll(spain.family.plus, "2026-05-01"))
    assert answer.change_request.revision == 2
    assert spain.rows() == before
    spain.execute("UPDATE legacy_es.es_enrollment SET end_date = '2025-12-31'")
    assert spain.periods(spain.group()) == ["P PRIMARY BASE 2024-03-01 2026-04-30", "P PRIMARY BASE_PLUS 2026-05-01 -"]
