"""Answers cost inquiries from one snapshot. Many inquiries take as many queries as one.

Quotes only depend on contracts, which are in memory; a query checks whether they are current.
"""

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days, Span, to_day
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.group import Period
from domain.enrollment.group import periods as all_periods
from domain.errors import ContractUnknown, DomainError, GroupUnknown, LegacyCannotHold
from domain.identity import group_id
from domain.members import Facts
from domain.money import Rounding
from domain.pricing.beneficiaries import BeneficiarySpec
from domain.pricing.inquiries import (
    Policy,
    Priced,
    enrolled_specs,
    price_enrolled,
    price_on_policy,
    price_quote,
)
from operations.call import Call
from operations.core import Core
from operations.legacy.answering import answered_groups, found_by_searching
from operations.looking import look_into, state_of
from storage import enrollment_reads, group_lookup
from storage.enrollment import NEW_GROUP
from storage.group_lookup import GroupHead
from storage.postgres.database import Connection

PRICED_PER_TURN = 50
"""How many inquiries are priced before other tasks get a turn."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A cost inquiry about a policy, people on a policy (`group` and `specs`), or people under a contract."""

    on: date
    rounding: Rounding | None
    group: UUID | GroupKey | None = None
    contract_id: UUID | None = None
    specs: tuple[BeneficiarySpec, ...] | None = None


async def insurance_cost(core: Core, call: Call, inquiry: Inquiry) -> Priced:
    """Answers one inquiry. Raises GroupUnknown, ContractUnknown, LegacyCannotHold, and subclasses of CannotBePriced."""
    (outcome,) = await insurance_costs(core, call, [inquiry])
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


async def insurance_costs(core: Core, call: Call, inquiries: Sequence[Inquiry]) -> list[Priced | DomainError]:
    """Returns a price or an error for each inquiry, in order."""
    outcomes = await _priced(core, call, inquiries)
    unknown = [
        isinstance(outcome, GroupUnknown) and isinstance(i.group, UUID)
        for i, outcome in zip(inquiries, outcomes, strict=True)
    ]
    if any(unknown) and await found_by_searching(core):
        outcomes = await _priced(core, call, inquiries)
    return outcomes


async def _priced(core: Core, call: Call, inquiries: Sequence[Inquiry]) -> list[Priced | DomainError]:
    if all(inquiry.group is None for inquiry in inquiries):
        wanted = {inquiry.contract_id for inquiry in inquiries if inquiry.contract_id}
        contracts = await core.eligibility.offers.current(core.database, core.contract_source, wanted)
        loaded = _Loaded({}, contracts, {}, {}, {})
    else:
        async with core.database.snapshot() as connection:
            loaded = await _load(core, call, connection, inquiries)
    outcomes: list[Priced | DomainError] = []
    for i, inquiry in enumerate(inquiries):
        try:
            outcomes.append(_price(inquiry, loaded))
        except DomainError as error:
            outcomes.append(error)
        if i % PRICED_PER_TURN == PRICED_PER_TURN - 1:
            await asyncio.sleep(0)
    return outcomes


@dataclass(frozen=True, slots=True)
class _Loaded:
    heads: dict[UUID | GroupKey, GroupHead]
    contracts: dict[UUID, Contract]
    periods: dict[tuple[UUID, date], list[Period]]
    facts: dict[UUID, Facts]
    rejected: dict[UUID, DomainError]
    """Groups of legacy tables that can't be aligned, with the reason."""


async def _load(core: Core, call: Call, connection: Connection, inquiries: Sequence[Inquiry]) -> _Loaded:
    groups = [inquiry.group for inquiry in inquiries if inquiry.group is not None]
    heads = await group_lookup.group_heads(connection, groups) if groups else {}
    legacy = await answered_groups(core, connection, groups)
    for group, found in legacy.items():
        heads[group] = GroupHead(NEW_GROUP, found.group_id, found.key, 0)
    wanted = {i.contract_id for i in inquiries if i.contract_id} | {head.key.contract_id for head in heads.values()}
    contracts = await core.contract_source.current(connection, wanted, hold=False)
    # An unknown contract is reported for each inquiry that needs it.
    periods: dict[tuple[UUID, date], list[Period]] = {}
    for on in sorted({i.on for i in inquiries if i.group is not None}):
        existing = [heads[i.group] for i in inquiries if i.on == on and i.group in heads and i.group not in legacy]
        touching = await enrollment_reads.periods_at(
            connection, {head.group_key: head.revision for head in existing}, _only(on)
        )
        periods |= {(head.group_id, on): touching.get(head.group_key, []) for head in existing}
    facts: dict[UUID, Facts] = {}
    rejected: dict[UUID, DomainError] = {}
    for key, days in _legacy_days(inquiries, heads, legacy).items():
        try:
            seen = await look_into(core, call, connection, key)
        except LegacyCannotHold as blocked:
            rejected[group_id(*key)] = blocked
            continue
        state, types = await state_of(core, call, seen), seen.basis.membership_types()
        for on in days:
            touched = Days.of(_only(on))
            periods[group_id(*key), on] = [each for each in all_periods(state, types) if Days.of(each.days) & touched]
        facts |= seen.basis.facts
    members = {period.member_id for of_group in periods.values() for period in of_group}
    members |= {head.key.primary_id for head in heads.values() if head.group_id not in rejected}
    if members - facts.keys():
        facts |= await core.fact_source.current_facts(connection, members - facts.keys(), hold=False)
    return _Loaded(heads, contracts, periods, facts, rejected)


def _legacy_days(
    inquiries: Sequence[Inquiry], heads: Mapping[UUID | GroupKey, GroupHead], legacy: Container[UUID | GroupKey]
) -> dict[GroupKey, set[date]]:
    """Returns the groups that legacy tables answer for, with the days of their inquiries."""
    days: dict[GroupKey, set[date]] = {}
    for inquiry in inquiries:
        if inquiry.group is not None and inquiry.group in legacy:
            days.setdefault(heads[inquiry.group].key, set()).add(inquiry.on)
    return days


def _only(day: date) -> Span:
    return Span(to_day(day), to_day(day) + 1)


def _price(inquiry: Inquiry, loaded: _Loaded) -> Priced:
    if inquiry.group is None:
        contract_id = inquiry.contract_id
        if contract_id is None or contract_id not in loaded.contracts:
            raise ContractUnknown(contract_id or UUID(int=0))
        return price_quote(loaded.contracts[contract_id], inquiry.specs or (), inquiry.on, inquiry.rounding)
    head = loaded.heads.get(inquiry.group)
    if head is None:
        named = inquiry.group._asdict() if isinstance(inquiry.group, GroupKey) else {"group_id": inquiry.group}
        raise GroupUnknown(**named)
    if head.group_id in loaded.rejected:
        raise loaded.rejected[head.group_id]
    policy = Policy(loaded.contracts[head.key.contract_id], head.group_id, head.key.primary_id, loaded.facts)
    periods = loaded.periods.get((head.group_id, inquiry.on), [])
    if inquiry.specs is not None:
        own = tuple(period.module_id for period in periods if period.member_id == head.key.primary_id)
        return price_on_policy(policy, inquiry.specs, own, inquiry.on, inquiry.rounding)
    enrolled = [EnrollmentKey(period.member_id, period.module_id) for period in periods]
    types = {period.member_id: period.membership_type for period in periods}
    return price_enrolled(policy, enrolled_specs(policy, enrolled, types, inquiry.on), inquiry.on, inquiry.rounding)
