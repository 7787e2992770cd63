"""Several changes are requested together: all of them are made, or none."""

from pathlib import Path

import pytest
import typer

from affilia.catalog.v1 import condition_pb2
from affilia_cli.typed_changes import TypedChange
from tests.rpc.test_command_line import name_of
from tests.rpc.test_command_line_output import named
from tests.support.calls import Family
from tests.support.command_line import typed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("enroll Base from today", TypedChange("Base", "today", "", "")),
        (
            "enroll  Ann on Lee on Base Plus from 2026-01-01 to 2026-12-31 as child",
            TypedChange("Base Plus", "2026-01-01", "2026-12-31", "Ann on Lee", "child"),
        ),
        ("leave from 2026-01-01", TypedChange("", "2026-01-01", "", "", leaves=True)),
        ("leave off Base from 2026-01-01", TypedChange("Base", "2026-01-01", "", "", leaves=True)),
        ("leave Ann from 2026-01-01", TypedChange("", "2026-01-01", "", "Ann", leaves=True)),
        ("leave Ann off Base from 2026-01-01 to x", TypedChange("Base", "2026-01-01", "x", "Ann", leaves=True)),
    ],
)
def test_changes_are_read_from_words(words: str, expected: TypedChange) -> None:
    assert TypedChange.parse(words) == expected


@pytest.mark.parametrize(
    "words", ["", "enroll", "enroll from today", "leave Ann", "move Ann from today", "enroll Base from"]
)
def test_other_words_are_rejected_with_the_forms(words: str) -> None:
    with pytest.raises(typer.BadParameter, match="must be 'enroll MEMBER on MODULE from DAY"):
        TypedChange.parse(words)


@pytest.fixture
def lee(family: Family) -> Family:
    contract = family.contract()
    for module, name in zip(contract.versions[0].modules, ("Base", "Plus", "Option"), strict=True):
        module.display_name = name
    family.amend(contract)
    named(family, {family.primary: "Marie Lee", family.child: "Ida Lee"})
    return family


def test_changes_are_simulated_and_then_made_in_one_request(server_address: str, lee: Family, tmp_path: Path) -> None:
    file = tmp_path / "changes.txt"
    file.write_text(f"# the child, too\n\nenroll {lee.child} on Base from 2027-01-01\n")
    words = [
        *("change", name_of(lee), "enroll Base from 2026-09-01 to 2026-12-31", "enroll Plus from 2027-01-01"),
        *("--file", str(file), "--admin", "ada", "--reason", "by phone"),
    ]
    dry = typed(server_address, *words, "--dry-run")
    assert dry.code == 0, dry.err
    assert "enroll Ida Lee (child) on Base, 2027-01-01 to open end" in dry.out
    assert ("APPROVED" in dry.out, "What would change:" in dry.out) == (True, True)
    assert lee_requests(server_address, lee) == 0
    done = typed(server_address, *words)
    assert done.code == 0, done.err
    assert "Ida Lee gains Base from 2027-01-01 on" in done.out
    assert lee_requests(server_address, lee) == 1
    assert lee.group().revision == 1


def lee_requests(server_address: str, family: Family) -> int:
    """Returns how many requests of the family are listed."""
    return typed(server_address, "requests", "--contract", family.contract_id).out.count("by phone")


def test_one_invalid_change_rejects_all(server_address: str, lee: Family) -> None:
    words = "change", name_of(lee), "enroll Base from 2026-09-01", f"enroll {lee.child} on Option from 2026-09-01"
    asked = "--admin", "ada", "--reason", "by phone"
    done = typed(server_address, *words, *asked)
    assert (done.code, "REJECTED" in done.out) == (3, True), done.err
    alone = typed(server_address, *words[:-1], *asked)
    assert alone.code == 0, alone.err
    assert (lee.group().revision, len(lee.group().periods)) == (1, 1)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "Give at least one change"),
        (["enroll Base from 2026-09-01 to 2026-01-01"], "must not be before the first"),
        (["enroll Base from 2026-09-01 as pony"], "must be primary, partner"),
        (["nonsense"], "A change must be"),
    ],
)
def test_wrong_arguments_are_rejected_before_any_change(
    server_address: str, lee: Family, words: list[str], complaint: str
) -> None:
    done = typed(server_address, "change", name_of(lee), *words, "--admin", "ada", "--reason", "r", COLUMNS="200")
    assert (done.code, complaint in done.err) == (2, True), done.err


def test_each_consequence_can_be_accepted(server_address: str, lee: Family) -> None:
    contract = lee.contract()
    for module, name in zip(contract.versions[0].modules, ("Base", "Plus", "Option"), strict=True):
        module.display_name = name
    rule = contract.versions[0].modules[2].rules.add(code="NEEDS_BASE", description="The option requires the base.")
    rule.condition.enrolled_on.subject = condition_pb2.SUBJECT_SELF
    rule.condition.enrolled_on.module_ids.append(lee.base)
    lee.amend(contract)
    lee.submit(lee.enroll(lee.base, "2026-01-01"), lee.enroll(lee.option, "2026-01-01"))
    words = "change", name_of(lee), "leave off Base from 2026-09-01", "--admin", "ada", "--reason", "moves"
    refused = typed(server_address, *words)
    assert (refused.code, "would lose days" in refused.out) == (3, True), refused.err
    too_short = typed(server_address, *words, "--accept", "leave off Option from 2026-10-01")
    assert too_short.code == 3, too_short.err
    done = typed(server_address, *words, "--accept", "leave off Option from 2026-09-01")
    assert (done.code, "loses Option" in done.out) == (0, True), done.err


@pytest.mark.parametrize("words", ["leave from 2026-09-01", "enroll Base from 2026-09-01", "Option"])
def test_other_words_are_no_consequences(words: str) -> None:
    with pytest.raises(typer.BadParameter, match="must be 'leave MEMBER off MODULE from DAY"):
        TypedChange.parse_consequence(words)
