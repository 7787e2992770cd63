"""Questions that people ask on the phone, each answered by one command, for a family with difficult names.

The parent's name has quotes, accents and a hyphen; the child's looks like markup. A unique word in all names separates
the families of different tests.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest

from affilia.catalog.v1 import catalog_service_pb2, member_pb2, member_service_pb2
from tests.support.calls import Family, new_id
from tests.support.command_line import Typed, typed
from tests.support.terminal import Terminal, on_terminal, words_of
from tests.support.waiting import wait_until

LONG = "Wolfeschlegelsteinhausenbergerdorff"
OPTION = "Osteopathy and [private] rooms"


@dataclass
class Household:
    """A family with a parent on Basic and a child on Basic and, though it should be an adult, on the option."""

    address: str
    family: Family
    word: str
    """A word that only the names of this family have."""

    @property
    def parent(self) -> str:
        return f"Zoë O'Brien-{LONG} {self.word}"

    @property
    def child(self) -> str:
        return f'Léo "[bold]" O\'Brien-{LONG} {self.word}'

    @property
    def contract(self) -> str:
        return f"Health plan of {self.word} & sons"

    def set_up(self) -> "Household":
        contract = self.family.contract()
        contract.display_name = self.contract
        names = ("Basic care", "Plus care", OPTION)
        for module, name in zip(contract.versions[0].modules, names, strict=True):
            module.display_name = name
        contract.versions[0].modules[2].capabilities.append("OSTEOPATHY")
        contract.versions[0].modules[2].rules[0].description = "Only adults can choose the option."
        publish = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
        self.family.catalog.PublishContract(publish)
        for member_id, name, number in ((self.family.primary, self.parent, 1), (self.family.child, self.child, 2)):
            self.store(member_id, name, f"{self.word}-{number}")
        self.family.born(self.family.primary, "1980-06-01")
        self.family.born(self.family.child, "2000-06-01")
        self.family.submit(
            self.family.enroll(self.family.base, "2026-01-01"),
            self.family.enroll(self.family.base, "2026-01-01", child=True),
            self.family.enroll(self.family.option, "2026-01-01", child=True),
        )
        return self

    def store(self, member_id: str, name: str, number: str) -> None:
        member = member_pb2.Member(
            member_id=member_id,
            kind=member_pb2.MEMBER_KIND_PERSON,
            display_name=name,
            identifiers=[member_pb2.Identifier(system="payroll", value=number)],
        )
        self.family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))

    def typed(self, *words: str, **environment: str) -> Typed:
        return typed(self.address, *words, **environment)

    def answer(self, *words: str) -> Any:
        """Returns the JSON document of a command that succeeds."""
        done = self.typed(*words, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    def questions(self) -> list[list[str]]:
        """Returns a question of every kind whose answer has names."""
        return [
            ["find", f"{self.word} zoe"],
            ["member", "show", self.child],
            ["family", self.parent],
            ["history", f"{self.contract}/{self.parent}", "--kind", "change-request"],
            ["why", self.child, "--on", "2026-06-15"],
            ["why", self.parent, "--revision", "2"],
            ["choices", self.child, "--on", "2026-06-15"],
            ["requests", "--family", self.parent],
        ]

    def correct_birth_date(self) -> int:
        """Corrects the child's date of birth as another caller, and returns the revision that takes the option away."""
        done = self.typed("member", "record", self.child, "born", "2015-06-01", "--admin", "hr-feed")
        assert done.code == 0, done.err
        wait_until(lambda: self.family.group().revision == 2, "the recompute")
        return 2


@pytest.fixture
def household(server_address: str, server_channel: grpc.Channel) -> Iterator[Household]:
    word = "".join(chr(ord("a") + int(digit, 16)) for digit in uuid4().hex[:12])
    yield Household(server_address, Family(server_channel), word).set_up()


def test_people_are_found_by_half_a_name(household: Household) -> None:
    found = household.typed("find", f"bri zoe {household.word}")
    assert found.code == 0, found.err
    assert household.parent in found.out
    assert household.child not in found.out
    assert "born 1980-06-01" in found.out
    assert household.family.primary in found.out
    hits = household.answer("find", household.word, "--contract", household.contract)["hits"]
    assert {hit["member"]["member_id"] for hit in hits} == {household.family.primary, household.family.child}


