"""What follows from reverts and corrected types: verdicts, premiums, the feed, the audit log, and what members see."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.audit.v1 import audit_service_pb2
from affilia.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from affilia.catalog.v1 import condition_pb2, pricing_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_group_pb2
from affilia.premium.v1 import premium_entry_pb2
from affilia.type.v1 import membership_type_pb2
from tests.conftest import ServerProcess
from tests.rpc.test_premiums import compute, entries, mark, owed, uninvoiced
from tests.rpc.test_recomputes import ask, wait_until_none_waits
from tests.scenarios.enrollment_messages import ends
from tests.support.calls import Family, admin, new_id
from tests.support.channels import connected_to
from tests.support.feeds import NOW, POLICY_CHANGED, POLICY_TERMINATED, Event, Filter, next_events, watching
from tests.support.guarded import guarded_server
from tests.support.history_story import history_of
from tests.support.identities import as_, channel_of

Scoped = change_request_pb2.ScopedChange
PRIMARY = membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY
PARTNER, CHILD = membership_type_pb2.MEMBERSHIP_TYPE_PARTNER, membership_type_pb2.MEMBERSHIP_TYPE_CHILD
APPROVED = change_request_pb2.VERDICT_APPROVED
MONTHLY = {PRIMARY: 100_00, PARTNER: 80_00, CHILD: 30_00}


def revert(change_request_id: str, note: str = "") -> Scoped:
    return Scoped(revert=change_request_pb2.Revert(change_request_id=change_request_id), note=note)


def correct(member_id: str, membership_type: Any) -> Scoped:
    correction = change_request_pb2.CorrectMembershipType(member_id=member_id, membership_type=membership_type)
    return Scoped(correct_membership_type=correction)


def asked(family: Family, *changes: Scoped, **more: Any) -> change_request_pb2.ChangeRequest:
    """Submits an admin's request, which must be approved, and returns it."""
    answer = family.submit(*changes, requester=admin(), **more)
    assert answer.change_request.verdict == APPROVED, answer
    request: change_request_pb2.ChangeRequest = answer.change_request
    return request


def simulated(family: Family, *changes: Scoped) -> Any:
    request = change_request_service_pb2.SimulateChangeRequestRequest(
        group=family.key, changes=changes, requester=admin()
    )
    return family.requests.SimulateChangeRequest(request, timeout=60)


@pytest.fixture
def priced(server_channel: grpc.Channel) -> Family:
    """The primary and a child are on base from 2026-01-01 on, and each type has a price of its own."""
    family = Family(server_channel)
    contract = family.contract()
    contract.versions[0].pricing.age_grid.SetInParent()
    for module in contract.versions[0].modules:
        for kind, amount in MONTHLY.items():
            row = pricing_pb2.AgeGridRow(beneficiary_types=[kind], min_age=0, monthly_minor=amount)
            module.pricing.age_grid.standard.append(row)
    family.set_up(contract)
    asked(family, family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True))
    return family


# ------------------------------------------------------------------------------------------------ premiums


def test_a_corrected_type_is_charged_at_its_own_price(priced: Family) -> None:
    compute(priced)
    debtor = premium_entry_pb2.DEBTOR_PRIMARY
    assert mark(priced, debtor, new_id(), *uninvoiced(priced, debtor)).amount_minor == 3 * 130_00
    corrected = asked(priced, correct(priced.child, PARTNER))
    assert compute(priced) == (3, 3)
    assert owed(entries(priced, live_only=True)) == 3 * 180_00
    assert sum(d.total_minor for e in uninvoiced(priced, debtor) for d in e.debtors) == 3 * 50_00
    asked(priced, revert(corrected.change_request_id))
    compute(priced)
    assert owed(entries(priced, live_only=True)) == 3 * 130_00
    assert sum(d.total_minor for e in uninvoiced(priced, debtor) for d in e.debtors) == 0


def test_premiums_that_were_not_computed_before_the_revert_do_not_change(priced: Family) -> None:
    assert compute(priced) == (0, 6)
    left = asked(priced, priced.leave("2026-02-01"))
    asked(priced, revert(left.change_request_id))
    assert compute(priced) == (0, 0)


def test_a_simulated_correction_returns_the_cost_of_both_types(priced: Family) -> None:
    answer = simulated(priced, correct(priced.child, PARTNER))
    assert answer.verdict == APPROVED
    assert {p.member_id: p.membership_type for p in answer.periods_after}[priced.child] == PARTNER
    assert (answer.cost.before.overall.taxed_minor, answer.cost.after.overall.taxed_minor) == (130_00, 180_00)
    assert priced.group().revision == 1


