"""Computing premiums into the ledger, of one policy or of many: many cost as many queries as one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days
from domain.enrollment.decisions import GroupKey
from domain.enrollment.group import Period, days_of
from domain.errors import CannotBePriced, DomainError, MemberErased
from domain.premiums.affiliation import InsuredPolicy, Terms
from domain.premiums.entries import Stretch, premium_stretches, span_of
from domain.premiums.ledger import NewRow, reconciled_rows
from domain.premiums.months import Month, days_of_month
from domain.pricing.inquiries import Policy
from domain.pricing.prices import EngineParameters
from server.operations.call import Call
from server.operations.core import Core
from server.operations.opening import open_groups
from server.operations.revising import catch_up
from storage import enrollment_reads, premiums, recomputes
from storage.database import Connection
from storage.enrollment import LockedGroup
from storage.enrollment_reads import GroupHead
from storage.premiums import Addition


@dataclass(frozen=True, slots=True)
class PremiumMonths:
    """Which months are computed, both inclusive; `parameters` are the request's own, None where it brings none."""

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
    """Makes the ledger of locked groups say what is owed; by group key, what was added, or why it cannot be said.

    Recomputes that wait for the groups are done first.
    """
    heads = await _caught_up(core, call, tx, groups)
    insured = await insured_policies(core, tx, heads, months.parameters)
    ledger = await premiums.ledger_rows(tx, core.prices, [head.group_key for head in heads], months.first, months.last)
    outcomes: dict[int, Outcome] = {}
    additions: list[Addition] = []
    for head in heads:
        policy = insured[head.group_key]
        try:
            ranges = open_ranges(policy, months, await ever_computed(tx, head.group_key, policy, months))
            fresh = [(its, fresh_stretches(core, policy, its)) for its in ranges]
        except CannotBePriced as error:
            outcomes[head.group_key] = error
            continue
        rows = ledger.get(head.group_key, [])
        added = [row for its, owed in fresh for row in reconciled_rows(rows, owed, its.first, its.last)]
        outcomes[head.group_key] = _counted(added)
        if added:
            additions.append(Addition(head.group_key, head.key.contract_id, head.revision, added))
    await premiums.add_rows(tx, core.prices, additions)
    done = [group_key for group_key, outcome in outcomes.items() if isinstance(outcome, Computed)]
    await premiums.note_computed(tx, done, months.first, months.last)
    return outcomes


async def _caught_up(core: Core, call: Call, tx: Connection, groups: Sequence[LockedGroup]) -> list[GroupHead]:
    """Locked groups after the recomputes that waited for them."""
    waiting = await recomputes.waiting_recomputes(tx, [group.group_key for group in groups])
    revisions = {group.group_key: group.revision for group in groups}
    for opened in await open_groups(core, tx, [group for group in groups if group.group_key in waiting]):
        revisions[opened.group.group_key] = (await catch_up(call, tx, opened)).group.revision
    return [GroupHead(g.group_key, g.group_id, g.key, revisions[g.group_key]) for g in groups]


def _counted(added: Sequence[NewRow]) -> Computed:
    offsets = sum(row.num_entries for row in added if row.cancels is not None)
    return Computed(offsets, sum(row.num_entries for row in added) - offsets)


async def ever_computed(
    connection: Connection, group_key: int, insured: InsuredPolicy, months: PremiumMonths
) -> list[tuple[Month, Month]]:
    """Where somebody's facts were erased: which months were computed before."""
    if not _erased(insured):
        return []
    return await premiums.computed_months(connection, group_key, months.first)


def open_ranges(
    insured: InsuredPolicy, months: PremiumMonths, computed: Sequence[tuple[Month, Month]]
) -> list[PremiumMonths]:
    """The months that can be computed, in order: all but those in which somebody is covered whose facts were erased.

    These stay as they were computed before that. Raises MemberErased where they were not, so that nothing is passed
    over in silence.
    """
    erased = _erased(insured)
    if not erased:
        return [months]
    still_open: list[Month] = []
    for month in range(months.first, months.last + 1):
        covered = _covered_in(insured, erased, month)
        if covered is None:
            still_open.append(month)
        elif not any(first <= month <= last for first, last in computed):
            raise MemberErased(covered)
    ranges: list[PremiumMonths] = []
    for month in still_open:
        if ranges and ranges[-1].last == month - 1:
            ranges[-1] = replace(ranges[-1], last=month)
        else:
            ranges.append(replace(months, first=month, last=month))
    return ranges


def _erased(insured: InsuredPolicy) -> set[UUID]:
    """Whose facts were erased, of those who are or were enrolled on a policy, and its primary."""
    policy = insured.policy
    members = {policy.primary_id, *(key.member_id for key in insured.enrolled)}
    return {member_id for member_id in members if policy.facts[member_id].erased_on}


def _covered_in(insured: InsuredPolicy, erased: set[UUID], month: Month) -> UUID | None:
    """One of the erased who is covered in a month; or, where the primary is among them, by whom all are priced, the
    primary if anybody is."""
    days, primary = Days.of(days_of_month(month)), insured.policy.primary_id
    for key, enrolled in insured.enrolled.items():
        if (key.member_id in erased or primary in erased) and enrolled & days:
            return key.member_id if key.member_id in erased else primary
    return None


def fresh_stretches(core: Core, insured: InsuredPolicy, months: PremiumMonths) -> list[Stretch]:
    """What a policy owes. Raises CannotBePriced."""
    days = span_of(months.first, months.last)
    terms: Terms = core.terms.of(insured.policy.contract, days, months.parameters)
    return list(premium_stretches(insured, terms))


async def insured_policies(
    core: Core, connection: Connection, heads: Sequence[GroupHead], parameters: EngineParameters | None
) -> dict[int, InsuredPolicy]:
    """Policies as they are enrolled at their heads, with everything that prices depend on, by group key."""
    contracts: dict[UUID, Contract] = {
        contract_id: await core.contract_source.current(connection, contract_id, hold=False)
        for contract_id in sorted({head.key.contract_id for head in heads})
    }
    periods = await enrollment_reads.periods_at(connection, {head.group_key: head.revision for head in heads})
    members = {period.member_id for its in periods.values() for period in its}
    members |= {head.key.primary_id for head in heads}
    facts = await core.fact_source.current_facts(connection, members, hold=False)

    def insured(head: GroupHead, its: Sequence[Period]) -> InsuredPolicy:
        key: GroupKey = head.key
        policy = Policy(contracts[key.contract_id], head.group_id, key.primary_id, facts)
        enrolled = days_of(its)
        types = {period.member_id: period.membership_type for period in its}
        return InsuredPolicy(policy, enrolled, types, parameters)

    return {head.group_key: insured(head, periods.get(head.group_key, ())) for head in heads}
