"""Merges on the command line: the confirmation, the result, and everything that mentions the merged record later."""

import json

import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from tests.rpc.test_command_line import name_of
from tests.support.calls import Family, new_id
from tests.support.command_line import typed
from tests.support.terminal import Terminal


class Doubled:
    """Mia and her child Ida, who has a second record, Ida Double, on the same module from a later day on."""

    def __init__(self, address: str, family: Family) -> None:
        self.address, self.family, self.double = address, family, new_id()
        contract = family.contract()
        contract.versions[0].modules[0].display_name = "Base"
        family.amend(contract)
        names = ((family.primary, "Mia"), (family.child, "Ida"), (self.double, "Ida Double"))
        for member_id, name in names:
            member = member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name)
            family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
        twice = family.enroll(family.base, "2026-05-01", child=True)
        twice.enroll.member_id = self.double
        family.submit(
            family.enroll(family.base, "2026-01-01"),
            family.enroll(family.base, "2026-01-01", "2026-06-30", child=True),
            twice,
        )

    @property
    def words(self) -> list[str]:
        return ["merge", self.double, self.family.child, "--reason", "entered twice", "--admin", "ada"]


@pytest.fixture
def doubled(server_address: str, family: Family) -> Doubled:
    return Doubled(server_address, family)


def test_a_merge_shows_the_families_and_what_changed(doubled: Doubled) -> None:
    done = typed(doubled.address, *doubled.words, "--yes")
    assert done.code == 0, done.err
    for part in (
        "Merged Ida Double into Ida.",
        f"{doubled.double} is now another id of {doubled.family.child}.",
        "family of Mia, ",
        ": revision 2",
        "Ida on Base: gained 2026-07-01 to open end",
    ):
        assert part in done.out, done.out


def test_a_terminal_shows_both_records_and_asks(doubled: Doubled) -> None:
    with Terminal(doubled.address, *doubled.words) as terminal:
        asked = terminal.until("Merge the two records?")
        for part in ("This record: Ida Double", "becomes another id of: Ida, born 2015-06-01", "can't be undone"):
            assert part in asked
        terminal.press("n\n")
        assert terminal.end() == 1
    assert doubled.family.group().revision == 1
    with Terminal(doubled.address, *doubled.words) as terminal:
        terminal.until("Merge the two records?")
        terminal.press("y\n")
        assert terminal.end() == 0
    assert doubled.family.group().revision == 2


def test_facts_that_differ_need_a_choice(doubled: Doubled) -> None:
    doubled.family.born(doubled.double, "2015-01-06")
    refused = typed(doubled.address, *doubled.words, "--yes")
    assert (refused.code, "keep" in refused.err) == (1, True), refused.err
    kept = typed(doubled.address, *doubled.words, "--yes", "--keep", "from", "--json")
    assert kept.code == 0, kept.err
    shown = json.loads(typed(doubled.address, "member", "show", doubled.family.child, "--json").out)
    assert shown["facts"]["born_on"] == {"year": 2015, "month": 1, "day": 6}


def test_everything_says_into_whom_a_member_was_merged(doubled: Doubled) -> None:
    assert typed(doubled.address, *doubled.words, "--yes").code == 0
    hint = f"ember {doubled.double} was merged into Ida ({doubled.family.child})"
    for words in (
        ["member", "show", doubled.double],
        ["why", doubled.double, "--on", "2026-08-01"],
        ["explain", "coverage", doubled.double, "--on", "2026-08-01"],
        ["history", doubled.double],
        ["history", doubled.family.child],
        ["why", name_of(doubled.family), "--revision", "2"],
    ):
        done = typed(doubled.address, *words)
        assert (done.code, hint in done.out + done.err) == (0, True), (words, done.out, done.err)
    assert "reason: entered twice" in typed(doubled.address, "history", doubled.family.child).out


def test_a_merged_record_can_be_neither_changed_nor_merged_again(doubled: Doubled) -> None:
    assert typed(doubled.address, *doubled.words, "--yes").code == 0
    for words in (
        ["member", "record", doubled.double, "born", "2015-01-06"],
        ["leave", name_of(doubled.family), "--member", doubled.double, "--from", "2026-09-01"],
        ["merge", doubled.double, doubled.family.primary, "--yes", "--reason", "again"],
    ):
        done = typed(doubled.address, *words)
        assert (done.code, "MEMBER_MERGED" in done.err) == (1, True), (words, done.err)
        assert doubled.family.child in done.err
