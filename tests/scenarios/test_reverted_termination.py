"""A family that was ended in error, after premiums were invoiced and claims were applied, is put right in one call."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import condition_pb2, contract_pb2, pricing_pb2
from affilia.eligibility.v1 import coverage_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2, premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.type.v1 import membership_type_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date, ends, span
from tests.scenarios.ledger_messages import months
from tests.support.calls import admin, new_id
from tests.support.channels import connected_to
from tests.support.insured import Insured

PRIMARY = membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY
PARTNER = membership_type_pb2.MEMBERSHIP_TYPE_PARTNER
CHILD = membership_type_pb2.MEMBERSHIP_TYPE_CHILD
MONTHLY = {PRIMARY: 100_00, PARTNER: 80_00, CHILD: 30_00}
WHOLE_FAMILY = 100_00 + 80_00 + 3 * 30_00

FIRST, LAST = "2026-01", "2026-06"
MONTHS_OF_LOST_DAYS = 3
"""April to June."""

Coverage = dict[str, list[coverage_pb2.CoverageRecord]]


class InsuredFamily:
    """A primary, a partner and three children on one module, with invoiced premiums and applied claims."""

    def __init__(self, channel: grpc.Channel, internal: grpc.Channel) -> None:
        self.insured = Insured(channel, internal)
        self.family = self.insured.family
        self.partner, *siblings = (new_id() for _ in range(3))
        self.types = {self.family.primary: PRIMARY, self.partner: PARTNER, self.family.child: CHILD}
        self.types |= dict.fromkeys(siblings, CHILD)
        self.premiums: Any = PremiumComputationServiceStub(channel)

    def set_up(self) -> "InsuredFamily":
        self.insured.set_up()
        self.family.amend(self._contract())
        for member_id, born_on in zip(
            list(self.types)[1:], ("1982-03-05", "2015-06-01", "2017-01-09", "2019-11-30"), strict=True
        ):
            self.family.store(member_id)
            self.family.born(member_id, born_on)
        self.submit(*(self._enroll(member_id) for member_id in self.types))
        assert self.compute() == (0, 30)
        self.invoice("JANUARY-TO-JUNE")
        self.application, applied = self.insured.apply("2026-05-20", self.family.child, deductible=60_00, physio=2)
        assert applied == [(60_00, 0), (2, 0)]
        self.insured.apply("2026-02-10", self.partner, deductible=40_00)
        return self

    def _contract(self) -> contract_pb2.Contract:
        contract = self.insured.contract()
        version = contract.versions[0]
        version.pricing.age_grid.SetInParent()
        for module in version.modules:
            for kind, amount in MONTHLY.items():
                row = pricing_pb2.AgeGridRow(beneficiary_types=[kind], min_age=0, monthly_minor=amount)
                module.pricing.age_grid.standard.append(row)
        rule = version.rules.add(code="NEEDS_PRIMARY", applies_to=[PARTNER, CHILD])
        rule.condition.enrolled_on.subject = condition_pb2.SUBJECT_PRIMARY
        return contract

    def _enroll(self, member_id: str) -> change_request_pb2.ScopedChange:
        enroll = change_request_pb2.Enroll(
            member_id=member_id,
            membership_type=self.types[member_id],
            module_id=self.family.base,
            days=span("2026-01-01", None),
        )
        return change_request_pb2.ScopedChange(enroll=enroll)

    # -------------------------------------------------------------------------------------------- requests

    def submit(
        self, *changes: change_request_pb2.ScopedChange, **more: Any
    ) -> change_request_service_pb2.SubmitChangeRequestResponse:
        """Submits an admin's request, which must be approved."""
        answer = self.family.submit(*changes, requester=admin(), **more)
        assert answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED, answer
        self.insured.token = answer.consistency_token
        return answer

    def terminate(self) -> str:
        """Ends the primary, and with their consequences everyone, on 31 March. Returns the id of the request."""
        answer = self.submit(self.family.leave("2026-04-01"), accept_consequences=True)
        return str(answer.change_request.change_request_id)

    # -------------------------------------------------------------------------------------------- premiums

    @property
    def policy(self) -> insurance_cost_pb2.Policy:
        return insurance_cost_pb2.Policy(key=self.family.key)

    def compute(self) -> tuple[int, int]:
        """Computes the premiums of half a year, and returns the numbers of offsets and of other new entries."""
        request = premium_computation_service_pb2.ComputePremiumsRequest(
            request_id=new_id(), policy=self.policy, months=months(FIRST, LAST)
        )
        answer = self.premiums.ComputePremiums(request, timeout=60)
        return answer.offsets, answer.entries

    def live_entries(self) -> list[tuple[Any, ...]]:
        """Returns what is owed per enrollment and month: the entries without ids, versions, instants and invoices."""
        request = premium_computation_service_pb2.ListPremiumEntriesRequest(
            policy=self.policy, live_only=True, page_size=1000
        )
        return sorted(
            (
                entry.enrollment_id,
                (entry.month.year, entry.month.month),
                entry.num_days,
                [(debtor.debtor, debtor.total_minor) for debtor in entry.debtors],
            )
            for entry in self.premiums.ListPremiumEntries(request, timeout=60).entries
        )

    def uninvoiced(self) -> list[premium_entry_pb2.PremiumEntry]:
        request = premium_computation_service_pb2.ListUninvoicedPremiumsRequest(
            policy=self.policy, debtor=premium_entry_pb2.DEBTOR_PRIMARY, up_to=date("2026-12-31"), page_size=1000
        )
        return list(self.premiums.ListUninvoicedPremiums(request, timeout=60).entries)

    def invoice(self, invoice_id: str) -> int:
        """Puts all open entries on an invoice, and returns its amount."""
        request = premium_computation_service_pb2.MarkPremiumsInvoicedRequest(
            request_id=new_id(),
            entry_ids=[entry.entry_id for entry in self.uninvoiced()],
            debtor=premium_entry_pb2.DEBTOR_PRIMARY,
            invoice_id=invoice_id,
        )
        return int(self.premiums.MarkPremiumsInvoiced(request, timeout=60).amount_minor)

    # -------------------------------------------------------------------------------------------- reads

    def periods(self) -> list[tuple[str, int, list[str | None]]]:
        return sorted((each.member_id, each.membership_type, ends(each.days)) for each in self.family.group().periods)

    def coverage(self, on: str = "2026-05-20") -> Coverage:
        """Returns everyone's coverage records without the revision that they reflect."""
        found = {member_id: self.insured.records(on, member_id) for member_id in self.types}
        for records in found.values():
            for record in records:
                record.ClearField("revision")
        return found

    def used(self) -> list[tuple[int, int]]:
        return [self.insured.used("2026-05-20", member_id) for member_id in self.types]

    def orphaned(self) -> set[str]:
        return {line.application_id for line in self.insured.ledger(orphaned_only=True)}


