"""Answers checks by one set of rules: from memory while it is up to date, otherwise from the database."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from uuid import UUID

from domain.days import Day, Span
from domain.eligibility.accumulators import Usage, accumulators, limits_in_force
from domain.eligibility.checks import (
    CheckReason,
    Finding,
    Question,
    by_birthdays,
    capable_days,
    check,
    lists_capability,
    primaries_to_compare,
)
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offers
from domain.eligibility.read_model import ReadModel
from domain.errors import CapabilityUnknown
from operations.call import Call
from operations.core import Core
from operations.findings import CachedFinding, Found, MemberAccumulators
from operations.freshness import projected_position, wait_until_caught_up
from operations.locators import FIRST_DAY, LAST_DAY, store_far_locators
from operations.offers import OffersMissing
from storage import accumulators as balances
from storage import coverage
from storage.enrollment_reads import contracts_of_member
from storage.postgres.database import Connection

CAPABILITY_WINDOW_DAYS = 366
"""How many days before and after the requested one a capability is looked for."""
MAX_CACHED_FINDINGS = 10_000

T = TypeVar("T")

OffersOf = Callable[[UUID], Offers]
"""Returns the offers of a contract. Raises OffersMissing."""
UsageKey = tuple[UUID, UUID, Day]
"""Policy, member, and the first day of a term."""


class Answer(NamedTuple):
    """The result of a check as of a position of the feed."""

    found: Found
    position: int

    @property
    def finding(self) -> Finding:
        return self.found.finding

    @property
    def accumulators(self) -> Sequence[MemberAccumulators]:
        return self.found.accumulators

    @property
    def is_covered(self) -> bool:
        return self.finding.reason == CheckReason.COVERED


async def check_eligibility(core: Core, call: Call, question: Question) -> Answer:
    """Answers one question. Raises ProjectionBehind, CapabilityUnknown."""
    (answer,) = await check_many(core, call, [question])
    if isinstance(answer, CapabilityUnknown):
        raise answer
    return answer


async def check_many(core: Core, call: Call, questions: Sequence[Question]) -> list[Answer | CapabilityUnknown]:
    """Answers each question, in order. The answer to an unknown capability is its error. Raises ProjectionBehind."""
    await wait_until_caught_up(core, call)
    model = core.eligibility.fresh_model()
    if model is None:
        return await _from_database(core, call, questions)
    return await _each(questions, lambda question: _from_memory(core, call, model, question))


async def _each(
    questions: Sequence[Question], answer: Callable[[Question], Awaitable[Answer]]
) -> list[Answer | CapabilityUnknown]:
    """Returns the answer to each question, in order, or the error if its capability is unknown."""
    answers: list[Answer | CapabilityUnknown] = []
    for question in questions:
        try:
            answers.append(await answer(question))
        except CapabilityUnknown as unknown:
            answers.append(unknown)
    return answers


async def _from_memory(core: Core, call: Call, model: ReadModel, question: Question) -> Answer:
    """Answers from the cache if nothing has changed, because adjudication repeats checks of the same member and day.

    Raises CapabilityUnknown.
    """
    state, position = core.eligibility, core.eligibility.position
    stamp = (model.stamp(question.member_id), state.offers.version, model, state.lease.number)
    cached = state.findings.get(question)
    if cached is not None and cached.stamp == stamp:
        return Answer(cached.found, position)
    found = await _find(core, call, model, question)
    # The stamp doesn't cover birthdays or, for a member without coverage, the groups whose contracts list a capability.
    depends_on_more = primaries_to_compare(found.finding.records) or (question.capability and not stamp[0])
    if not depends_on_more:
        if len(state.findings) >= MAX_CACHED_FINDINGS:
            state.findings.clear()
        state.findings[question] = CachedFinding(stamp, found)
    return Answer(found, position)


async def _find(core: Core, call: Call, model: ReadModel, question: Question) -> Found:
    runs = model.runs(question.member_id)
    try:
        finding = check(question, runs, core.eligibility.offers.of)
    except OffersMissing:
        finding = await with_offers(core, lambda offers_of: check(question, runs, offers_of))
    if question.capability and finding.reason != CheckReason.COVERED:
        await reject_unknown_capability(core, None, question.member_id, question.capability, runs)
    if len(finding.records) > 1:
        finding = finding._replace(records=await in_payment_order(core, None, finding.records))
    await store_far_locators(core, call, finding.records)
    return Found(finding, _accumulators(finding.covering, question.member_id, lambda key: model.usage(*key)))


async def _from_database(core: Core, call: Call, questions: Sequence[Question]) -> list[Answer | CapabilityUnknown]:
    """Answers all questions from one snapshot, while memory isn't up to date."""
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.snapshot() as connection:
        position = await projected_position(connection)
        runs = await coverage.runs_of_members(connection, {question.member_id for question in questions})
        answers = await _each(
            questions,
            lambda question: _from_snapshot(core, connection, position, question, runs.get(question.member_id, ())),
        )
    found = [answer for answer in answers if isinstance(answer, Answer)]
    await store_far_locators(core, call, [record for answer in found for record in answer.finding.records])
    return answers