def test_a_simulated_revert_returns_what_submitting_it_does(priced: Family) -> None:
    left = asked(priced, priced.leave("2026-04-01"))
    answer = simulated(priced, revert(left.change_request_id))
    assert answer.verdict == APPROVED
    asked(priced, revert(left.change_request_id))
    assert list(answer.periods_after) == list(priced.group().periods)


# ------------------------------------------------------------------------------------------------ replays


def test_a_recompute_after_reverts_and_corrections_changes_nothing(priced: Family) -> None:
    left = asked(priced, priced.leave("2026-04-01"))
    reverting = asked(priced, revert(left.change_request_id), correct(priced.child, PARTNER))
    asked(priced, revert(reverting.change_request_id))
    before = priced.group()
    ask(priced)
    wait_until_none_waits(priced)
    assert priced.group() == before


@pytest.mark.parametrize("reverts", range(1, 6))
def test_a_decision_counts_if_an_even_number_of_reverts_follows_in_a_chain(priced: Family, reverts: int) -> None:
    with_child = priced.group().periods
    left = asked(priced, priced.leave("2026-04-01"))
    without = priced.group().periods
    last = left
    for _ in range(reverts):
        last = asked(priced, revert(last.change_request_id))
    assert list(priced.group().periods) == list(with_child if reverts % 2 else without)


def test_a_retry_of_a_revert_returns_its_first_answer_after_it_was_reverted(priced: Family) -> None:
    left = asked(priced, priced.leave("2026-04-01"))
    request = priced.request(revert(left.change_request_id), requester=admin())
    first = priced.requests.SubmitChangeRequest(request)
    asked(priced, revert(first.change_request.change_request_id))
    assert priced.requests.SubmitChangeRequest(request).change_request == first.change_request


# ------------------------------------------------------------------------------------------------ verdicts


def codes(request: change_request_pb2.ChangeRequest) -> list[str]:
    name = change_request_pb2.ViolationCode.Name
    return [name(each.code).removeprefix("VIOLATION_CODE_") for each in request.violations]


def test_accepted_consequences_of_a_revert_end_when_it_is_reverted(family: Family) -> None:
    contract = family.contract()
    rule = contract.versions[0].rules.add(code="NEEDS_PRIMARY", applies_to=[CHILD])
    rule.condition.enrolled_on.subject = condition_pb2.SUBJECT_PRIMARY
    family.amend(contract)
    of_primary = asked(family, family.enroll(family.base, "2026-01-01"))
    asked(family, family.enroll(family.base, "2026-01-01", child=True))
    before = list(family.group().periods)
    undo = revert(of_primary.change_request_id)
    rejected = family.submit(undo, requester=admin()).change_request
    assert codes(rejected) == ["CONSEQUENCES_NOT_ACCEPTED"]
    assert [each.member_id for each in rejected.consequences] == [family.child]
    assert list(family.group().periods) == before
    accepted = asked(family, undo, accept_consequences=True)
    assert not family.group().periods
    asked(family, revert(accepted.change_request_id))
    assert list(family.group().periods) == before


def test_a_revert_that_breaks_a_commitment_must_override_it(family: Family) -> None:
    contract = family.contract()
    contract.versions[0].modules[0].commitment_months = 12
    family.amend(contract)
    joined = asked(family, family.enroll(family.base, "2026-01-01"))
    undo = revert(joined.change_request_id)
    rejected = family.submit(undo, requester=admin()).change_request
    assert codes(rejected) == ["COMMITMENT_NOT_ELAPSED"]
    asked(family, undo, overridden_rules=["COMMITMENT_NOT_ELAPSED"])
    assert not family.group().periods


def test_changes_of_one_request_apply_in_order(priced: Family) -> None:
    left = asked(priced, priced.leave("2026-04-01"))
    answer = asked(
        priced,
        priced.leave("2026-10-01"),
        revert(left.change_request_id),
        correct(priced.child, PARTNER),
        priced.enroll(priced.plus, "2026-07-01"),
    )
    assert answer.made_revision
    periods = [(p.member_id, p.module_id, p.membership_type, ends(p.days)) for p in priced.group().periods]
    assert sorted(periods) == sorted(
        [
            (priced.primary, priced.base, PRIMARY, ["2026-01-01", "2026-06-30"]),
            (priced.primary, priced.plus, PRIMARY, ["2026-07-01", None]),
            (priced.child, priced.base, PARTNER, ["2026-01-01", None]),
        ]
    )


