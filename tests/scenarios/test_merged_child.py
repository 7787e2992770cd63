"""A family whose child was stored twice, invoiced, and with claims applied; then both records are merged."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.premium.v1 import premium_computation_service_pb2, premium_entry_pb2
from affilia.pricing.v1 import insurance_cost_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import new_id
from tests.support.channels import connected_to
from tests.support.doubled import Doubled
from tests.support.history_story import Story

PRIMARY = premium_entry_pb2.DEBTOR_PRIMARY


@pytest.fixture
def internal(server: ServerProcess) -> Iterator[grpc.Channel]:
    with connected_to(server.internal_address) as channel:
        yield channel


@pytest.fixture
def invoiced(server_channel: grpc.Channel, internal: grpc.Channel) -> "InvoicedFamily":
    return InvoicedFamily(Story(server_channel, internal))


class InvoicedFamily:
    """The primary and the child on base; the child until June, and again from May on as another record."""

    def __init__(self, story: Story) -> None:
        self.story = story
        story.family.set_up()
        story.family.amend(story.contract())
        self.doubled = Doubled(story.insured)
        self.doubled.store(self.doubled.double)
        story.family.born(self.doubled.double, "2015-06-01")
        self.doubled.story()
        self.story.compute("2026-01", "2026-08")
        self.mark("2026/1", self.uninvoiced())

    def uninvoiced(self) -> list[premium_entry_pb2.PremiumEntry]:
        request = premium_computation_service_pb2.ListUninvoicedPremiumsRequest(
            policy=insurance_cost_pb2.Policy(key=self.story.family.key),
            debtor=PRIMARY,
            up_to=date("2026-12-31"),
            page_size=1000,
        )
        return list(self.story.premiums.ListUninvoicedPremiums(request).entries)

    def mark(self, invoice_id: str, entries: list[premium_entry_pb2.PremiumEntry]) -> None:
        self.story.premiums.MarkPremiumsInvoiced(
            premium_computation_service_pb2.MarkPremiumsInvoicedRequest(
                request_id=new_id(),
                entry_ids=[entry.entry_id for entry in entries],
                debtor=PRIMARY,
                invoice_id=invoice_id,
            )
        )


def owed_by_month(entries: list[Any]) -> dict[int, int]:
    """Returns what the primary owes for each month of the year."""
    owed: dict[int, int] = {}
    for entry in entries:
        for debtor in entry.debtors:
            if debtor.debtor == PRIMARY:
                owed[entry.month.month] = owed.get(entry.month.month, 0) + debtor.total_minor
    return owed


def test_the_next_invoice_credits_the_months_that_were_charged_twice(invoiced: InvoicedFamily) -> None:
    before = owed_by_month(invoiced.story.entries())
    invoiced.doubled.merge_double()
    invoiced.story.compute("2026-01", "2026-08")
    after = owed_by_month(invoiced.story.entries())
    # May and June were charged for both records; all other months cost the same as before.
    single = before[1]
    assert before == dict.fromkeys(range(1, 9), single) | dict.fromkeys((5, 6), before[5])
    assert before[5] > single and after == dict.fromkeys(range(1, 9), single)
    next_invoice = invoiced.uninvoiced()
    by_month = {month: owed for month, owed in owed_by_month(next_invoice).items() if owed}
    assert by_month == {5: single - before[5], 6: single - before[6]}
    invoiced.mark("2026/2", next_invoice)
    assert not invoiced.uninvoiced()


def test_everything_else_is_as_if_there_had_been_one_record(invoiced: InvoicedFamily) -> None:
    child = invoiced.story.family.child
    invoiced.doubled.merge_double()
    insured = invoiced.story.insured
    # Children are covered up to the day before their 26th birthday.
    assert invoiced.doubled.periods()[child] == [("2026-01-01", "2041-05-31")]
    for day in ("2026-01-01", "2026-05-20", "2026-06-30", "2026-07-01", "2026-12-31"):
        assert insured.reason(day, child) == "COVERED"
        assert insured.check(day, invoiced.doubled.double).merged_into == child
    assert insured.used("2026-03-10", child) == (130_00, 130_00)
    assert not insured.ledger(orphaned_only=True)
    history = invoiced.story.history(consistency_token=insured.token)
    assert sum(entry.record.merged_into == child for entry in history) == 1
    invoiced.story.compute("2026-01", "2026-08")
    assert {entry.member_id for entry in invoiced.story.entries() if not entry.cancels_entry_id} >= {child}
