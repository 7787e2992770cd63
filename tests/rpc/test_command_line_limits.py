"""Limits are shown with bars and with the ledger of what was applied to them."""

import json

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affilia.eligibility.v1.accumulator_pb2 import Counter
from affilia_views.limits import LEFT, USED, usage_bar
from tests.conftest import ServerProcess
from tests.support.command_line import Typed, typed
from tests.support.insured import Insured
from tests.support.terminal import on_terminal


@pytest.fixture
def insured(server_channel: grpc.Channel, internal: grpc.Channel) -> Insured:
    found = Insured(server_channel, internal).set_up()
    found.enroll("2026-01-01")
    return found


def limits_of(server: ServerProcess, insured: Insured, *words: str) -> Typed:
    where = "--internal-address", server.internal_address, "limits", insured.family.primary
    return typed(server.address, *where, "--on", "2026-02-01", *words)


def test_usage_is_shown_as_bars_with_the_ledger(server: ServerProcess, insured: Insured) -> None:
    insured.apply("2026-02-01", deductible=25_00, physio=2)
    application, _ = insured.apply("2026-02-02", deductible=1000)
    insured.reverse(application)
    insured.used("2026-02-01")
    shown = limits_of(server, insured)
    assert shown.code == 0, shown.err
    assert f"individual {USED * 5}{LEFT * 15} 25.00 EUR of 100.00 EUR used, 75.00 EUR left" in shown.out
    assert "family     2 used, no limit" in shown.out
    assert "2026-02-01  BENEFIT:PHYSIO: 2" in shown.out
    assert "2026-02-02  DEDUCTIBLE: 10.00 EUR (reversed)" in shown.out
    assert "DEDUCTIBLE: -10.00 EUR" in shown.out or "(reversal)" in shown.out
    both = json.loads(limits_of(server, insured, "--json").out)
    assert {each["code"] for each in both["accumulators"]} == {"DEDUCTIBLE", "BENEFIT:PHYSIO"}
    assert len(both["applications"]) == 4
    where = "--internal-address", server.internal_address
    on_terminal(server.address, *where, "limits", insured.family.primary, "--on", "2026-02-01")


def test_orphans_are_marked(server: ServerProcess, insured: Insured) -> None:
    insured.apply("2026-05-01", deductible=1000)
    insured.submit(insured.family.leave("2026-03-01"))
    insured.check("2026-05-01")
    shown = limits_of(server, insured, "--orphaned")
    assert "2026-05-01  DEDUCTIBLE: 10.00 EUR (orphaned" in shown.out, shown.err


def test_without_the_internal_listener_the_ledger_is_left_out(server_address: str, insured: Insured) -> None:
    words = "--internal-address", "127.0.0.1:1", "limits", insured.family.primary, "--on", "2026-02-01"
    shown = typed(server_address, *words)
    assert (shown.code, "DEDUCTIBLE" in shown.out, "The ledger can't be read" in shown.err) == (0, True, True)
    assert "The ledger" not in typed(server_address, *words, "--no-ledger").err


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_bar_is_empty_or_full_only_if_the_limit_is(used: int, limit: int) -> None:
    bar = usage_bar(Counter(used=used, limit=limit))
    assert (len(bar), set(bar) <= {USED, LEFT}) == (20, True)
    assert (USED not in bar) == (used == 0 and limit > 0)
    assert (LEFT not in bar) == (used >= limit)


def test_without_a_limit_there_is_no_bar() -> None:
    assert usage_bar(Counter(used=3)) == ""
