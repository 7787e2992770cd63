"""The command line prints what decided coverage and premiums."""

import pytest

from tests.rpc.test_command_line import name_of
from tests.rpc.test_explanations import recomputes
from tests.rpc.test_premium_causes import with_children
from tests.rpc.test_premiums import compute
from tests.support.calls import Family, admin
from tests.support.command_line import typed


@pytest.fixture
def aged(family: Family) -> Family:
    """A family with premiums whose child lost days by a corrected date of birth."""
    family.amend(with_children(family))
    family.born(family.child, "2001-03-01")
    enrolls = family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True)
    family.submit(*enrolls, requester=admin())
    compute(family)
    family.born(family.child, "2000-03-01")
    assert recomputes(family)[-1].revision == 2
    compute(family)
    return family


def test_coverage_is_explained_down_to_the_decisive_fact(server_address: str, aged: Family) -> None:
    shown = typed(server_address, "explain", "coverage", aged.child, "--on", "2026-05-01", COLUMNS="200")
    assert shown.code == 0, shown.err
    assert f"revision 2 of the family of {aged.primary}" in shown.out
    assert f"because date of birth of {aged.child}: 2000-03-01 (before: 2001-03-01), recorded by dev" in shown.out
    assert "CHILD_AGE, 2026-03-01 to 2027-02-28: under 26; date of birth 2000-03-01" in shown.out


def test_a_requested_day_that_was_never_covered_is_explained_by_the_rules(server_address: str, aged: Family) -> None:
    for question in (
        ["why", aged.child, "--on", "2030-05-01"],
        ["explain", "coverage", aged.child, "--on", "2030-05-01"],
    ):
        shown = typed(server_address, *question, COLUMNS="200")
        assert shown.code == 0, shown.err
        assert f"{aged.child} on {aged.base}: requested, but excluded by rules" in shown.out
        assert "CHILD_AGE, 2030-05-01: under 26; date of birth 2000-03-01" in shown.out
        assert f"date of birth of {aged.child}: 2000-03-01" in shown.out


def test_a_covered_day_is_explained_with_what_other_modules_lack(server_address: str, aged: Family) -> None:
    aged.submit(aged.enroll(aged.plus, "2026-06-01", "2026-12-31"), requester=admin())
    aged.submit(aged.enroll(aged.base, "2026-10-01"), requester=admin())
    shown = typed(server_address, "why", aged.primary, "--on", "2026-11-01", COLUMNS="200")
    assert shown.code == 0, shown.err
    assert f"{aged.primary} on {aged.base}: gained 2026-10-01 to 2026-12-31" in shown.out
    assert f"{aged.primary} on {aged.plus}: lost 2026-10-01 to 2026-12-31" in shown.out


def test_premiums_are_explained_down_to_the_decisive_fact(server_address: str, aged: Family) -> None:
    shown = typed(server_address, "explain", "premium", name_of(aged), "--month", "2026-03", COLUMNS="200")
    assert shown.code == 0, shown.err
    assert "because: Lost from 2026-03-01 to 2027-02-28: date of birth of" in shown.out
    assert "because: Gained from 2026-01-01 on: change request" in shown.out
