"""Reverts and corrected membership types on the command line."""

import json
from typing import Any

import pytest

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest, Revert, ScopedChange
from affilia.type.v1 import membership_type_pb2
from affilia_views.reverting import counting_requests
from tests.rpc.test_command_line import name_of
from tests.support.calls import Family, new_id
from tests.support.command_line import Typed, typed
from tests.support.terminal import on_terminal, words_of

LAST = "2040-05-31"
"""Ida's last day under 25."""
AS_ADA = ("--admin", "ada", "--reason", "a test")
UNDER_25 = condition_pb2.Rule(
    code="CHILD_AGE",
    applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_CHILD],
    condition=condition_pb2.Condition(age=condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=25)),
)


class Story:
    """A family, Mia and her child Ida, both on Base, about which commands are typed."""

    def __init__(self, address: str, family: Family) -> None:
        self.address, self.family, self.name = address, family, name_of(family)
        self.publish(UNDER_25)
        for member_id, name in ((family.primary, "Mia"), (family.child, "Ida")):
            member = member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name)
            family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
        family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True))

    def publish(self, *rules: condition_pb2.Rule) -> None:
        contract = self.family.contract()
        for module, name in zip(contract.versions[0].modules, ("Base", "Plus", "Option"), strict=True):
            module.display_name = name
        contract.versions[0].rules.extend(rules)
        self.family.amend(contract)

    def types(self, command: str, *words: str) -> Typed:
        return typed(self.address, command, self.name, *words)

    def answer(self, command: str, *words: str) -> Any:
        done = self.types(command, *words, "--json")
        assert done.code == 0, done.out + done.err
        return json.loads(done.out)

    def leaves(self, first: str) -> str:
        """Ends Ida's enrollment on Base, and returns the request's id."""
        words = ("--member", self.family.child, "--module", "Base", "--from", first, *AS_ADA)
        return str(self.answer("leave", *words)["change_request"]["change_request_id"])

    def days_of_ida(self) -> list[str]:
        periods = self.answer("family")["periods"]
        ends = [each["days"]["last_on"] for each in periods if each["member_id"] == self.family.child]
        return [f"{end['year']}-{end['month']:02}-{end['day']:02}" for end in ends]


@pytest.fixture
def story(server_address: str, family: Family) -> Story:
    return Story(server_address, family)


def test_what_a_revert_undoes_is_shown_with_what_changes(story: Story) -> None:
    request = story.leaves("2026-06-01")
    assert story.days_of_ida() == ["2026-05-31"]
    done = story.types("revert", request, *AS_ADA)
    assert done.code == 0, done.err
    for part in (
        f"Reverts request {request}",
        "take Ida off Base, 2026-06-01 to open end",
        "APPROVED",
        f"Ida gains Base from 2026-06-01 to {LAST}",
    ):
        assert part in done.out, done.out
    assert story.days_of_ida() == [LAST]


def test_the_beginning_of_an_id_is_enough(story: Story) -> None:
    request = story.leaves("2026-06-01")
    assert story.types("revert", request[:3], *AS_ADA).code == 2
    done = story.types("revert", request[:8].upper(), *AS_ADA)
    assert (done.code, story.days_of_ida()) == (0, [LAST]), done.err
    unknown = story.types("revert", "nonsense", *AS_ADA)
    assert (unknown.code, "ids of the family's change requests" in unknown.err) == (1, True)


def test_the_last_request_that_counts_is_reverted_again_and_again(story: Story) -> None:
    story.leaves("2026-09-01")
    story.leaves("2026-06-01")
    ends = []
    for _ in range(3):
        assert story.types("revert", "--last", *AS_ADA).code == 0
        ends.append(story.days_of_ida())
    # The second one reverts the first revert, and the third one reverts the second.
    assert ends == [["2026-08-31"], ["2026-05-31"], ["2026-08-31"]]


def request_of(change_request_id: str, *reverted: str, approved: bool = True) -> ChangeRequest:
    verdict = change_request_pb2.VERDICT_APPROVED if approved else change_request_pb2.VERDICT_REJECTED
    changes = [ScopedChange(revert=Revert(change_request_id=each)) for each in reverted]
    return ChangeRequest(change_request_id=change_request_id, verdict=verdict, changes=changes)


@pytest.mark.parametrize(
    ("requests", "counting"),
    [
        ([request_of("a"), request_of("b", approved=False)], "a"),
        ([request_of("a"), request_of("b", "a")], "b"),
        ([request_of("a"), request_of("b", "a"), request_of("c", "b")], "ac"),
        ([request_of("a"), request_of("b"), request_of("c", "a", "b"), request_of("d", "c", approved=False)], "c"),
        ([], ""),
    ],
)
def test_a_request_counts_unless_a_revert_that_counts_names_it(requests: list[ChangeRequest], counting: str) -> None:
    assert "".join(each.change_request_id for each in counting_requests(requests)) == counting


