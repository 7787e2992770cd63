"""Tests of the case runner: cases in every form that the format allows, and differences that it must detect."""

import copy
from typing import Any

import grpc
import pytest

from tests.scenarios.enrollment_player import EnrollmentPlayer
from tests.scenarios.ledger_player import LedgerPlayer
from tests.scenarios.premiums_in_process import PremiumsInProcess

ROW = {"types": ["PRIMARY"], "min_age": 0, "max_age": None, "amount": 1000}


def contract(grids: dict[str, Any]) -> dict[str, Any]:
    module = {"id": "base", "service_type": "BASE", "grids": grids}
    version = {"start": "2026-01-01", "end": None, "scheme": "AGE_GRID", "modules": [module]}
    return {"country": "FR", "currency": "EUR", "versions": [version]}


def ledger_case(*steps: tuple[dict[str, Any], dict[str, Any]], grids: Any = None, parameters: Any = None) -> Any:
    """A policy with one member, enrolled from 16 June 2026 on, and steps with their expected results."""
    return {
        "id": "runner",
        "title": "a case for the runner",
        "contract": contract({"STANDARD": [ROW]} if grids is None else grids),
        "parameters": parameters,
        "primary": "m1",
        "members": [{"id": "m1", "date_of_birth": "1980-01-01", "regimes": []}],
        "enrollments": [
            {"member": "m1", "beneficiary_type": "PRIMARY", "module": "base", "start": "2026-06-16", "end": None}
        ],
        "steps": [step for step, _ in steps],
        "expected": [expected for _, expected in steps],
    }


def compute(**more: Any) -> dict[str, Any]:
    return {"op": "compute", "from": "2026-06", "to": "2026-06", **more}


def billed(amount: int) -> dict[str, Any]:
    return {"billed_net": {"COMPANY": 0, "PRIMARY": amount, "PARTNER": 0}}


WHOLE_MONTHS = {"prorata": "WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY"}
PRICE = {"op": "price_policy", "on": "2026-07-01"}


def error(code: str, reason: str = "", **metadata: Any) -> dict[str, Any]:
    return {"error": {"code": code, "reason": reason, "metadata": metadata}}


@pytest.mark.parametrize("player", [LedgerPlayer, PremiumsInProcess])
def test_a_steps_own_parameters_win_over_the_cases_also_empty_or_null(
    player: Any, server_channel: grpc.Channel
) -> None:
    case = ledger_case(
        (compute(), billed(0)),
        (compute(parameters={}), billed(500)),
        (compute(parameters=WHOLE_MONTHS), billed(0)),
        (compute(parameters=None), billed(500)),
        parameters=WHOLE_MONTHS,
    )
    mismatches = (player(case, server_channel) if player is LedgerPlayer else player(case)).play()
    assert not mismatches, mismatches


def test_publish_steps_are_played_and_change_nothing_for_the_case(server_channel: grpc.Channel) -> None:
    hole = [{**ROW, "max_age": 20}, {**ROW, "min_age": 30}]
    case = ledger_case(
        ({"op": "publish", "contract": contract({"STANDARD": [ROW]})}, {}),
        ({"op": "publish", "contract": contract({"STANDARD": hole})}, error("INVALID_ARGUMENT", "A_HOLE")),
        (PRICE, {}),
    )
    assert not LedgerPlayer(case, server_channel).play()


def test_a_module_without_a_standard_grid_is_played(server_channel: grpc.Channel) -> None:
    case = ledger_case(
        (PRICE, error("FAILED_PRECONDITION", "NO_GRID", module="base", regime="STANDARD")),
        ({"op": "publish", "contract": contract({"ALSACE_MOSELLE": [ROW]})}, error("INVALID_ARGUMENT")),
        grids={},
    )
    assert not LedgerPlayer(case, server_channel).play()


def test_metadata_is_compared_under_the_products_own_words_only(server_channel: grpc.Channel) -> None:
    before = {**PRICE, "on": "2025-01-01"}
    same = ledger_case((before, error("FAILED_PRECONDITION", "NOBODY_COVERED", date="2025-01-01", day="another word")))
    assert not LedgerPlayer(same, server_channel).play()
    other_reason = ledger_case((before, error("FAILED_PRECONDITION", "EMPTY_POLICY", date="1999-01-01")))
    assert not LedgerPlayer(other_reason, server_channel).play()
    other_day = ledger_case((before, error("FAILED_PRECONDITION", "NOBODY_COVERED", date="2025-01-02")))
    other_code = ledger_case((before, error("NOT_FOUND", "NOBODY_COVERED", date="2025-01-01")))
    for wrong in (other_day, other_code):
        assert [mismatch.what for mismatch in LedgerPlayer(wrong, server_channel).play()] == ["error"]


def test_an_error_where_none_is_expected_and_none_where_one_is_are_differences(server_channel: grpc.Channel) -> None:
    case = ledger_case(({**PRICE, "on": "2025-01-01"}, {}), (PRICE, error("FAILED_PRECONDITION")))
    assert [(m.step, m.what) for m in LedgerPlayer(case, server_channel).play()] == [(0, "error"), (1, "error")]


def test_a_malformed_request_is_expected_as_an_error(server_channel: grpc.Channel) -> None:
    enroll = {"member": "P", "membership_type": "PRIMARY", "module": "A", "first_day": "2026-03-02"}
    submit = {
        "today": "2026-01-05",
        "requester": "MEMBER",
        "changes": [{"enroll": {**enroll, "last_day": "2026-03-01"}}],
        "accept_consequences": False,
        "overridden_rules": [],
        "expected_revision": None,
    }
    module: dict[str, Any] = {
        "module": "A",
        "slot": None,
        "kind": "BASE",
        "membership_types": ["PRIMARY"],
        "commitment_months": None,
    }
    version: dict[str, Any] = {"first_day": "2026-01-01", "last_day": None, "max_backdating_days": 0, "rules": []}
    case: dict[str, Any] = {
        "name": "malformed",
        "contract": {
            "country": "FR",
            "currency": "EUR",
            "sponsor": "acme",
            "versions": [{**version, "modules": [{**module, "rules": []}]}],
        },
        "members": [{"id": "P", "primary": True, "facts": {"birth_date": "1980-01-01"}}],
        "steps": [{"submit": submit, "expected": {"error": "INVALID_ARGUMENT", "revision": 0}}],
    }
    assert not EnrollmentPlayer(case, server_channel).play()
    approved = copy.deepcopy(case)
    approved["steps"][0]["expected"] = {"revision": 0}
    assert [mismatch.what for mismatch in EnrollmentPlayer(approved, server_channel).play()] == ["error"]