def test_people_are_found_by_birth_date_and_by_identifier(household: Household) -> None:
    born = household.typed("find", household.word, "--born", "2000-06-01")
    assert (household.child in born.out, household.parent in born.out) == (True, False), born.err
    for identifier in (f"payroll:{household.word}-1", f"{household.word}-1"):
        numbered = household.typed("find", "--identifier", identifier)
        assert (household.parent in numbered.out, household.child in numbered.out) == (True, False), numbered.err
    assert "Nobody matches." in household.typed("find", f"nobody {household.word}").out


@pytest.mark.parametrize("text", ["{parent}", "{contract}/{parent}", "payroll:{word}-1", "{word}-2", "{child}"])
def test_a_family_is_named_by_its_primary_any_member_or_an_identifier(household: Household, text: str) -> None:
    named = text.format(
        parent=household.parent, child=household.child, contract=household.contract, word=household.word
    )
    found = household.answer("family", named)
    assert found["group_id"] == household.family.group().group_id


def test_a_name_that_two_people_have_is_listed_and_ends_with_status_4(household: Household) -> None:
    twin = new_id()
    household.store(twin, household.parent, f"{household.word}-3")
    done = household.typed("member", "show", household.parent)
    assert (done.code, done.out) == (4, "")
    assert household.family.primary in done.err
    assert twin in done.err
    assert "born 1980-06-01" in done.err
    assert f"primary in {household.contract}" in done.err
    as_json = household.typed("member", "show", household.parent, "--json")
    assert {match["id"] for match in json.loads(as_json.err)["matches"]} == {twin, household.family.primary}
    # Only one of the two belongs to a family.
    assert household.typed("family", household.parent).code == 0


def test_a_terminal_asks_which_of_several_people_is_meant(household: Household) -> None:
    household.store(new_id(), household.parent, f"{household.word}-3")
    with Terminal(household.address, "member", "show", household.parent) as terminal:
        listed = words_of(terminal.until("Number from 1 to 2").splitlines())
        assert listed.count(household.parent) >= 2, listed
        terminal.press("9\n1\n")
        assert terminal.end() == 0
        assert "payroll: " in terminal.out


def test_a_whole_name_wins_over_longer_names(household: Household) -> None:
    longer = new_id()
    household.store(longer, f"{household.parent} Junior", f"{household.word}-3")
    assert household.answer("member", "show", household.parent)["member"]["member_id"] == household.family.primary
    assert household.answer("member", "show", f"junior {household.word}")["member"]["member_id"] == longer


def test_nothing_matches_and_the_error_says_what_was_searched(household: Household) -> None:
    for words, searched in (
        (["member", "show", f"nobody {household.word}"], "names and identifiers of members"),
        (["requests", "--contract", f"no plan {household.word}"], "names and sponsors of contracts"),
        (["enroll", household.parent, "--module", "Gold", "--from", "2027-01-01"], "names of the contract's modules"),
        (["why", household.parent, "GOLD"], "modules and capabilities"),
    ):
        done = household.typed(*words)
        assert (done.code, searched in done.err) == (1, True), done.err


def test_a_member_is_shown_with_facts_and_who_recorded_them(household: Household) -> None:
    recorded = household.typed(
        "member", "record", household.child, "address", "FR/44200", "--from", "2026-02-01", "--admin", "hr-feed"
    )
    assert recorded.code == 0, recorded.err
    household.typed("member", "record", household.child, "address", "FR/75011", "--from", "2026-05-01")
    shown = household.typed("member", "show", household.child)
    assert shown.code == 0, shown.err
    for part in (
        household.child,
        f"payroll: {household.word}-2",
        "2000-06-01",
        "2026-02-01 to 2026-04-30: FR 44200",
        "2026-05-01 to open end: FR 75011",
        "recorded by hr-feed (system)",
        "recorded by dev (system)",
        household.contract,
        "etag",
    ):
        assert part in shown.out, shown.out