async def _from_snapshot(
    core: Core, connection: Connection, position: int, question: Question, runs: Sequence[CoveredRun]
) -> Answer:
    """Answers one question from the member's runs. Raises CapabilityUnknown."""
    finding = check(question, runs, core.eligibility.offers.of)
    if question.capability and finding.reason != CheckReason.COVERED:
        await reject_unknown_capability(core, connection, question.member_id, question.capability, runs)
    finding = finding._replace(records=await in_payment_order(core, connection, finding.records))
    keys = {(r.run.group_id, question.member_id, r.offer.term.start) for r in finding.covering}
    used = {key: await balances.usage_of(connection, *key) for key in keys}
    return Answer(Found(finding, _accumulators(finding.covering, question.member_id, used.__getitem__)), position)


async def with_offers(core: Core, work: Callable[[OffersOf], T]) -> T:
    """Returns what `work` returns, after reading contracts that it needs and that aren't in memory yet."""
    while True:
        try:
            return work(core.eligibility.offers.of)
        except OffersMissing as missing:
            await core.eligibility.offers.ensure(core.database, core.contract_source, missing.contract_id)


async def in_payment_order(
    core: Core, connection: Connection | None, records: Sequence[CoverageRecord]
) -> Sequence[CoverageRecord]:
    """Returns records in order of payment. Reads birthdays in the rare case that they matter."""
    primaries = primaries_to_compare(records)
    if not primaries:
        return records
    async with core.database.reading() if connection is None else nullcontext(connection) as reading:
        facts = await core.fact_source.current_facts(reading, primaries, hold=False)
    born = {member_id: of_member.born_on for member_id, of_member in facts.items()}
    return by_birthdays(records, born)


def _accumulators(
    records: Sequence[CoverageRecord], member_id: UUID, usage: Callable[[UsageKey], dict[str, Usage]]
) -> list[MemberAccumulators]:
    """Returns accumulators by policy, in the order of the records."""
    by_policy: dict[UUID, list[CoverageRecord]] = {}
    for record in records:
        by_policy.setdefault(record.run.group_id, []).append(record)
    found = []
    for group_id, of_policy in by_policy.items():
        limits = limits_in_force(of_policy)
        if limits:
            used = usage((group_id, member_id, of_policy[0].offer.term.start))
            found.append(MemberAccumulators(of_policy[0], accumulators(limits, used)))
    return found


async def member_runs(core: Core, call: Call, member_id: UUID) -> tuple[Sequence[CoveredRun], int]:
    """Returns a member's runs of coverage, and the position of the feed that they reflect. Raises ProjectionBehind."""
    await wait_until_caught_up(core, call)
    model = core.eligibility.fresh_model()
    if model is not None:
        return model.runs(member_id), core.eligibility.position
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.snapshot() as connection:
        position = await projected_position(connection)
        return (await coverage.runs_of_members(connection, [member_id])).get(member_id, []), position


# -------------------------------------------------------------------------------------------------- capabilities


async def reject_unknown_capability(
    core: Core, connection: Connection | None, member_id: UUID, capability: str, runs: Sequence[CoveredRun]
) -> None:
    """Raises CapabilityUnknown if a member has contracts but no version of any of them lists the capability.

    `runs` are the member's runs. Their contracts are in memory, so the database is only read if none of them lists it.
    """
    of_runs = {run.key.contract_id for run in runs}
    if await _lists(core, capability, of_runs):
        return
    async with core.database.reading() if connection is None else nullcontext(connection) as reading:
        further = await contracts_of_member(reading, member_id) - of_runs
    if (of_runs or further) and not await _lists(core, capability, further):
        raise CapabilityUnknown(capability)


async def _lists(core: Core, capability: str, contract_ids: set[UUID]) -> bool:
    return await with_offers(core, lambda offers_of: lists_capability(capability, contract_ids, offers_of))


@dataclass(frozen=True, slots=True)
class CapableAnswer:
    """The days around the requested one on which a member has a capability; None if not on that day."""

    days: Span | None
    position: int


async def check_capability(core: Core, call: Call, member_id: UUID, capability: str, day: Day) -> CapableAnswer:
    """Returns from when until when a member has a capability. Raises ProjectionBehind, CapabilityUnknown."""
    runs, position = await member_runs(core, call, member_id)
    within = Span(max(FIRST_DAY, day - CAPABILITY_WINDOW_DAYS), min(LAST_DAY, day + CAPABILITY_WINDOW_DAYS) + 1)
    days = await with_offers(core, lambda offers_of: capable_days(capability, day, runs, offers_of, within))
    if days is None:
        await reject_unknown_capability(core, None, member_id, capability, runs)
    return CapableAnswer(days, position)


async def list_capabilities(core: Core, call: Call, member_id: UUID, day: Day) -> tuple[list[str], int]:
    """Returns a member's capabilities on a day, sorted, and the position. Raises ProjectionBehind."""
    answer = await check_eligibility(core, call, Question(member_id, day))
    found = {capability for record in answer.finding.records for capability in record.offer.capabilities}
    return sorted(found), answer.position
