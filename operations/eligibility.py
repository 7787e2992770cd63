"""Answers checks by one set of rules: from memory while it is up to date, otherwise from the database."""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import NamedTuple, TypeVar
from uuid import UUID

from domain.days import Day
from domain.eligibility.accumulators import Usage, accumulators, limits_in_force
from domain.eligibility.checks import (
    CheckReason,
    Finding,
    Question,
    TodayIn,
    day_under,
    lists_capability,
    with_day,
)
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offers
from domain.eligibility.read_model import ReadModel
from domain.errors import CapabilityUnknown
from operations.call import Call
from operations.core import Core
from operations.findings import CachedFinding, Found, MemberAccumulators, Stamp
from operations.freshness import wait_until_caught_up
from operations.locators import store_far_locators
from operations.member_runs import SeenRuns, projected_runs, runs_in_snapshot
from operations.offers import OffersMissing
from operations.payment_order import Checked, checked, in_module_order, in_payment_order, primaries_to_read, todays
from storage import accumulators as balances
from storage.group_lookup import contracts_of_member
from storage.postgres.database import Connection

MAX_CACHED_FINDINGS = 10_000

T = TypeVar("T")

OffersOf = Callable[[UUID], Offers]
"""Returns the offers of a contract. Raises OffersMissing."""
UsageOf = Callable[[UUID, UUID, Day], dict[str, Usage]]
"""Returns the usage by code under a policy, of a member, within the term with this first day."""


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
    if core.legacy and (answers := await _with_legacy(core, call, model, questions)) is not None:
        return answers
    return await _from_memory(core, call, model, questions)


class _Pending(NamedTuple):
    """A check to complete: its records aren't in order of payment, and its accumulators are missing.

    `number` counts the pending checks of a call. `stamp` is that of the member when the check was made; None if the
    result can't be cached.
    """

    number: int
    question: Question
    checked: Checked
    position: int
    stamp: Stamp | None = None


async def _from_memory(
    core: Core, call: Call, model: ReadModel, questions: Sequence[Question]
) -> list[Answer | CapabilityUnknown]:
    """Answers from the cache if nothing has changed, because adjudication repeats checks of the same member and day."""
    state, today_in = core.eligibility, todays(call)
    answers: list[Answer | CapabilityUnknown | _Pending] = []
    pending: dict[Question, _Pending] = {}
    new: list[Answer] = []
    for each in questions:
        question = each if each.day is not None else await _with_day(core, model, each, today_in)
        position = state.position
        stamp = (model.stamp(question.member_id), state.offers.version, model, state.lease.number)
        cached = state.findings.get(question)
        if cached is not None and cached.stamp == stamp:
            answers.append(Answer(cached.found, position))
            continue
        if question in pending:
            answers.append(pending[question])
            continue
        try:
            found = await _check_in_memory(core, model, question, today_in)
        except CapabilityUnknown as unknown:
            answers.append(unknown)
            continue
        if found.contracts:
            pending[question] = _Pending(len(pending), question, found, position, stamp)
            answers.append(pending[question])
        else:
            new.append(_answer(core, question, found, in_module_order(found.finding), model.usage, position, stamp))
            answers.append(new[-1])
    completed = await _completed(core, None, list(pending.values()), model.runs, model.usage) if pending else []
    await _store_far_locators(core, call, new + completed)
    return _filled(answers, completed)


async def _with_day(core: Core, model: ReadModel, question: Question, today_in: TodayIn) -> Question:
    """Returns a question with its day if all contracts of the member have the same today."""
    runs = model.runs(question.member_id)
    return await with_offers(
        core, lambda offers_of: with_day(question, runs, day_under(None, offers_of, today_in), today_in("UTC"))
    )


