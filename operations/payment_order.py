"""Puts the records of checks in order of payment, with one query for the facts that decide in a whole batch."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple
from uuid import UUID

from domain.days import Day, to_day
from domain.eligibility.checks import Finding, OffersOf, Question, TodayIn, check, day_under
from domain.eligibility.coverage import CoveredRun
from domain.eligibility.payment_order import (
    ContractDay,
    Known,
    members_with_facts,
    order_modules,
    order_records,
    primaries_of_children,
)
from domain.errors import MemberUnknown
from domain.members import Facts
from operations.call import Call
from operations.core import Core
from operations.legacy.members import unknown_among
from storage.postgres.database import Connection

NO_CONTRACTS: Mapping[UUID, ContractDay] = {}


class Checked(NamedTuple):
    """The result of a check whose records have yet to be put in order of payment.

    `runs` are all runs of the member. `contracts` are those of the records; empty if all records are of one policy.
    """

    finding: Finding
    runs: Sequence[CoveredRun]
    contracts: Mapping[UUID, ContractDay]

    @property
    def members_with_facts(self) -> set[UUID]:
        """The members whose facts, which checks don't have in memory, can decide about the order."""
        return members_with_facts(self.finding.records, self.contracts) if self.contracts else set()


def todays(call: Call) -> TodayIn:
    """Returns a function that returns today in a time zone, at the same instant for all time zones."""
    stopped: Call | None = None

    def today_in(time_zone: str) -> Day:
        nonlocal stopped
        stopped = stopped or call.at(call.clock())
        return to_day(stopped.today(time_zone))

    return today_in


def checked(question: Question, runs: Sequence[CoveredRun], offers_of: OffersOf, today_in: TodayIn) -> Checked:
    """Checks a member, given all of the member's runs. Raises OffersMissing."""
    finding = check(question, runs, offers_of, today_in)
    if len(finding.records) < 2 or len({record.run.group_id for record in finding.records}) < 2:
        return Checked(finding, runs, NO_CONTRACTS)
    ids = {record.run.key.contract_id for record in finding.records}
    day_of = day_under(question.day, offers_of, today_in)
    return Checked(finding, runs, {id_: ContractDay(day_of(id_), offers_of(id_).contract.sponsor_id) for id_ in ids})


def primaries_to_read(found: Sequence[Checked]) -> set[UUID]:
    """Returns the members whose runs `in_payment_order` needs."""
    several = [each.finding.records for each in found if each.contracts]
    return {primary_id for records in several for primary_id in primaries_of_children(records)}


async def in_payment_order(
    core: Core,
    connection: Connection | None,
    found: Sequence[Checked],
    primary_runs: Callable[[UUID], Sequence[CoveredRun]],
) -> list[Finding]:
    """Returns findings with their records in order of payment.

    Facts are read in one query, and only if members are covered by several policies that only facts can tell apart.
    """
    if not any(each.contracts for each in found):
        return [in_module_order(each.finding) for each in found]
    runs = {primary_id: primary_runs(primary_id) for primary_id in primaries_to_read(found)}
    members = {member_id for each in found if each.contracts for member_id in each.members_with_facts}
    facts: dict[UUID, Facts] = {}
    if members:
        async with core.database.reading() if connection is None else nullcontext(connection) as reading:
            facts = await _facts_of(core, reading, members)
    return [_ordered(each, runs, facts) for each in found]


async def _facts_of(core: Core, connection: Connection, members: Collection[UUID]) -> dict[UUID, Facts]:
    """Returns the facts of members. Members of legacy tables whom the core doesn't know yet have none."""
    try:
        return await core.fact_source.current_facts(connection, members, hold=False)
    except MemberUnknown:
        if not core.legacy:
            raise
        known = set(members) - await unknown_among(core, connection, members)
        return await core.fact_source.current_facts(connection, known, hold=False)


def _ordered(each: Checked, runs: Mapping[UUID, Sequence[CoveredRun]], facts: Mapping[UUID, Facts]) -> Finding:
    if not each.contracts:
        return in_module_order(each.finding)
    records, decided_by = order_records(each.finding.records, each.runs, Known(each.contracts, runs, facts))
    return each.finding._replace(records=records, decided_by=decided_by)


def in_module_order(finding: Finding) -> Finding:
    """Returns a finding whose records are all of one policy with its records in order of payment."""
    if len(finding.records) < 2:
        return finding
    records, decided_by = order_modules(finding.records)
    return finding._replace(records=records, decided_by=decided_by)
