"""Computes premiums into the ledger. Computing many policies takes as many queries as computing one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.catalog.prices import EngineParameters
from domain.days import Days
from domain.enrollment.decisions import GroupKey
from domain.enrollment.group import Period, days_of
from domain.errors import CannotBePriced, DomainError, MemberErased, MigrationStageForbids
from domain.migration.stages import Stage
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import Stretch, premium_stretches, span_of
from domain.premiums.ledger import LedgerRow, reconciled_rows
from domain.premiums.months import Month, days_of_month, month_of
from domain.pricing.inquiries import Policy
from operations.call import Call
from operations.catching_up import caught_up
from operations.core import Core
from operations.opening import open_groups
from operations.sources import known_contracts
from storage import enrollment_reads, migration_stages, premium_stale, premiums, recomputes
from storage.enrollment import LockedGroup
from storage.erasures import Removal, last_removals
from storage.group_lookup import GroupHead
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.premiums import Addition


@dataclass(frozen=True, slots=True)
class PremiumMonths:
    """The months to compute, both inclusive. `parameters` come from the request, if it has any."""

    first: Month
    last: Month
    parameters: EngineParameters | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """How many entries were added."""

    offsets: int
    entries: int


Outcome = Computed | DomainError


async def compute_groups(
    core: Core, call: Call, tx: Connection, groups: Sequence[LockedGroup], months: PremiumMonths
) -> dict[int, Outcome]:
    """Updates the ledger of locked groups to what is owed. Returns what was added or the error, by group key.

    The new rows get the actor of the call. Waiting recomputes of the groups run first. Premiums of groups that legacy
    tables answer can't be computed yet.
    """
    closed_to = await migrating(tx, groups)
    if closed_to:
        open_ones = [group for group in groups if group.group_key not in closed_to]
        return {**closed_to, **(await compute_groups(core, call, tx, open_ones, months) if open_ones else {})}
    heads = await _caught_up(core, call, tx, groups)
    # Read before the facts, so that the mark of a later change is not removed.
    marks = await premium_stale.marks_of(tx, [head.group_key for head in heads])
    insured = await insured_policies(core, tx, heads, months.parameters, hold=True)
    closed = await closed_months(tx, insured, months.first)
    ledger = await premiums.ledger_rows(tx, core.prices, [head.group_key for head in heads], months.first, months.last)
    outcomes: dict[int, Outcome] = {}
    additions: list[Addition] = []
    for head in heads:
        await asyncio.sleep(0)  # lets other tasks run, including the one that keeps the transaction alive
        policy = insured[head.group_key]
        try:
            ranges = open_ranges(policy, months, closed.get(head.group_key))
            fresh = [(part, fresh_stretches(core, policy, part)) for part in ranges]
        except CannotBePriced as error:
            outcomes[head.group_key] = error
            continue
        rows = ledger.get(head.group_key, {})
        added = [row for part, owed in fresh for row in reconciled_rows(rows, owed, part.first, part.last)]
        outcomes[head.group_key] = _counted(added)
        if added:
            additions.append(Addition(head.group_key, head.key.contract_id, head.revision, added))
    await premiums.add_rows(tx, core.prices, additions, call.actor)
    done = [group_key for group_key, outcome in outcomes.items() if isinstance(outcome, Computed)]
    await premiums.note_computed(tx, done, months.first, months.last)
    seen = {group_key: marks[group_key] for group_key in done if group_key in marks}
    await premium_stale.computed(tx, seen, months.first, months.last)
    return outcomes


async def migrating(tx: Connection, groups: Sequence[LockedGroup]) -> dict[int, Outcome]:
    """Returns the error for each group whose premiums can't be computed because legacy tables answer, by group key."""
    stages = await migration_stages.hold_of_contracts(tx, {group.key.contract_id for group in groups})
    return {
        group.group_key: premiums_not_open(*stages[group.key.contract_id])
        for group in groups
        if group.key.contract_id in stages and not stages[group.key.contract_id][1].opens_premiums
    }


def premiums_not_open(country: str, stage: Stage) -> MigrationStageForbids:
    return MigrationStageForbids(country, stage, "its premiums can't be computed or invoiced")


async def _caught_up(core: Core, call: Call, tx: Connection, groups: Sequence[LockedGroup]) -> list[GroupHead]:
    """Runs the waiting recomputes of locked groups, and returns the groups' heads."""
    waiting = await recomputes.waiting_recomputes(tx, [group.group_key for group in groups])
    revisions = {group.group_key: group.revision for group in groups}
    for opened in await open_groups(core, call, tx, [group for group in groups if group.group_key in waiting]):
        revisions[opened.group.group_key] = (await caught_up(core, call, tx, opened)).group.revision
    return [GroupHead(g.group_key, g.group_id, g.key, revisions[g.group_key]) for g in groups]