async def _check_in_memory(core: Core, model: ReadModel, question: Question, today_in: TodayIn) -> Checked:
    """Checks a member. Raises CapabilityUnknown."""
    runs = model.runs(question.member_id)
    try:
        found = checked(question, runs, core.eligibility.offers.of, today_in)
    except OffersMissing:
        found = await with_offers(core, lambda offers_of: checked(question, runs, offers_of, today_in))
    if question.capability and found.finding.reason != CheckReason.COVERED:
        await reject_unknown_capability(core, None, question.member_id, question.capability, runs)
    return found


async def _from_database(core: Core, call: Call, questions: Sequence[Question]) -> list[Answer | CapabilityUnknown]:
    """Answers all questions from one snapshot, while memory isn't up to date."""
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.snapshot() as connection:
        seen = await runs_in_snapshot(core, connection, None, {question.member_id for question in questions})
        answers, completed = await _in_snapshot(core, call, connection, None, seen, questions)
    await _store_far_locators(core, call, completed)
    return answers


async def _with_legacy(
    core: Core, call: Call, model: ReadModel, questions: Sequence[Question]
) -> list[Answer | CapabilityUnknown] | None:
    """Answers all questions from memory and legacy tables. Returns None if these answer for none of the members."""
    while True:
        try:
            async with core.database.snapshot() as connection:
                seen = await runs_in_snapshot(core, connection, model, {each.member_id for each in questions})
                if not seen.legacy:
                    return None
                answers, completed = await _in_snapshot(core, call, connection, model, seen, questions)
        except OffersMissing as missing:
            await core.eligibility.offers.ensure(core.database, core.contract_source, missing.contract_id)
        else:
            await _store_far_locators(core, call, completed)
            return answers


async def _in_snapshot(
    core: Core,
    call: Call,
    connection: Connection,
    model: ReadModel | None,
    seen: SeenRuns,
    questions: Sequence[Question],
) -> tuple[list[Answer | CapabilityUnknown], list[Answer]]:
    """Returns the answers, and those of them that aren't errors. Raises OffersMissing."""
    today_in = todays(call)
    answers: list[Answer | CapabilityUnknown | _Pending] = []
    pending: list[_Pending] = []
    for question in questions:
        try:
            found = await _check_in_snapshot(core, connection, question, seen, today_in)
            pending.append(_Pending(len(pending), question, found, seen.position))
            answers.append(pending[-1])
        except CapabilityUnknown as unknown:
            answers.append(unknown)
    primaries = primaries_to_read([each.checked for each in pending])
    primary_runs = await projected_runs(connection, model, primaries)
    keys = {
        (record.run.group_id, each.question.member_id, record.offer.term.start)
        for each in pending
        for record in each.checked.finding.covering
    }
    used = {} if model else {key: await balances.usage_of(connection, *key) for key in keys}
    completed = await _completed(
        core,
        connection,
        pending,
        lambda primary_id: seen.legacy.instead_of(primary_runs.get(primary_id, ()), primary_id),
        model.usage if model else lambda *key: used[key],
    )
    return _filled(answers, completed), completed


async def _check_in_snapshot(
    core: Core, connection: Connection, question: Question, seen: SeenRuns, today_in: TodayIn
) -> Checked:
    """Checks a member. Raises CapabilityUnknown, OffersMissing."""
    runs = seen.of(question.member_id)
    found = checked(question, runs, core.eligibility.offers.of, today_in)
    if question.capability and found.finding.reason != CheckReason.COVERED:
        further = seen.legacy.contracts_of(question.member_id)
        await reject_unknown_capability(core, connection, question.member_id, question.capability, runs, further)
    return found


async def _completed(
    core: Core,
    connection: Connection | None,
    pending: Sequence[_Pending],
    primary_runs: Callable[[UUID], Sequence[CoveredRun]],
    usage: UsageOf,
) -> list[Answer]:
    """Returns the answers to pending checks, after putting records in order of payment and adding accumulators."""
    findings = await in_payment_order(core, connection, [each.checked for each in pending], primary_runs)
    return [
        _answer(core, each.question, each.checked, finding, usage, each.position, each.stamp)
        for each, finding in zip(pending, findings, strict=True)
    ]