# ------------------------------------------------------------------------------------------------ the feed


def kinds(event: Event) -> dict[str, list[str]]:
    """Returns the kinds of difference of an event, by member."""
    name = enrollment_group_pb2.DifferenceKind.Name
    return {
        each.member_id: [name(kind).removeprefix("DIFFERENCE_KIND_") for kind in each.kinds]
        for each in event.policy_revision.differences
    }


def test_events_report_reverts_and_corrected_types(priced: Family) -> None:
    with watching(priced.channel, NOW, Filter(contract_ids=[priced.contract_id])) as call:
        next(call)
        ended = asked(priced, priced.leave("2026-04-01", "2026-06-30"))
        reverting = asked(priced, revert(ended.change_request_id, note="wrong family"))
        correcting = asked(priced, correct(priced.child, PARTNER))
        events = next_events(call, 3)
    _, reinstated, corrected = events
    assert reinstated.type == POLICY_CHANGED
    assert kinds(reinstated) == {priced.primary: ["GAP_CLOSED", "REINSTATED"]}
    (difference,) = reinstated.policy_revision.differences
    assert difference.causes[-1].note == "wrong family"
    assert reinstated.policy_revision.cause.change_request_id == reverting.change_request_id
    assert corrected.type == POLICY_CHANGED
    assert kinds(corrected) == {priced.child: ["TYPE_CORRECTED"]}
    assert not corrected.policy_revision.differences[0].gained
    assert not corrected.policy_revision.differences[0].lost
    types = {period.member_id: period.membership_type for period in corrected.policy_revision.periods}
    assert types[priced.child] == PARTNER
    assert corrected.policy_revision.cause.change_request_id == correcting.change_request_id


def test_reverting_the_first_request_of_a_group_terminates_the_policy(priced: Family) -> None:
    listed = change_request_service_pb2.ListChangeRequestsRequest(group_id=priced.group().group_id)
    (first,) = priced.requests.ListChangeRequests(listed).change_requests
    with watching(priced.channel, NOW, Filter(member_ids=[priced.child])) as call:
        next(call)
        asked(priced, revert(first.change_request_id))
        (event,) = next_events(call, 1)
    assert event.type == POLICY_TERMINATED
    assert kinds(event) == {priced.primary: ["CANCELLED"], priced.child: ["CANCELLED"]}


# ------------------------------------------------------------------------------------------------ who sees what


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _):
        yield server


def test_members_see_a_revert_without_the_name_and_the_note_of_the_admin(guarded: ServerProcess) -> None:
    with connected_to(guarded.address) as public:
        family = Family(channel_of(public, as_("admin", "ada")), requester=admin(name="")).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"))
        left = family.submit(family.leave("2026-04-01")).change_request
        family.submit(revert(left.change_request_id, note="between colleagues"))
        member = channel_of(public, as_("member", family.primary))
        group_id = family.group().group_id
        newest = history_of(member, group_id=group_id)[0]
        shown = newest.change_request
        assert shown.changes[0].revert.change_request_id == left.change_request_id
        assert shown.requester.role == change_request_pb2.REQUESTER_ROLE_ADMIN
        assert "between colleagues" not in str(newest)
        assert "ada" not in (shown.requester.requester_id, newest.actor.subject)
        requests = Family(member, **family.ids()).requests
        read = requests.GetChangeRequest(
            change_request_service_pb2.GetChangeRequestRequest(change_request_id=shown.change_request_id)
        ).change_request
        assert read.changes[0].revert.change_request_id == left.change_request_id
        assert "between colleagues" not in str(read)


def test_the_audit_log_finds_a_revert_by_the_request_that_it_names(guarded: ServerProcess) -> None:
    with connected_to(guarded.address) as public:
        as_admin = channel_of(public, as_("admin", "ada"))
        family = Family(as_admin, requester=admin(name="")).set_up()
        joined = family.submit(family.enroll(family.base, "2026-01-01")).change_request.change_request_id
        reverting = family.submit(revert(joined)).change_request.change_request_id
        request = audit_service_pb2.ListAuditEntriesRequest(named_id=joined)
        newest = AuditServiceStub(as_admin).ListAuditEntries(request, timeout=60).entries[0]
        found = {named.field: named.id for named in newest.ids}
        assert found["changes[0].revert.change_request_id"] == joined
        assert found["resolved.change_request_id"] == reverting
