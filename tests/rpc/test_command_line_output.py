"""What the command line prints: complete in a pipe, within 80 columns on a terminal, with names and reasons."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia_client import Client
from tests.rpc.test_command_line import name_of
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_premiums import compute
from tests.rpc.test_sample_book import HEADER, spanish_copy
from tests.support.calls import Family, admin, new_id
from tests.support.command_line import typed
from tests.support.insured import Insured
from tests.support.terminal import Terminal, on_terminal, words_of

LONG_NAME = "Maximiliana-Alexandrina von und zu Hohenlohe-Waldenburg-Schillingsfürst the Younger"
LONG_MODULE = "Complementary hospital, dental, optical and physiotherapy coverage, second tier"


def named(family: Family, names: dict[str, str]) -> None:
    """Gives members names."""
    for member_id, name in names.items():
        member = member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name)
        family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))


def bars_of(lines: list[str]) -> list[str]:
    return [bar for line in lines if (bar := "".join(re.findall("[█▌▐▒·▶]", line))) and "One character" not in line]


@pytest.fixture
def long_lived(family: Family) -> Family:
    """A family with long names, under a contract that began in 1990, enrolled ever since."""
    contract = family.contract()
    contract.versions[0].days.first_on.year = 1990
    contract.versions[0].max_backdating_days = 36500
    for module, name in zip(contract.versions[0].modules, ("Base", LONG_MODULE, "Option"), strict=True):
        module.display_name = name
    family.amend(contract)
    named(family, {family.primary: LONG_NAME, family.child: "Ida"})
    family.submit(family.enroll(family.base, "1990-06-01"), requester=admin())
    return family


def today() -> date:
    return datetime.now(UTC).date()


def test_a_simulation_shows_the_change_before_and_after_on_one_axis(server_address: str, long_lived: Family) -> None:
    first, last = today() + timedelta(days=30), today() + timedelta(days=90)
    words = ["simulate", name_of(long_lived), "--leave", "--from", str(first), "--to", str(last)]
    for lines in (typed(server_address, *words, COLUMNS="80").out.splitlines(), on_terminal(server_address, *words)):
        (axis,) = [line for line in lines if re.search(r"\|\d{4}-\d\d", line)]
        assert str(today().year) in axis
        before, after = bars_of(lines)
        assert before != after
        assert before.replace("▶", "█").strip("█") == ""
        assert next(line for line in lines if "before" in line and "█" in line).endswith("open-ended")
        text = words_of(lines)
        assert f"until {first - timedelta(days=1)} from {last + timedelta(days=1)} open-ended" in re.sub(
            "[█▌▐▒·▶ ]+", " ", text
        )
        assert f"{LONG_NAME} loses Base from {first} to {last}" in text


def test_a_move_within_a_slot_is_called_a_move_and_names_are_whole(server_address: str, long_lived: Family) -> None:
    first = today() + timedelta(days=40)
    lines = on_terminal(
        server_address, "enroll", name_of(long_lived), "--module", long_lived.plus, "--from", str(first)
    )
    assert f"{LONG_NAME} moves from Base to {LONG_MODULE}, from {first} on" in words_of(lines)
    assert "gains" not in words_of(lines)
    assert "loses" not in words_of(lines)
    assert not [line for line in lines if "…" in line]


def test_the_window_reaches_a_change_that_is_far_from_today(server_address: str, long_lived: Family) -> None:
    far = today().replace(day=1, year=today().year + 30)
    shown = typed(server_address, "leave", name_of(long_lived), "--from", str(far))
    before, after = bars_of(shown.out.splitlines())
    assert before != after
    again = typed(server_address, "timeline", name_of(long_lived)).out
    assert f"until {far - timedelta(days=1)}" in again
    assert f"Changed by revision 2:\n  - {LONG_NAME} loses Base from {far} on" in again


def test_a_rejected_request_says_that_no_days_change(server_address: str, long_lived: Family) -> None:
    refused = typed(
        server_address, "enroll", name_of(long_lived), "--module", long_lived.option, "--member", long_lived.child,
        "--from", str(today()),
    )  # fmt: skip
    assert (refused.code, "No enrolled days change." in refused.out) == (3, True), refused.err


def test_a_rule_about_an_attribute_is_explained_with_its_name(server_address: str, family: Family) -> None:
    contract = family.contract()
    student = condition_pb2.AttributeCondition(subject=condition_pb2.SUBJECT_SELF, name="student", values=["yes"])
    smoker = condition_pb2.AttributeCondition(subject=condition_pb2.SUBJECT_SELF, name="smoker", values=["yes"])
    conditions = [
        condition_pb2.Condition(attribute=student),
        condition_pb2.Condition(negation=condition_pb2.Condition(attribute=smoker)),
    ]
    both = condition_pb2.Condition(all_of=condition_pb2.ConditionList(conditions=conditions))
    contract.versions[0].modules[0].rules.append(condition_pb2.Rule(code="STUDIES", condition=both))
    family.amend(contract)
    family.submit(family.enroll(family.plus, "2026-01-01"))
    words = ["explain", "coverage", family.primary, "--on", "2026-02-01"]
    unknown = typed(server_address, *words).out
    assert "(attribute student unknown)" in unknown
    assert f"unknown: attribute student of {family.primary}" in unknown
    record = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.primary)
    record.attributes.items.add(name="student", value="no").days.SetInParent()
    family.members.RecordFacts(record)
    known = typed(server_address, *words).out
    assert "(attribute student of self is yes; attribute smoker of self is not yes)" in known
    assert "unknown" not in known


def test_limits_that_are_not_set_are_shown_as_no_limit(server_address: str, insured: Insured) -> None:
    insured.enroll("2026-01-01")
    insured.apply("2026-02-01", deductible=1000, physio=2)
    assert insured.used("2026-02-01") == (1000, 1000)
    shown = typed(server_address, "explain", "coverage", insured.family.primary, "--on", "2026-02-01").out
    assert "DEDUCTIBLE individual: 10.00 EUR of 100.00 EUR used, 90.00 EUR left" in shown
    assert "DEDUCTIBLE family: 10.00 EUR of 150.00 EUR used, 140.00 EUR left" in shown
    assert "BENEFIT:PHYSIO individual: 2 of 9 used, 7 left" in shown
    assert "BENEFIT:PHYSIO family: 2 used, no limit" in shown
    assert " of 0.00" not in shown


@pytest.fixture
def insured(server_channel: grpc.Channel, internal: grpc.Channel) -> Insured:
    return Insured(server_channel, internal).set_up()


def test_a_premium_is_explained_with_its_reasons_price_steps_and_causes(server_address: str, family: Family) -> None:
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-10"), requester=admin())
    change = family.leave("2026-03-11")
    change.reason_code, change.note = "MOVED", "left the country"
    family.submit(change, accept_consequences=True)
    compute(family)
    words = ["explain", "premium", name_of(family), "--month"]
    march = typed(server_address, *words, "2026-03").out
    assert "why: same amounts since " in march
    assert "why: same amounts since 2026-01-10: " in march
    assert "an enrollment of the policy started" in march
    assert "ends on 2026-03-10" in march
    assert "by a change request (MOVED, left the country)" in march
    assert "list price in " in march
    assert "computed from revision " in march
    assert "tax " in march
    assert typed(server_address, *words, "2031-01").out.strip() == "No premiums were computed for 2031-01."
    on_terminal(server_address, *words, "2026-03")


NUM_GROUPS = 30


@pytest.fixture
def many_groups(family: Family) -> dict[str, str]:
    """Returns the names of the primaries of thirty groups under one contract, by group id."""
    found = {}
    for number in range(NUM_GROUPS):
        other = Family(family.channel, **{**family.ids(), "primary": new_id()})
        other.store(other.primary)
        other.born(other.primary, "1980-01-01")
        name = f"{LONG_NAME} {number:02}"
        named(other, {other.primary: name})
        other.submit(other.enroll(other.base, "2026-01-01"))
        found[other.group().group_id] = name
    return found


def test_all_groups_are_listed_in_a_pipe_with_whole_names(
    server_address: str, family: Family, many_groups: dict[str, str]
) -> None:
    header, *rows = typed(server_address, "groups", "--contract", family.contract_id, COLUMNS="80").out.splitlines()
    assert header.split() == ["primary", "group", "members", "revision"]
    assert len(rows) == NUM_GROUPS
    for group_id, name in many_groups.items():
        (row,) = [row for row in rows if group_id in row]
        assert row.startswith(name)
        assert row.split()[-2:] == ["1", "1"]
    with_ids = typed(server_address, "groups", "--contract", family.contract_id, "--ids").out
    assert LONG_NAME not in with_ids


def test_a_terminal_shows_groups_page_by_page(server_address: str, family: Family, many_groups: dict[str, str]) -> None:
    with Terminal(server_address, "groups", "--contract", family.contract_id, rows=13) as terminal:
        terminal.until("10 shown. Press Enter")
        terminal.press("\n")
        terminal.until("20 shown. Press Enter")
        terminal.press("q\n")
        assert terminal.end() == 0
        assert sum(group_id in terminal.out for group_id in many_groups) == 20
        assert max(len(line) for line in terminal.lines) <= 80
    with Terminal(server_address, "groups", "--contract", family.contract_id, rows=13) as terminal:
        for shown in (10, 20):
            terminal.until(f"{shown} shown. Press Enter")
            terminal.press("\n")
        assert terminal.end() == 0
        assert all(group_id in terminal.out for group_id in many_groups)
    with Terminal(server_address, "groups", "--contract", family.contract_id, rows=13, stdin_too=False) as terminal:
        assert terminal.end() == 0
        assert all(group_id in terminal.out for group_id in many_groups)


def test_the_feed_is_shown_with_names_or_with_ids(server_address: str, long_lived: Family) -> None:
    contract = long_lived.contract()
    contract.display_name = "Works council"
    long_lived.submit(long_lived.leave("2026-03-01", "2026-03-31"), requester=admin())
    words = ["watch", "--from", "beginning", "--contract", long_lived.contract_id, "--events", "2"]
    shown = typed(server_address, *words).out
    assert f"{LONG_NAME} on Base: started\n            + 1990-06-01 to open end" in shown
    assert f"{LONG_NAME} on Base: gap opened\n            - 2026-03-01 to 2026-03-31" in shown
    assert long_lived.group().group_id in shown
    assert long_lived.primary not in shown
    with_ids = typed(server_address, *words, "--ids").out
    assert f"{long_lived.primary} on {long_lived.base}: started" in with_ids
    assert LONG_NAME not in with_ids
    assert LONG_NAME in words_of(on_terminal(server_address, *words))


def test_no_output_cuts_names_or_exceeds_80_columns(server_address: str, family: Family) -> None:
    contract = priced_contract(family)
    for module in contract.versions[0].modules:
        module.display_name = f"{LONG_MODULE} {'0' if module.module_id == family.base else '1'}"
    family.amend(contract)
    named(family, {family.primary: LONG_NAME})
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    group = name_of(family)
    compute(family)
    for words in (
        ("timeline", group),
        ("simulate", group, "--leave", "--from", "2026-06-01", "--admin", "ada", "--reason", "test"),
        ("explain", "coverage", family.primary, "--on", "2026-02-01"),
        ("explain", "price", group, "--on", "2026-02-01"),
        ("explain", "premium", group, "--month", "2026-02"),
        ("groups", "--primary", family.primary),
        ("watch", "--from", "beginning", "--contract", family.contract_id, "--events", "1"),
        ("premiums", "list", group, "--months", "2026-01..2026-02"),
    ):
        piped = typed(server_address, *words, COLUMNS="80").out
        assert ("…" in piped, words_of([piped]).count(LONG_NAME) > 0) == (False, True), piped
        shown = "".join(words_of(on_terminal(server_address, *words)).split())
        assert "…" not in shown
        if words[0] not in {"groups", "premiums"}:  # the lines of wrapped cells are side by side
            assert "".join(LONG_NAME.split()) in shown
    assert on_terminal(server_address, "contracts")
    assert on_terminal(server_address, "doctor")


ROWS = [
    "A,PRIMARY,Parent,1980-01-01,ES,28001,,,Salud Esencial,2025-01-01,",
    "B,PRIMARY,Parent,1980-01-01,ES,28001,,,Salud Esencial,2025-01-01,",
]


def requests_of(client: Client, folder: Path) -> list[tuple[str, str]]:
    """Returns the requesters and reasons of all change requests under a folder's contract."""
    contract_id = json.loads((folder / "contract.json").read_text())["contractId"]
    groups = client.enrollment.all_enrollment_groups(contract_id=contract_id)
    requests = [each for group in groups for each in client.changes.all_change_requests(group_id=group.group_id)]
    return [(each.requester.requester_id, each.requester.reason) for each in requests]


