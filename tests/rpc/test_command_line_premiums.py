"""Premiums are shown by month and debtor, compared with causes, and invoiced."""

import json

import pytest

from tests.rpc.test_command_line import name_of
from tests.rpc.test_command_line_output import LONG_NAME, named
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_premiums import compute
from tests.support.calls import Family, admin
from tests.support.command_line import typed
from tests.support.terminal import on_terminal


@pytest.fixture
def priced(family: Family) -> Family:
    """A family whose enrollment ended on 10 March after the premiums until then had been computed."""
    contract = priced_contract(family)
    contract.versions[0].modules[0].display_name = "Base"
    family.amend(contract)
    named(family, {family.primary: LONG_NAME})
    family.submit(family.enroll(family.base, "2026-01-10"), requester=admin())
    compute(family)
    return family


def shorten(family: Family) -> None:
    change = family.leave("2026-03-11")
    family.submit(change, accept_consequences=True)
    compute(family)


def test_two_months_are_compared_by_member_and_module(server_address: str, priced: Family) -> None:
    words = "premiums", "compare", name_of(priced), "2026-01", "2026-02"
    shown = typed(server_address, *words)
    assert shown.code == 0, shown.err
    assert f"{LONG_NAME} on Base" in shown.out
    assert "days instead of 22" in shown.out
    assert "total 2026-01:" in shown.out
    same = typed(server_address, "premiums", "compare", name_of(priced), "2026-02", "2026-02").out
    assert ("difference: none" in same, "because" in same) == (True, False)
    on_terminal(server_address, *words)


def test_a_month_is_compared_with_what_was_computed_before_a_change(server_address: str, priced: Family) -> None:
    shorten(priced)
    shown = typed(server_address, "premiums", "compare", name_of(priced), "2026-03", COLUMNS="200")
    assert shown.code == 0, shown.err
    assert "because: 10 days instead of 31" in shown.out
    assert "change request" in shown.out
    both = json.loads(typed(server_address, "--json", "premiums", "compare", name_of(priced), "2026-03").out)
    assert (both["before"][0]["num_days"], both["after"][0]["num_days"]) == (31, 10)
    never = typed(server_address, "premiums", "compare", name_of(priced), "2031-03").out
    assert never.strip() == "No premiums were computed for these months."
    wrong = typed(
        server_address, "premiums", "compare", name_of(priced), "2026-03", "2026-02", "--before", "2026-01-01"
    )
    assert wrong.code == 2


@pytest.mark.parametrize("command", ["list", "show", "uninvoiced"])
def test_json_explains_amounts_unless_the_view_is_basic(server_address: str, priced: Family, command: str) -> None:
    def explained(*options: str) -> set[bool]:
        printed = typed(server_address, "--json", "premiums", command, name_of(priced), *options)
        assert printed.code == 0, printed.err
        found = (
            [json.loads(line) for line in printed.out.splitlines()] if command == "list" else [json.loads(printed.out)]
        )
        entries = found if command == "list" else found[0]["entries"]
        assert entries
        return {"explanation" in entry for entry in entries}

    assert explained() == explained("--view", "full") == {True}
    assert explained("--view", "basic") == {False}
    assert typed(server_address, "premiums", command, name_of(priced), "--view", "whole").code == 2


def test_what_is_uninvoiced_is_invoiced_once_and_corrected_with_the_next_invoice(
    server_address: str, priced: Family
) -> None:
    name = name_of(priced)
    asked = name, "--debtor", "primary", "--up-to", "2026-03-31"
    open_before = typed(server_address, "premiums", "uninvoiced", *asked)
    assert open_before.code == 0, open_before.err
    total = open_before.out.splitlines()[-1]
    assert total.startswith("primary: ")
    dry = typed(server_address, "premiums", "invoice", "INV-1", *asked, "--dry-run")
    assert dry.out.strip() == total
    first = typed(server_address, "premiums", "invoice", "INV-1", *asked)
    assert first.out.strip() == f"Invoice INV-1 of the {total}, 3 entries."
    assert "Nothing is uninvoiced." in typed(server_address, "premiums", "uninvoiced", *asked).out
    shorten(priced)
    second = typed(server_address, "premiums", "invoice", "INV-2", *asked)
    assert ("Invoice INV-2" in second.out, "-" in second.out.partition(":")[2]) == (True, True), second.err
    shown = typed(server_address, "premiums", "show", name)
    assert shown.code == 0, shown.err
    march = next(line for line in shown.out.splitlines() if line.startswith("2026-03") and "primary" in line)
    assert ("INV-1, INV-2" in march, " 0.00 EUR" in march) == (True, True)
    assert "corrections" in shown.out
    assert "change request" in shown.out
    on_terminal(server_address, "premiums", "show", name)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["uninvoiced"], "Give a family or --contract."),
        (["uninvoiced", "x", "--contract", "y"], "Give a family or --contract."),
        (["invoice", "1", "x", "--debtor", "bank"], "--debtor must be one of company"),
    ],
)
def test_invalid_arguments_are_reported(server_address: str, words: list[str], complaint: str) -> None:
    done = typed(server_address, "premiums", *words, COLUMNS="200")
    assert (done.code, complaint in done.err) == (2, True), done.err