def test_facts_are_recorded_and_deleted_on_some_days_only(household: Household) -> None:
    member = household.child
    for words in (
        ["attribute", "student=yes", "--from", "2026-01-01", "--to", "2026-12-31"],
        ["attribute", "student", "--clear", "--from", "2026-07-01", "--to", "2026-07-31"],
        ["employment", "ACME", "--from", "2026-08-01", "--status", "leave", "--salary", "41000.50 EUR"],
        ["regime", "alsace-moselle", "--from", "2026-03-01"],
    ):
        done = household.typed("member", "record", member, *words)
        assert done.code == 0, done.err
    facts = household.answer("member", "show", member)["facts"]
    assert [each["days"]["last_on"]["month"] for each in facts["attributes"]] == [6, 12]
    assert facts["employments"][0]["salary"] == {"yearly_minor": "4100050", "currency_code": "EUR"}
    assert facts["health_regimes"][0]["regime"] == "HEALTH_REGIME_ALSACE_MOSELLE"


def test_a_stale_etag_is_rejected(household: Household) -> None:
    etag = household.answer("member", "show", household.child)["member"]["etag"]
    words = ["member", "record", household.child, "born", "2000-06-02", "--etag", etag]
    assert household.typed(*words).code == 0
    stale = household.typed(*words[:-2], "--etag", etag)
    assert (stale.code, "ETAG_MISMATCH" in stale.err) == (1, True), stale.err


def test_a_member_is_added_with_identifiers(household: Household) -> None:
    name = f"Jeanne d'Arc {household.word}"
    number = f"payroll:{household.word}-7"
    added = household.typed("member", "add", name, "--born", "2012-01-06", "--identifier", number)
    assert added.code == 0, added.err
    found = household.answer("find", "--identifier", number)["hits"]
    assert [(hit["member"]["member_id"], hit["member"]["display_name"]) for hit in found] == [(added.out.strip(), name)]
    taken = household.typed("member", "add", "Someone", "--identifier", number)
    assert (taken.code, "IDENTIFIER_TAKEN" in taken.err) == (1, True), taken.err


def test_coverage_on_a_day_is_explained_down_to_who_recorded_the_fact(household: Household) -> None:
    before = household.typed("why", household.child, OPTION, "--on", "2026-06-15")
    assert ("covered" in before.out, "not covered" in before.out) == (True, False), before.err
    household.correct_birth_date()
    question = ["why", household.child, OPTION, "--on", "2026-06-15"]
    wait_until(lambda: not household.answer(*question)["check"].get("covered"), "the projection to follow")
    for target in (OPTION, "OSTEOPATHY"):
        done = household.typed("why", household.child, target, "--on", "2026-06-15")
        assert done.code == 0, done.err
        for part in ("not covered", "ADULT", "2015-06-01", "before: 2000-06-01", "recorded by hr-feed (system)"):
            assert part in done.out, done.out
        assert "Basic care: enrolled" not in done.out


def test_a_revision_is_explained_down_to_who_recorded_the_fact(household: Household) -> None:
    revision = household.correct_birth_date()
    done = household.typed("why", household.parent, "--revision", str(revision))
    assert done.code == 0, done.err
    for part in (
        household.child,
        OPTION,
        "lost 2026-01-01 to 2033-05-31",
        "date of birth",
        "hr-feed (system)",
        "ADULT",
    ):
        assert part in done.out, done.out
    assert household.answer("why", household.parent, "Basic", "--revision", str(revision)).get("runs", []) == []


def test_history_says_who_changed_what_and_when(household: Household) -> None:
    household.correct_birth_date()
    done = household.typed("history", household.parent, "--family", TZ="Europe/Paris")
    assert done.code == 0, done.err
    for part in ("change-request", "recompute", "fact", "hr-feed (system)", "before: 2000-06-01", household.child):
        assert part in done.out, done.out
    assert "+01:00" in done.out or "+02:00" in done.out
    entries = household.answer("history", household.child, "--kind", "fact")["entries"]
    assert {entry["kind"] for entry in entries} == {"HISTORY_KIND_FACT"}
    contract = household.answer("history", household.contract)["entries"]
    assert [entry["contract_id"] for entry in contract] == [household.family.contract_id]