def test_loading_ones_own_folder_never_mentions_a_sample(server_address: str, tmp_path: Path) -> None:
    folder = spanish_copy(tmp_path / "own", "\n".join([HEADER, *ROWS]))
    with Client(server_address) as client:
        loaded = typed(server_address, "sample", "load", str(folder))
        assert (loaded.code, "2 families approved" in loaded.err) == (0, True), loaded.err
        assert "sample" not in loaded.err
        assert requests_of(client, folder) == [("bulk-load", "bulk load")] * 2
        other = spanish_copy(tmp_path / "other", "\n".join([HEADER, *ROWS]))
        assert typed(server_address, "sample", "load", str(other), "--reason", "migration of 2026").code == 0
        assert requests_of(client, other) == [("bulk-load", "migration of 2026")] * 2


def test_every_problem_of_a_load_is_printed_in_a_pipe_and_ten_on_a_terminal(
    server_address: str, tmp_path: Path
) -> None:
    rows = [row.replace("A,", f"F{n},").replace("1980", "1890") for n in range(12) for row in ROWS[:1]]
    rows = [row.replace("Salud Esencial,2025-01-01", "Salud Esencial,2020-01-01") for row in rows]
    folder = spanish_copy(tmp_path / "own", "\n".join([HEADER, *rows]))
    piped = typed(server_address, "sample", "load", str(folder))
    assert (piped.code, piped.err.count(" rejected: ")) == (1, 12), piped.err
    lines = words_of(on_terminal(server_address, "sample", "load", str(folder)))
    assert (lines.count(" rejected: "), "and 2 more" in lines) == (10, True)