def test_a_dry_run_shows_what_a_revert_would_change_and_changes_nothing(story: Story) -> None:
    story.leaves("2026-06-01")
    done = story.types("revert", "--last", "--dry-run", *AS_ADA)
    assert (done.code, "What would change:" in done.out) == (0, True), done.err
    assert f"Ida gains Base from 2026-06-01 to {LAST}" in done.out
    assert story.days_of_ida() == ["2026-05-31"]


def test_consequences_of_a_revert_must_be_accepted(story: Story) -> None:
    needs_primary = condition_pb2.Rule(
        code="NEEDS_PRIMARY",
        applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_CHILD],
        condition=condition_pb2.Condition(
            enrolled_on=condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_PRIMARY)
        ),
    )
    story.publish(UNDER_25, needs_primary)
    story.leaves("2026-06-01")
    rejected = story.types("leave", "--from", "2026-03-01", *AS_ADA)
    assert (rejected.code, "--accept-consequences" in rejected.out) == (3, True), rejected.out
    left = story.answer("leave", "--from", "2026-03-01", "--accept-consequences", *AS_ADA)["change_request"]
    undone = story.types("revert", left["change_request_id"], *AS_ADA)
    assert undone.code == 0, undone.out
    assert "with the consequence: Ida on Base ends, 2026-03-01 to 2026-05-31" in undone.out
    assert "Mia gains Base from 2026-03-01 on" in undone.out
    assert "Ida gains Base from 2026-03-01 to 2026-05-31" in undone.out


def test_lists_and_histories_describe_the_reverted_request(story: Story) -> None:
    request = story.leaves("2026-06-01")
    story.types("revert", request, *AS_ADA)
    sentence = f"revert request {request} of "
    asked = "take Ida off Base, 2026-06-01 to open end"
    for words in (
        ["requests", "--family", story.name],
        ["history", story.name],
        ["why", story.name, "--revision", "3"],
    ):
        done = typed(story.address, *words)
        lines = [line for line in done.out.splitlines() if sentence in line]
        assert len(lines) == 1, done.out + done.err
        assert lines[0].endswith(asked)
        assert sentence in words_of(on_terminal(story.address, *words))


def test_a_membership_type_is_corrected_with_its_days(story: Story) -> None:
    done = story.types("correct-type", "Ida", "partner", "--dry-run", *AS_ADA)
    assert (done.code, "Ida is partner instead of child" in done.out) == (0, True), done.out + done.err
    # Other families have an Ida, too.
    done = story.types("correct-type", "ida", "PARTNER", *AS_ADA)
    assert done.code == 0, done.err
    for part in ("What changed:", "Ida is partner instead of child", "Ida gains Base from 2040-06-01 on"):
        assert part in done.out, done.out
    for words in (["family", story.name], ["history", story.name], ["requests", "--family", story.name]):
        text = words_of(on_terminal(story.address, *words))
        assert ("Ida is partner instead of child" in text or "Ida to partner" in text) is True, text
    history = story.types("history").out
    assert "Ida on Base: membership type corrected to partner" in history


def test_a_correction_that_changes_no_days_still_says_so(story: Story) -> None:
    story.answer("leave", "--member", story.family.child, "--from", "2026-06-01", *AS_ADA)
    done = story.types("correct-type", story.family.child, "partner", *AS_ADA)
    assert done.code == 0, done.err
    assert "Ida is partner instead of child" in done.out
    assert "No enrolled days change." in done.out


def test_the_feed_says_to_which_type_a_member_was_corrected(story: Story) -> None:
    story.answer("correct-type", story.family.child, "partner", *AS_ADA)
    words = ["watch", "--from", "beginning", "--contract", story.family.contract_id, "--events", "2"]
    assert "Ida on Base: " in typed(story.address, *words).out
    assert "type corrected to partner" in typed(story.address, *words).out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["revert", *AS_ADA], "--last"),
        (["revert", new_id(), "--last", *AS_ADA], "--last"),
        (["revert", "--last"], "Only an admin can revert"),
        (["revert", "--last", "--admin", "ada"], "--reason is required"),
        (["correct-type", "{child}", "partner"], "Only an admin can correct"),
        (["correct-type", "{child}", "primary", *AS_ADA], "TYPE can't be primary"),
        (["correct-type", "{child}", "cousin", *AS_ADA], "got cousin"),
    ],
)
def test_wrong_arguments_are_rejected_before_any_change(story: Story, words: list[str], complaint: str) -> None:
    command, *others = (word.format(child=story.family.child) for word in words)
    done = story.types(command, *others)
    assert (done.code, complaint in done.err) == (2, True), done.out + done.err
    assert story.family.group().revision == 1


def test_unknown_requests_and_those_of_other_families_are_not_reverted(
    story: Story, server_address: str, server_channel: Any
) -> None:
    other = Story(server_address, Family(server_channel).set_up())
    request = other.leaves("2026-06-01")
    of_other = story.types("revert", request, *AS_ADA)
    assert (of_other.code, "belongs to another family" in of_other.err) == (1, True), of_other.err
    unknown = story.types("revert", new_id(), *AS_ADA)
    assert (unknown.code, "CHANGE_REQUEST_UNKNOWN" in unknown.err) == (1, True), unknown.err
