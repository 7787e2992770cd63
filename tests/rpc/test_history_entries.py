"""HistoryService.ListHistory over the wire: each thing that was recorded is an entry, newest first."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_query_service_pb2
from affilia.history.v1 import fact_change_pb2, history_entry_pb2
from affilia.history.v1 import history_service_pb2 as pb
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from affilia.premium.v1 import premium_entry_pb2
from server.mapping.history_entry import HISTORY_KINDS
from tests.conftest import ServerProcess
from tests.rpc.test_lists_for_operators import nanosecond_after
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import failure_of, new_id
from tests.support.channels import connected_to
from tests.support.history_story import INVOICE, NAME, NOTE, REASON, Story, by_admin
from tests.support.insured import DEDUCTIBLE, PHYSIO

Entry = history_entry_pb2.HistoryEntry
KIND = history_entry_pb2.HistoryKind
REQUESTS = 60
COMPANY, PRIMARY = premium_entry_pb2.DEBTOR_COMPANY, premium_entry_pb2.DEBTOR_PRIMARY


@pytest.fixture(scope="module")
def channels(server: ServerProcess) -> Iterator[tuple[grpc.Channel, grpc.Channel]]:
    with connected_to(server.address) as public, connected_to(server.internal_address) as internal:
        yield public, internal


@pytest.fixture(scope="module")
def story(channels: tuple[grpc.Channel, grpc.Channel]) -> Story:
    """A story that tests only read."""
    return Story(*channels).tell()


@pytest.fixture
def own_story(channels: tuple[grpc.Channel, grpc.Channel]) -> Story:
    """A story that a test continues."""
    return Story(*channels).tell()


def names(entries: list[Entry]) -> list[str]:
    return [KIND.Name(entry.kind).removeprefix("HISTORY_KIND_") for entry in entries]


def of_kind(entries: list[Entry], kind: str) -> list[Entry]:
    return [entry for entry, name in zip(entries, names(entries), strict=True) if name == kind]


def test_a_group_has_one_entry_for_each_thing_that_was_recorded(story: Story) -> None:
    entries = story.history()
    assert [(name, entry.summary) for name, entry in zip(names(entries), entries, strict=True)] == [
        ("RECORD", "The member's name was changed."),
        ("ACCUMULATOR", "Use of BENEFIT:PHYSIO, DEDUCTIBLE was reversed."),
        ("ACCUMULATOR", "Use of BENEFIT:PHYSIO, DEDUCTIBLE was recorded."),
        ("PREMIUM", f"Invoiced on {INVOICE}: 264.00 EUR for 2 months."),
        ("PREMIUM", "Premiums were computed: 528.00 EUR instead of 0.00 EUR for 2 months."),
        ("CHANGE_REQUEST", "Rejected: 1 change for 1 member. Violated: CHILD_AGE."),
        (
            "RECOMPUTE",
            "Recomputed after the contract was amended. Nothing changed. 1 approved enrollment not fully met.",
        ),
        ("CONTRACT", "The contract was amended: 1 version changed (price)."),
        (
            "RECOMPUTE",
            "Recomputed after facts were recorded. 1 enrollment lost days. 1 approved enrollment not fully met.",
        ),
        ("FACT", "Recorded: date of birth."),
        ("CHANGE_REQUEST", f"Approved: 2 changes for 2 members. Reason: {REASON}."),
        ("CONTRACT", "The contract was amended: 1 version changed (capability, limit, price, rule)."),
        ("CONTRACT", "The contract was published with 1 version."),
    ]
    instants = [entry.recorded_at.ToNanoseconds() for entry in entries]
    assert instants == sorted(instants, reverse=True)
    assert len({entry.entry_id for entry in entries}) == len(entries)
    assert all(entry.actor.kind and entry.actor.subject for entry in entries)
    of_group = [entry for entry in entries if entry.kind not in (KIND.HISTORY_KIND_FACT, KIND.HISTORY_KIND_RECORD)]
    assert {entry.contract_id for entry in of_group} == {story.family.contract_id}
    without_group = of_kind(entries, "CONTRACT") + of_kind(entries, "FACT") + of_kind(entries, "RECORD")
    assert {entry.group_id for entry in of_group if entry not in without_group} == {story.group_id}
    assert {entry.group_id for entry in without_group} == {""}


def test_an_approved_request_reports_what_it_changed_and_what_that_costs(story: Story) -> None:
    approved = of_kind(story.history(), "CHANGE_REQUEST")[-1]
    stored = change_request_of(story, approved.change_request.change_request_id)
    stored.actor.CopyFrom(approved.actor)
    assert approved.change_request == stored
    assert approved.change_request.changes[1].note == NOTE
    assert approved.revision == 1
    assert list(approved.differences) == differences_of(story, 1)
    cost = approved.monthly_cost
    assert (cost.on, cost.currency_code) == (date("2026-01-01"), "EUR")
    assert (cost.before.overall.taxed_minor, cost.after.overall.taxed_minor) == (0, 22_000)


def test_a_rejected_request_made_no_revision(story: Story) -> None:
    rejected = of_kind(story.history(), "CHANGE_REQUEST")[0]
    assert rejected.change_request.verdict == change_request_pb2.VERDICT_REJECTED
    assert [violation.rule_code for violation in rejected.change_request.violations] == ["CHILD_AGE"]
    assert not rejected.HasField("revision")
    assert not rejected.HasField("monthly_cost")
    assert not rejected.differences


def test_a_corrected_fact_has_both_values_and_leads_to_the_recompute_that_names_it(story: Story) -> None:
    entries = story.history()
    (fact,) = of_kind(entries, "FACT")
    child = story.family.child
    assert (fact.member_id, fact.fact.member_id) == (child, child)
    assert list(fact.fact.changes) == [
        fact_change_pb2.FactChange(
            member_id=child,
            kind=change_request_pb2.FACT_KIND_DATE_OF_BIRTH,
            before=fact_change_pb2.FactValue(born_on=date("2015-06-01")),
            after=fact_change_pb2.FactValue(born_on=date("2000-03-01")),
        )
    ]
    after_amendment, after_fact = of_kind(entries, "RECOMPUTE")
    assert list(after_fact.recompute.trigger_entry_ids) == [fact.entry_id]
    assert list(after_amendment.recompute.trigger_entry_ids) == [of_kind(entries, "CONTRACT")[0].entry_id]
    assert after_fact.recompute.recompute.trigger == change_request_pb2.RECOMPUTE_TRIGGER_FACTS
    assert (after_fact.revision, after_amendment.HasField("revision")) == (2, False)
    assert list(after_fact.differences) == differences_of(story, 2)
    cost = after_fact.monthly_cost
    # The price of that time, although the contract was amended since.
    assert (cost.on, cost.before.overall.taxed_minor, cost.after.overall.taxed_minor) == (
        date("2026-03-01"),
        22_000,
        11_000,
    )


def test_an_amendment_reports_the_changed_price(story: Story) -> None:
    amendment = of_kind(story.history(), "CONTRACT")[0]
    assert (amendment.contract.contract_id, amendment.contract.revision) == (story.family.contract_id, 3)
    assert amendment.contract.versions == [
        history_entry_pb2.VersionChange(
            days=span("2025-01-01", None),
            kind=history_entry_pb2.CHANGE_KIND_CHANGED,
            fields=[
                history_entry_pb2.FieldChange(
                    part=history_entry_pb2.CONTRACT_PART_PRICE,
                    module_id=story.family.base,
                    name="PRIMARY, PARTNER, CHILD, ASCENDANT, PET, age 0 and over",
                    kind=history_entry_pb2.CHANGE_KIND_CHANGED,
                    before="100.00 EUR",
                    after="120.00 EUR",
                )
            ],
        )
    ]
    assert not amendment.contract.fields


def test_premiums_are_reported_by_month_and_debtor(story: Story) -> None:
    invoiced, computed = of_kind(story.history(), "PREMIUM")
    ids = [entry.entry_id for entry in story.entries()]
    assert months_of(computed) == {
        (month, debtor): (0, after) for month in (1, 2) for debtor, after in ((COMPANY, 13_200), (PRIMARY, 13_200))
    }
    assert (computed.premium.currency_code, computed.premium.invoice_id) == ("EUR", "")
    assert (list(computed.premium.entry_ids), computed.premium.entry_ids_omitted) == (ids, 0)
    assert months_of(invoiced) == {(month, PRIMARY): (0, 13_200) for month in (1, 2)}
    assert (invoiced.premium.invoice_id, list(invoiced.premium.entry_ids)) == (INVOICE, ids)


def test_a_corrected_premium_reports_what_was_owed_before_it(own_story: Story) -> None:
    own_story.family.amend(own_story.contract(base_minor=9_000))
    own_story.wait_until_recomputed()
    own_story.compute("2026-02", "2026-03")
    corrected = of_kind(own_story.history(), "PREMIUM")[0]
    assert {month: amounts for (month, debtor), amounts in months_of(corrected).items() if debtor == PRIMARY} == {
        2: (13_200, 9_900),
        3: (0, 4_950),
    }
    added = {entry.entry_id for entry in own_story.entries()}
    assert set(corrected.premium.entry_ids) <= added
    # Computing again adds nothing, so there is nothing to report.
    own_story.compute("2026-02", "2026-03")
    assert of_kind(own_story.history(), "PREMIUM")[0] == corrected


def months_of(entry: Entry) -> dict[tuple[int, Any], tuple[int, int]]:
    return {
        (change.month.month, change.debtor): (change.before_minor, change.after_minor)
        for change in entry.premium.months
    }


def test_use_of_limits_and_its_reversal_are_entries_of_their_own(story: Story) -> None:
    reversal, application = of_kind(story.history(), "ACCUMULATOR")
    assert [entry.accumulator.is_reversal for entry in (reversal, application)] == [True, False]
    assert application.accumulator.application_id == reversal.accumulator.application_id
    assert application.member_id == story.family.primary
    uses = [(use.code, use.asked, use.applied) for use in application.accumulator.uses]
    assert sorted(uses) == [(PHYSIO, 2, 2), (DEDUCTIBLE, 30_00, 30_00)]
    assert {(use.code, use.applied) for use in reversal.accumulator.uses} == {(PHYSIO, -2), (DEDUCTIBLE, -30_00)}


def test_a_member_has_their_own_records_and_those_of_their_groups(story: Story) -> None:
    entries = story.history(member_id=story.family.child)
    of_group = story.history()
    own = [entry for entry in entries if entry not in of_group]
    assert [entry.summary for entry in own] == ["Recorded: date of birth.", "The member was created."]
    assert [entry for entry in entries if entry in of_group] == of_group
    renamed = of_kind(entries, "RECORD")[0]
    assert (renamed.record.name_before, renamed.record.name_after) == ("", NAME)


def test_a_contract_has_only_its_own_entries(story: Story) -> None:
    entries = story.history(contract_id=story.family.contract_id)
    assert entries == of_kind(story.history(), "CONTRACT")


@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 13, 14])
def test_pages_of_any_size_give_the_same_list(story: Story, page_size: int) -> None:
    for subject in ({"group_id": story.group_id}, {"member_id": story.family.child}):
        assert story.history(**subject, page_size=page_size) == story.history(**subject)


def test_entries_are_filtered_by_kind_and_instant(story: Story) -> None:
    entries = story.history()
    for kind in KIND.values():
        if kind:
            found = story.history(kinds=[kind], page_size=2)
            assert found == [entry for entry in entries if entry.kind == kind]
    some = [KIND.HISTORY_KIND_FACT, KIND.HISTORY_KIND_PREMIUM]
    assert story.history(kinds=some) == [entry for entry in entries if entry.kind in some]
    for n in (0, 3, len(entries) - 1):
        instant = entries[n].recorded_at
        assert story.history(recorded_from=instant) == entries[: n + 1]
        assert story.history(recorded_before=instant) == entries[n + 1 :]
    assert story.history(recorded_from=entries[4].recorded_at, recorded_before=entries[1].recorded_at) == entries[2:5]
    after = nanosecond_after(entries[3].recorded_at)
    assert story.history(recorded_from=after) == entries[:3]
    assert story.history(recorded_before=after) == entries[3:]


def test_instants_in_the_wrong_order_are_rejected(story: Story) -> None:
    request = pb.ListHistoryRequest(
        group_id=story.group_id, recorded_from=Timestamp(seconds=2), recorded_before=Timestamp(seconds=1)
    )
    failure = failure_of(HistoryServiceStub(story.channel).ListHistory, request)
    assert failure.violations == {"recorded_before": "must not be before recorded_from"}


def test_entries_recorded_while_a_list_is_read_change_no_later_page(own_story: Story) -> None:
    stub: Any = HistoryServiceStub(own_story.channel)
    before, read, token = own_story.history(), [], ""
    while True:
        page = stub.ListHistory(pb.ListHistoryRequest(group_id=own_story.group_id, page_size=3, page_token=token))
        read += page.entries
        own_story.rename(f"name {len(read)}")
        token = page.next_page_token
        if not token:
            break
    assert read == before
    assert len(own_story.history()) > len(before)


def test_a_token_is_rejected_for_another_list(story: Story) -> None:
    stub: Any = HistoryServiceStub(story.channel)
    token = stub.ListHistory(pb.ListHistoryRequest(group_id=story.group_id, page_size=1)).next_page_token
    other = pb.ListHistoryRequest(group_id=story.group_id, kinds=[KIND.HISTORY_KIND_FACT], page_token=token)
    assert failure_of(stub.ListHistory, other).reason == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("subject", "reason"),
    [("group_id", "GROUP_UNKNOWN"), ("member_id", "MEMBER_UNKNOWN"), ("contract_id", "CONTRACT_UNKNOWN")],
)
def test_an_unknown_subject_is_not_found(story: Story, subject: str, reason: str) -> None:
    stub: Any = HistoryServiceStub(story.channel)
    asked: dict[str, Any] = {subject: new_id()}
    failed = failure_of(stub.ListHistory, pb.ListHistoryRequest(**asked))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, reason)


@pytest.mark.parametrize("more", [{}, {"kinds": [0]}, {"kinds": [99]}, {"page_size": -1}, {"page_token": "x"}])
def test_malformed_requests_are_rejected(story: Story, more: dict[str, Any]) -> None:
    stub: Any = HistoryServiceStub(story.channel)
    request = pb.ListHistoryRequest(**({"group_id": story.group_id, **more} if more else {}))
    assert failure_of(stub.ListHistory, request).code == grpc.StatusCode.INVALID_ARGUMENT


def test_facts_and_names_of_an_erased_member_do_not_reappear(own_story: Story) -> None:
    before = own_story.history(member_id=own_story.family.child)
    own_story.erase_child()
    entries = own_story.history(member_id=own_story.family.child)
    text = str(entries)
    assert all(word not in text for word in (NAME, NOTE, REASON, "2015", "year: 2000"))
    assert entries[0].record.kind == history_entry_pb2.RECORD_KIND_MEMBER_ERASED
    assert [entry.entry_id for entry in entries[1:]] == [entry.entry_id for entry in before]
    facts = of_kind(entries, "FACT")
    assert [(len(fact.fact.changes), fact.summary) for fact in facts] == [
        (0, "Facts were recorded. They have been erased since.")
    ] * 2
    # Costs that depend on erased facts can't be computed any more.
    assert [entry.HasField("monthly_cost") for entry in entries if entry.differences] == [False, False]


def test_removed_periods_do_not_reappear(channels: tuple[grpc.Channel, grpc.Channel]) -> None:
    story = Story(*channels)
    family = story.family.set_up(story.contract())
    spring = family.enroll(family.base, "2026-03-01", "2026-05-31", child=True)
    family.submit(family.enroll(family.base, "2026-01-01"), spring, requester=by_admin(REASON))
    (made,) = [entry for entry in story.history() if entry.differences]
    assert {difference.member_id for difference in made.differences} == {family.primary, family.child}
    story.erase_child(keep_periods=False)
    (entry,) = [entry for entry in story.history() if entry.entry_id == made.entry_id]
    assert [difference.member_id for difference in entry.differences] == [family.primary]
    assert not entry.HasField("monthly_cost")
    assert all(change.enroll.days.first_on != date("2026-03-01") for change in entry.change_request.changes)


def test_facts_recorded_before_a_member_joined_a_group_belong_to_the_member_only(
    channels: tuple[grpc.Channel, grpc.Channel],
) -> None:
    story = Story(*channels)
    family = story.family.set_up(story.contract())
    family.submit(family.enroll(family.base, "2026-01-01"), requester=by_admin())
    family.born(family.child, "2014-06-01")
    assert not of_kind(story.history(), "FACT")
    family.submit(family.enroll(family.base, "2026-01-01", child=True), requester=by_admin())
    family.born(family.child, "2013-06-01")
    assert [entry.member_id for entry in of_kind(story.history(), "FACT")] == [family.child]
    assert len(of_kind(story.history(member_id=family.child), "FACT")) == 3


def test_facts_recorded_twice_change_nothing_and_still_trigger_a_recompute(own_story: Story) -> None:
    own_story.family.born(own_story.family.child, "2000-03-01")
    own_story.wait_until_recomputed()
    recompute, fact = [entry for entry in own_story.history() if entry.kind != KIND.HISTORY_KIND_RECORD][:2]
    assert (list(fact.fact.changes), fact.summary) == ([], "Facts were recorded. No value changed.")
    assert list(recompute.recompute.trigger_entry_ids) == [fact.entry_id]


def test_facts_recorded_while_a_recompute_waits_are_all_its_triggers(own_story: Story) -> None:
    """Whether one or several recomputes ran, each fact triggered exactly one of them."""
    earlier = {entry.entry_id for entry in own_story.history()}
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: own_story.family.born(own_story.family.child, f"2000-03-{n + 1:02}"), range(12)))
    own_story.wait_until_recomputed()
    entries = [entry for entry in own_story.history() if entry.entry_id not in earlier]
    facts = [entry.entry_id for entry in of_kind(entries, "FACT")]
    triggers = [each for entry in of_kind(entries, "RECOMPUTE") for each in entry.recompute.trigger_entry_ids]
    assert len(facts) == 12
    assert triggers == facts


def test_a_page_of_large_entries_ends_before_it_is_too_large(channels: tuple[grpc.Channel, grpc.Channel]) -> None:
    story = Story(*channels)
    family = story.family.set_up(story.contract())
    changes = [
        family.enroll(family.base, f"2026-{n % 9 + 1:02}-01", f"2026-{n % 9 + 1:02}-{n % 20 + 2:02}")
        for n in range(100)
    ]
    for change in changes:
        change.note = "n" * 500
    request_ids = [
        family.submit(*changes, requester=by_admin()).change_request.change_request_id for _ in range(REQUESTS)
    ]
    stub: Any = HistoryServiceStub(story.channel)
    asked = pb.ListHistoryRequest(group_id=story.group_id, page_size=200, kinds=[KIND.HISTORY_KIND_CHANGE_REQUEST])
    page = stub.ListHistory(asked)
    assert page.ByteSize() < 4 * 1024 * 1024
    assert 0 < len(page.entries) < REQUESTS
    found = story.history(kinds=[KIND.HISTORY_KIND_CHANGE_REQUEST])
    assert [entry.change_request.change_request_id for entry in found] == request_ids[::-1]


def test_a_long_list_of_changed_facts_is_cut_and_counted(channels: tuple[grpc.Channel, grpc.Channel]) -> None:
    story = Story(*channels)
    family = story.family.set_up()

    def record(*items: member_pb2.Attribute) -> history_entry_pb2.FactEntry:
        request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.child)
        request.attributes.items.extend(items)
        family.members.RecordFacts(request)
        return of_kind(story.history(member_id=family.child), "FACT")[0].fact

    def attribute(n: int, first_on: str, last_on: str | None, value: str) -> member_pb2.Attribute:
        return member_pb2.Attribute(days=span(first_on, last_on), name=f"FACT_{n}", value=value)

    now = [attribute(n, "2026-01-01", None, "a") for n in range(400)]
    earlier = [attribute(n, "2024-01-01", "2024-12-31", "b") for n in range(100)]
    first = record(*now, *earlier)
    assert (len(first.changes), first.changes_omitted) == (500, 0)
    in_january = [f"2026-01-{day:02}" for day in range(1, 31, 2)]
    second = record(*(attribute(0, day, day, "c") for day in in_january))
    # FACT_0 changes on each of these days, after each of them, and in 2024; the others once or twice.
    assert (len(second.changes), second.changes_omitted) == (500, 2 * len(in_january) + 1 + 99 * 2 + 300 - 500)


def test_every_kind_of_entry_can_be_asked_for() -> None:
    assert HISTORY_KINDS.numbers() == {number for number in KIND.values() if number}


def differences_of(story: Story, revision: int) -> list[Any]:
    """Returns what DiffRevisions reports for a revision, without causes: an entry is the cause itself."""
    asked = enrollment_query_service_pb2.DiffRevisionsRequest(
        group_id=story.group_id, from_revision=revision - 1, to_revision=revision
    )
    found = list(story.family.queries.DiffRevisions(asked).differences)
    for difference in found:
        difference.ClearField("causes")
    return found


def change_request_of(story: Story, change_request_id: str) -> change_request_pb2.ChangeRequest:
    request = change_request_service_pb2.GetChangeRequestRequest(change_request_id=change_request_id)
    return story.family.requests.GetChangeRequest(request).change_request
