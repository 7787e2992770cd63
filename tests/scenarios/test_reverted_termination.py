"""A family that was ended in error, with premiums invoiced and claims applied; then the termination is reverted."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import condition_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2, premium_entry_pb2
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.type.v1 import membership_type_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date, ends
from tests.support.calls import admin, new_id
from tests.support.channels import connected_to
from tests.support.history_story import Story

PRIMARY = premium_entry_pb2.DEBTOR_PRIMARY
PARTNER, CHILD = membership_type_pb2.MEMBERSHIP_TYPE_PARTNER, membership_type_pb2.MEMBERSHIP_TYPE_CHILD


@pytest.fixture
def story(server: ServerProcess, server_channel: grpc.Channel) -> Iterator[Story]:
    with connected_to(server.internal_address) as internal:
        yield Story(server_channel, internal)


class Ended:
    """A primary, a partner and three children, invoiced until March, all ended on 31 January by a termination."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.family, self.insured = story.family, story.insured
        self.others = {new_id(): PARTNER, self.family.child: CHILD, new_id(): CHILD, new_id(): CHILD}
        self.family.set_up()
        contract = story.contract()
        rule = contract.versions[0].rules.add(code="NEEDS_PRIMARY", applies_to=[PARTNER, CHILD])
        rule.condition.enrolled_on.CopyFrom(condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_PRIMARY))
        self.family.amend(contract)
        changes = [self.family.enroll(self.family.base, "2026-01-01")]
        for member_id, membership_type in self.others.items():
            if member_id != self.family.child:
                self.family.store(member_id)
                self.family.born(member_id, "1985-04-01" if membership_type == PARTNER else "2016-07-01")
            change = self.family.enroll(self.family.base, "2026-01-01")
            change.enroll.member_id, change.enroll.membership_type = member_id, membership_type
            changes.append(change)
        self.insured.submit(*changes)
        story.compute("2026-01", "2026-06")
        self.invoice("2026/1", "2026-03-31")
        for member_id in self.others:
            self.insured.apply("2026-02-10", member_id, deductible=20_00)
        self.before = self.seen()
        answer = self.family.submit(self.family.leave("2026-02-01"), requester=admin(), accept_consequences=True)
        assert len(answer.change_request.consequences) == len(self.others)
        self.termination, self.insured.token = answer.change_request.change_request_id, answer.consistency_token
        story.compute("2026-01", "2026-06")

    def seen(self) -> Any:
        """Returns the periods, the coverage and the use of limits on a day after the termination, and what is owed."""
        on = "2026-02-10"
        members = [self.family.primary, *self.others]
        return (
            [(p.member_id, p.membership_type, p.module_id, ends(p.days)) for p in self.family.group().periods],
            [[record.locator for record in self.insured.records(on, member_id)] for member_id in members],
            [self.insured.used(on, member_id) for member_id in members],
            self.owed(self.story.entries()),
        )

    def owed(self, entries: list[premium_entry_pb2.PremiumEntry]) -> dict[int, int]:
        """Returns what the primary owes for each month."""
        owed: dict[int, int] = {}
        for entry in entries:
            for debtor in entry.debtors:
                if debtor.debtor == PRIMARY:
                    owed[entry.month.month] = owed.get(entry.month.month, 0) + debtor.total_minor
        return {month: total for month, total in owed.items() if total}

    def uninvoiced(self, up_to: str) -> list[premium_entry_pb2.PremiumEntry]:
        request = premium_computation_service_pb2.ListUninvoicedPremiumsRequest(
            policy=insurance_cost_pb2.Policy(key=self.family.key), debtor=PRIMARY, up_to=date(up_to), page_size=1000
        )
        return list(self.story.premiums.ListUninvoicedPremiums(request).entries)

    def invoice(self, invoice_id: str, up_to: str) -> int:
        """Invoices what is due. Returns the total."""
        due = self.uninvoiced(up_to)
        self.story.premiums.MarkPremiumsInvoiced(
            premium_computation_service_pb2.MarkPremiumsInvoicedRequest(
                request_id=new_id(),
                entry_ids=[entry.entry_id for entry in due],
                debtor=PRIMARY,
                invoice_id=invoice_id,
            )
        )
        return sum(self.owed(due).values())

    def revert(self) -> change_request_pb2.ChangeRequest:
        change = change_request_pb2.ScopedChange(revert=change_request_pb2.Revert(change_request_id=self.termination))
        answer = self.family.submit(change, requester=admin("the termination was meant for another family"))
        self.insured.token = answer.consistency_token
        return answer.change_request


def test_one_call_restores_everything_and_the_next_invoice_credits_the_error(story: Story) -> None:
    ended = Ended(story)
    monthly = ended.before[3][1]
    assert ended.owed(story.entries()) == {1: monthly}
    assert len(ended.insured.ledger(orphaned_only=True)) == len(ended.others)
    assert ended.invoice("2026/2", "2026-03-31") == -2 * monthly

    reverted = ended.revert()
    assert reverted.verdict == change_request_pb2.VERDICT_APPROVED
    assert not reverted.consequences
    story.compute("2026-01", "2026-06")
    assert ended.seen() == ended.before
    assert not ended.insured.ledger(orphaned_only=True)
    assert ended.invoice("2026/3", "2026-03-31") == 2 * monthly
    assert not ended.uninvoiced("2026-03-31")


def test_a_credit_that_was_never_invoiced_settles_with_the_error(story: Story) -> None:
    ended = Ended(story)
    ended.revert()
    story.compute("2026-01", "2026-06")
    assert ended.seen() == ended.before
    assert ended.owed(ended.uninvoiced("2026-03-31")) == {}


def test_simulating_the_revert_returns_what_the_revert_does(story: Story) -> None:
    ended = Ended(story)

    change = change_request_pb2.ScopedChange(revert=change_request_pb2.Revert(change_request_id=ended.termination))
    request = change_request_service_pb2.SimulateChangeRequestRequest(
        group=ended.family.key, changes=[change], requester=admin()
    )
    simulated = ended.family.requests.SimulateChangeRequest(request)
    assert simulated.verdict == change_request_pb2.VERDICT_APPROVED
    after = [(p.member_id, p.membership_type, p.module_id, ends(p.days)) for p in simulated.periods_after]
    assert after == ended.before[0]