def revert(change_request_id: str) -> change_request_pb2.ScopedChange:
    return change_request_pb2.ScopedChange(revert=change_request_pb2.Revert(change_request_id=change_request_id))


@pytest.fixture
def insured_family(server: ServerProcess, server_channel: grpc.Channel) -> Iterator[InsuredFamily]:
    with connected_to(server.internal_address) as internal:
        yield InsuredFamily(server_channel, internal).set_up()


def test_one_revert_restores_periods_coverage_and_accumulators(insured_family: InsuredFamily) -> None:
    periods, coverage, used = insured_family.periods(), insured_family.coverage(), insured_family.used()
    assert [days for _, _, days in periods] == [["2026-01-01", None]] * 5
    assert all(len(records) == 1 for records in coverage.values())

    terminated = insured_family.terminate()
    assert [days for _, _, days in insured_family.periods()] == [["2026-01-01", "2026-03-31"]] * 5
    assert not any(insured_family.coverage().values())
    assert insured_family.orphaned() == {insured_family.application}

    answer = insured_family.submit(revert(terminated))
    assert not answer.change_request.consequences
    assert insured_family.periods() == periods
    assert insured_family.coverage() == coverage
    assert insured_family.used() == used
    assert not insured_family.orphaned()


def test_premiums_after_a_revert_differ_only_by_credits_on_the_next_invoice(insured_family: InsuredFamily) -> None:
    owed = insured_family.live_entries()
    terminated = insured_family.terminate()
    assert insured_family.compute() == (15, 0)
    insured_family.submit(revert(terminated))
    assert insured_family.compute() == (0, 15)
    assert insured_family.live_entries() == owed
    # The invoiced entries are credited, and what is owed again is on the same invoice.
    amounts = sorted(debtor.total_minor for entry in insured_family.uninvoiced() for debtor in entry.debtors)
    assert len(amounts) == 30
    assert sum(amount for amount in amounts if amount < 0) == -MONTHS_OF_LOST_DAYS * WHOLE_FAMILY
    assert insured_family.invoice("JULY") == 0
    assert not insured_family.uninvoiced()


def test_credits_that_were_invoiced_before_the_revert_are_owed_again(insured_family: InsuredFamily) -> None:
    owed = insured_family.live_entries()
    terminated = insured_family.terminate()
    insured_family.compute()
    assert insured_family.invoice("CREDIT") == -MONTHS_OF_LOST_DAYS * WHOLE_FAMILY
    insured_family.submit(revert(terminated))
    insured_family.compute()
    assert insured_family.invoice("JULY") == MONTHS_OF_LOST_DAYS * WHOLE_FAMILY
    assert insured_family.live_entries() == owed


def test_premiums_that_were_not_computed_in_between_do_not_change(insured_family: InsuredFamily) -> None:
    owed = insured_family.live_entries()
    insured_family.submit(revert(insured_family.terminate()))
    assert insured_family.compute() == (0, 0)
    assert insured_family.live_entries() == owed
    assert not insured_family.uninvoiced()


def test_reverting_the_revert_ends_the_family_again(insured_family: InsuredFamily) -> None:
    terminated = insured_family.terminate()
    ended = insured_family.periods()
    answer = insured_family.submit(revert(terminated))
    insured_family.submit(revert(answer.change_request.change_request_id))
    assert insured_family.periods() == ended
    assert not any(insured_family.coverage().values())
    assert insured_family.orphaned() == {insured_family.application}