def test_history_is_limited_to_days_months_and_instants(household: Household) -> None:
    today = datetime.now(UTC).astimezone()
    before = (today.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    assert "Nothing was recorded." in household.typed("history", household.parent, "--to", before).out
    for first in ("today", today.strftime("%Y-%m"), (today - timedelta(hours=1)).isoformat()):
        assert household.answer("history", household.parent, "--from", first)["entries"]
    assert household.typed("history", household.parent, "--from", "today", "--to", "yesterday").code == 2


def test_choices_have_reasons_and_the_first_possible_day(household: Household) -> None:
    household.correct_birth_date()
    done = household.typed("choices", household.child, "--on", "2026-06-15")
    assert done.code == 0, done.err
    for part in ("Basic care: enrolled", "Plus care: available", f"{OPTION}: not available", "Only adults"):
        assert part in done.out, done.out
    assert "not possible within the next two years" in done.out
    young = household.typed("choices", household.child, household.parent, "--on", "2032-01-15")
    assert "first possible on 2033-06-01" in young.out, young.err


def test_rejected_requests_are_listed_with_their_reasons(household: Household) -> None:
    household.correct_birth_date()
    words = [household.parent, "--member", household.child, "--module", OPTION, "--from", "2027-01-01"]
    assert household.typed("enroll", *words).code == 3
    done = household.typed("requests", "--rejected", "--from", "today", "--contract", household.contract)
    assert done.code == 0, done.err
    for part in ("REJECTED", household.parent, household.child, "ADULT", "Only adults"):
        assert part in done.out, done.out
    assert "APPROVED" not in done.out
    of_family = household.answer("requests", "--family", household.parent)["change_requests"]
    assert [each["verdict"] for each in of_family] == ["VERDICT_APPROVED", "VERDICT_REJECTED"]


def test_the_audit_log_is_searched_by_the_name_of_a_person(household: Household) -> None:
    household.correct_birth_date()
    done = household.typed("audit", "--id", household.child, "--method", "RecordFacts", "--from", "today")
    assert done.code == 0, done.err
    for part in ("RecordFacts: OK", "hr-feed (system)", household.family.child):
        assert part in done.out, done.out
    by = household.answer("audit", "--id", household.child, "--subject", "hr-feed")["entries"]
    assert {entry["actor"]["subject"] for entry in by} == {"hr-feed"}


def test_a_terminal_of_80_columns_shows_whole_names(household: Household) -> None:
    household.correct_birth_date()
    for question in household.questions():
        shown = words_of(on_terminal(household.address, *question))
        assert household.parent in shown or household.child in shown, shown


def test_a_pipe_gets_whole_lines_with_whole_names(household: Household) -> None:
    household.correct_birth_date()
    for question in household.questions():
        done = household.typed(*question, COLUMNS="80")
        assert done.code == 0, done.err
        names = (household.parent, household.child)
        assert any(name in line for line in done.out.splitlines() for name in names), done.out


def test_a_terminal_shows_people_page_by_page_and_a_pipe_shows_all(household: Household) -> None:
    for number in range(25):
        household.store(new_id(), f"Twin {number} {household.word}", f"{household.word}-twin-{number}")
    words = ["find", f"twin {household.word}"]
    assert household.typed(*words).out.count("Twin ") == 25
    with Terminal(household.address, *words) as terminal:
        assert terminal.until("10 shown. Press Enter for more").count("Twin ") == 10
        terminal.press("\n")
        assert terminal.until("20 shown").count("Twin ") == 20
        terminal.press("q\n")
        assert terminal.end() == 0
        assert terminal.out.count("Twin ") == 20


def test_json_can_be_asked_for_anywhere_in_the_line(household: Household) -> None:
    for words in (
        ["--json", "find", household.word],
        ["find", "--json", household.word],
        ["find", household.word, "--json"],
    ):
        assert len(json.loads(household.typed(*words).out)["hits"]) == 2
    failed = household.typed("member", "show", new_id(), "--json")
    assert json.loads(failed.err)["reason"] == "MEMBER_UNKNOWN"
