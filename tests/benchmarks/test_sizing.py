"""The calculation of sizing, and the table in docs/scaling.md that it produces."""

from dataclasses import fields, replace

import pytest

from benchmarks import ROOT, sizing
from benchmarks.sizing import COSTS, PORTFOLIOS, Load, Needs, needs

ONE = replace(
    COSTS,
    check_us=1_000, read_us=2_000, quote_us=4_000, submit_us=8_000, read_postgres_us=100, submit_postgres_us=1_000,
    member_bytes=1_000, member_kib=10, change_kib=4, policy_year_kib=5,
)  # fmt: skip


def test_the_documented_table_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    sizing.main([])
    assert capsys.readouterr().out.strip() in (ROOT / "docs" / "scaling.md").read_text()


def test_the_documented_costs_are_the_inputs() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    for field in fields(COSTS):
        number = f"{getattr(COSTS, field.name):,}".replace(",", " ")
        assert f"| `{field.name}` | {number} |" in text


def test_a_small_portfolio_is_computed_by_hand() -> None:
    load = Load(
        members=36_000, members_per_policy=2, checks_per_member_day=1, reads_per_member_day=0.5,
        quotes_per_member_day=0.25, changes_per_policy_year=365, busy_hour_share=0.1, utilization=0.5, years=2,
    )  # fmt: skip
    # In the busiest hour: 3 600 checks, 1 800 reads, 900 quotes, 1 800 submits.
    found = needs(load, ONE)
    assert found.calls_per_second == pytest.approx(1 + 0.5 + 0.25 + 0.5)
    assert found.submits_per_second == pytest.approx(0.5)
    assert found.server_cores == pytest.approx((1 * 0.001 + 0.5 * 0.002 + 0.25 * 0.004 + 0.5 * 0.008) / 0.5)
    assert found.postgres_cores == pytest.approx((0.5 * 0.0001 + 0.5 * 0.001) / 0.5)
    assert found.memory_gib == pytest.approx(36e6 / 2**30)
    assert found.disk_gib == pytest.approx((36_000 * 10 + 18_000 * 2 * (365 * 4 + 5)) * 1024 / 2**30)


@pytest.mark.parametrize("members", PORTFOLIOS)
def test_needs_are_proportional_to_members(members: int) -> None:
    one, ten = needs(Load(members=members), COSTS), needs(Load(members=10 * members), COSTS)
    for field in fields(Needs):
        assert getattr(ten, field.name) == pytest.approx(10 * getattr(one, field.name))


def test_costs_and_load_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    sizing.main(["--members", "3000000"])
    before = capsys.readouterr().out
    sizing.main(["--members", "3000000", "--check-us", "1418", "--years", "10"])
    after = capsys.readouterr().out
    assert before.splitlines()[0] == after.splitlines()[0] == "| members | 3 000 000 |"
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line.split(" | ")[0] for line in changed] == ["| cores for servers", "| disk, GiB"]