def _counted(added: Sequence[LedgerRow]) -> Computed:
    offsets = sum(row.num_entries for row in added if row.cancels is not None)
    return Computed(offsets, sum(row.num_entries for row in added) - offsets)


@dataclass(frozen=True, slots=True)
class ClosedMonths:
    """What limits the months of a policy that can be computed after a member was erased.

    `computed` are the months computed before. `removal` is the last removal of periods: who was covered until then is
    no longer known.
    """

    computed: Sequence[tuple[Month, Month]] = ()
    removal: Removal | None = None

    def are_computed(self, month: Month) -> bool:
        return any(first <= month <= last for first, last in self.computed)

    def are_forgotten(self, month: Month) -> bool:
        """Returns whether periods of a month may have been removed before it was computed."""
        removal = self.removal
        return removal is not None and month <= month_of(removal.erased_on) and not self.are_computed(month)


async def closed_months(
    connection: Connection, insured: Mapping[int, InsuredPolicy], first: Month
) -> dict[int, ClosedMonths]:
    """Returns the limits of policies that have an erased member, by group key, from a month on."""
    removals = await last_removals(connection, insured)
    closed: dict[int, ClosedMonths] = {}
    for group_key, policy in insured.items():
        if group_key in removals or _erased(policy):
            computed = await premiums.computed_months(connection, group_key, first)
            closed[group_key] = ClosedMonths(computed, removals.get(group_key))
    return closed


def open_ranges(insured: InsuredPolicy, months: PremiumMonths, closed: ClosedMonths | None) -> list[PremiumMonths]:
    """Returns the months that can be computed, in order: all except those in which an erased member is covered.

    Those keep what was computed before the erasure. Raises MemberErased if they were never computed, so that no month
    is skipped silently.
    """
    if closed is None:
        return [months]
    erased = _erased(insured)
    still_open: list[Month] = []
    for month in range(months.first, months.last + 1):
        covered = _covered_in(insured, erased, month)
        if covered is not None and not closed.are_computed(month):
            raise MemberErased(covered)
        if closed.removal is not None and closed.are_forgotten(month):
            raise MemberErased(closed.removal.member_id)
        if covered is None:
            still_open.append(month)
    ranges: list[PremiumMonths] = []
    for month in still_open:
        if ranges and ranges[-1].last == month - 1:
            ranges[-1] = replace(ranges[-1], last=month)
        else:
            ranges.append(replace(months, first=month, last=month))
    return ranges


def _erased(insured: InsuredPolicy) -> set[UUID]:
    """Returns the erased members among the primary and everyone who is or was enrolled under a policy."""
    policy = insured.policy
    members = {policy.primary_id, *(key.member_id for key in insured.enrolled)}
    return {member_id for member_id in members if policy.facts[member_id].erased_on}


def _covered_in(insured: InsuredPolicy, erased: set[UUID], month: Month) -> UUID | None:
    """Returns an erased member who prevents pricing a month: one who is covered in it, or the primary, on whose facts
    every price depends, if anyone is covered."""
    days, primary = Days.of(days_of_month(month)), insured.policy.primary_id
    for key, enrolled in insured.enrolled.items():
        if (key.member_id in erased or primary in erased) and enrolled & days:
            return key.member_id if key.member_id in erased else primary
    return None


def fresh_stretches(core: Core, insured: InsuredPolicy, months: PremiumMonths) -> list[Stretch]:
    """Computes the premiums of a policy. Raises CannotBePriced."""
    days = span_of(months.first, months.last)
    pricing = core.contract_pricing.of(insured.policy.contract, days, months.parameters)
    return list(premium_stretches(insured, pricing))


async def insured_policies(
    core: Core,
    connection: Connection,
    heads: Sequence[GroupHead],
    parameters: EngineParameters | None,
    *,
    hold: bool = False,
) -> dict[int, InsuredPolicy]:
    """Returns policies at their newest revisions, with everything that prices depend on, by group key.

    With `hold`, their contracts can't be amended until the transaction ends.
    """
    contract_ids = sorted({head.key.contract_id for head in heads})
    if hold:
        await lock(connection, Lock.CONTRACT, *contract_ids, shared=True)
    contracts = await known_contracts(core.contract_source, connection, contract_ids, hold=hold)
    periods = await enrollment_reads.periods_at(connection, {head.group_key: head.revision for head in heads})
    members = {period.member_id for of_group in periods.values() for period in of_group}
    members |= {head.key.primary_id for head in heads}
    facts = await core.fact_source.current_facts(connection, members, hold=False)

    def insured(head: GroupHead, of_group: Sequence[Period]) -> InsuredPolicy:
        key: GroupKey = head.key
        policy = Policy(contracts[key.contract_id], head.group_id, key.primary_id, facts)
        enrolled = days_of(of_group)
        types = {period.member_id: period.membership_type for period in of_group}
        return InsuredPolicy(policy, enrolled, types, parameters)

    return {head.group_key: insured(head, periods.get(head.group_key, ())) for head in heads}
