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
from domain.premiums.months import Month, days_of_month, month_of
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
            its = still_open(policy, months, await ever_computed(tx, head.group_key, policy, months))
            if its is None:
                outcomes[head.group_key] = Computed(0, 0)
                continue
            fresh = fresh_stretches(core, policy, its)
        except CannotBePriced as error:
            outcomes[head.group_key] = error
            continue
        added = reconciled_rows(ledger.get(head.group_key, []), fresh, its.first, its.last)
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
    """Where somebody's facts were erased: which months were computed before; they stay so."""
    if erasure_of(insured) is None:
        return []
    return await premiums.computed_months(connection, group_key, months.first)


def still_open(
    insured: InsuredPolicy, months: PremiumMonths, computed: Sequence[tuple[Month, Month]]
) -> PremiumMonths | None:
    """The months that can be computed: where somebody's facts were erased, those after, since the others were computed
    when that was done; None: none of them. Raises MemberErased where they were not, so that nothing is passed over."""
    erased = erasure_of(insured)
    if erased is None or erased[0] < months.first:
        return months
    for month in range(months.first, min(erased[0], months.last) + 1):
        if not any(first <= month <= last for first, last in computed) and _is_covered(insured, month):
            raise MemberErased(erased[1])
    first = erased[0] + 1
    return replace(months, first=first) if first <= months.last else None


def erasure_of(insured: InsuredPolicy) -> tuple[Month, UUID] | None:
    """The month of the last erasure among a policy's members, and whose it was; None: there was none."""
    policy = insured.policy
    members = {policy.primary_id, *(key.member_id for key in insured.enrolled)}
    erased = [(on, member_id) for member_id in members if (on := policy.facts[member_id].erased_on)]
    return (month_of(max(erased)[0]), max(erased)[1]) if erased else None


def _is_covered(insured: InsuredPolicy, month: Month) -> bool:
    days = Days.of(days_of_month(month))
    return any(enrolled & days for enrolled in insured.enrolled.values())


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