def _answer(
    core: Core,
    question: Question,
    checked: Checked,
    finding: Finding,
    usage: UsageOf,
    position: int,
    stamp: Stamp | None,
) -> Answer:
    """Returns the answer with a finding whose records are in order of payment, and caches it if that is possible."""
    found = Found(finding, _accumulators(finding.covering, question.member_id, usage))
    if stamp is not None and not _depends_on_more(question, checked, stamp):
        _cache(core, question, CachedFinding(stamp, found))
    return Answer(found, position)


def _filled(
    answers: Sequence[Answer | CapabilityUnknown | _Pending], completed: Sequence[Answer]
) -> list[Answer | CapabilityUnknown]:
    """Returns answers with each pending check replaced by its completed answer."""
    return [completed[each.number] if isinstance(each, _Pending) else each for each in answers]


def _depends_on_more(question: Question, checked: Checked, stamp: Stamp) -> bool:
    """Returns whether a result depends on more than its question and stamp: on facts, on today or, for a member without
    coverage, on the groups whose contracts list a capability.
    """
    if question.day is None or (question.capability and not stamp[0]):
        return True
    return bool(checked.contracts and checked.members_with_facts)


def _cache(core: Core, question: Question, finding: CachedFinding) -> None:
    cached = core.eligibility.findings
    if len(cached) >= MAX_CACHED_FINDINGS:
        cached.clear()
    cached[question] = finding


async def _store_far_locators(core: Core, call: Call, answers: Sequence[Answer]) -> None:
    if answers:
        await store_far_locators(core, call, [record for answer in answers for record in answer.finding.records])


async def with_offers(core: Core, work: Callable[[OffersOf], T]) -> T:
    """Returns what `work` returns, after reading contracts that it needs and that aren't in memory yet."""
    while True:
        try:
            return work(core.eligibility.offers.of)
        except OffersMissing as missing:
            await core.eligibility.offers.ensure(core.database, core.contract_source, missing.contract_id)


def _accumulators(records: Sequence[CoverageRecord], member_id: UUID, usage: UsageOf) -> list[MemberAccumulators]:
    """Returns accumulators in order of policy."""
    if len(records) == 1:
        return _accumulators_of(records, member_id, usage)
    by_policy: dict[UUID, list[CoverageRecord]] = {}
    for record in records:
        by_policy.setdefault(record.run.group_id, []).append(record)
    return [each for _, of_one in sorted(by_policy.items()) for each in _accumulators_of(of_one, member_id, usage)]


def _accumulators_of(of_policy: Sequence[CoverageRecord], member_id: UUID, usage: UsageOf) -> list[MemberAccumulators]:
    """Returns the accumulators under the policy of some records; none if no limit is in force."""
    limits = limits_in_force(of_policy)
    if not limits:
        return []
    used = usage(of_policy[0].run.group_id, member_id, of_policy[0].offer.term.start)
    return [MemberAccumulators(of_policy[0], accumulators(limits, used))]


async def reject_unknown_capability(
    core: Core,
    connection: Connection | None,
    member_id: UUID,
    capability: str,
    runs: Sequence[CoveredRun],
    of_legacy: Collection[UUID] = (),
) -> None:
    """Raises CapabilityUnknown if a member has contracts but no version of any of them lists the capability.

    `runs` are the member's runs. Their contracts are in memory, so the database is only read if none of them lists it.
    `of_legacy` are the contracts of the member's groups in legacy tables.
    """
    of_runs = {run.key.contract_id for run in runs} | set(of_legacy)
    if await _lists(core, capability, of_runs):
        return
    async with core.database.reading() if connection is None else nullcontext(connection) as reading:
        further = await contracts_of_member(reading, member_id) - of_runs
    if (of_runs or further) and not await _lists(core, capability, further):
        raise CapabilityUnknown(capability)


async def _lists(core: Core, capability: str, contract_ids: set[UUID]) -> bool:
    return await with_offers(core, lambda offers_of: lists_capability(capability, contract_ids, offers_of))
