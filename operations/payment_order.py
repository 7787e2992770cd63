"""Puts the records of checks in order of payment, with one query for the facts that decide in a whole batch."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID

from domain.days import to_day
from domain.eligibility.checks import Finding, OffersOf, Question, TodayIn, check, day_under
from domain.eligibility.coverage import CoveredRun
from domain.eligibility.payment_order import (
    ContractDay,
    Known,
    members_with_facts,
    order_records,
    primaries_of_children,
)
from domain.members import Facts
from operations.call import Call
from operations.core import Core
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check whose records have yet to be put in order of payment.

    `runs` are all runs of the member. `contracts` are those of the records, and empty if there is at most one record.
    """

    finding: Finding
    runs: Sequence[CoveredRun]
    contracts: Mapping[UUID, ContractDay]

    @property
    def depends_on_facts(self) -> bool:
        """Whether facts, which checks don't have in memory, can decide about the order."""
        return bool(self._members_with_facts)

    @property
    def _members_with_facts(self) -> set[UUID]:
        return members_with_facts(self.finding.records, self.contracts) if len(self.contracts) > 1 else set()


def todays(call: Call) -> TodayIn:
    """Returns a function that returns today in a time zone, at the same instant for all time zones."""
    call = call.at(call.clock())
    return lambda time_zone: to_day(call.today(time_zone))


def checked(question: Question, runs: Sequence[CoveredRun], offers_of: OffersOf, today_in: TodayIn) -> Checked:
    """Checks a member, given all of the member's runs. Raises OffersMissing."""
    day_of = day_under(question.day, offers_of, today_in)
    finding = check(question, runs, offers_of, day_of)
    if len(finding.records) < 2:
        return Checked(finding, runs, {})
    ids = {record.run.key.contract_id for record in finding.records}
    return Checked(finding, runs, {id_: ContractDay(day_of(id_), offers_of(id_).contract.sponsor_id) for id_ in ids})


def primaries_to_read(found: Sequence[Checked]) -> set[UUID]:
    """Returns the members whose runs `in_payment_order` needs."""
    return {primary_id for each in found for primary_id in primaries_of_children(each.finding.records)}


async def in_payment_order(
    core: Core,
    connection: Connection | None,
    found: Sequence[Checked],
    primary_runs: Callable[[UUID], Sequence[CoveredRun]],
) -> list[Finding]:
    """Returns findings with their records in order of payment.

    Facts are read in one query, and only if members are covered by several policies that only facts can tell apart.
    """
    runs = {primary_id: primary_runs(primary_id) for primary_id in primaries_to_read(found)}
    members = {member_id for each in found for member_id in each._members_with_facts}
    facts: dict[UUID, Facts] = {}
    if members:
        async with core.database.reading() if connection is None else nullcontext(connection) as reading:
            facts = await core.fact_source.current_facts(reading, members, hold=False)
    return [_ordered(each, runs, facts) for each in found]


def _ordered(each: Checked, runs: Mapping[UUID, Sequence[CoveredRun]], facts: Mapping[UUID, Facts]) -> Finding:
    if len(each.finding.records) < 2:
        return each.finding
    records, decided_by = order_records(each.finding.records, each.runs, Known(each.contracts, runs, facts))
    return each.finding._replace(records=records, decided_by=decided_by)
