"""Checks, answered from memory where it may be believed, else from the database; both by the same rules."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeVar
from uuid import UUID

from domain.days import Day, Span, to_day
from domain.eligibility.accumulators import Accumulator, Usage, accumulators, limits_in_force
from domain.eligibility.checks import (
    CheckReason,
    Finding,
    Question,
    by_birthdays,
    capable_days,
    check,
    primaries_to_compare,
)
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offers, records_of
from domain.eligibility.read_model import ReadModel
from domain.errors import CoverageUnknown, NotNow, ProjectionBehind
from server.operations.call import Call
from server.operations.core import Core
from server.operations.eligibility_state import NOTHING, Written
from server.operations.offers import OffersMissing
from storage import accumulators as balances
from storage import coverage
from storage.accumulators import Balance
from storage.coverage import CoverageFilter
from storage.database import Connection

POLL_SECONDS = 0.05
AROUND_DAYS = 366
T = TypeVar("T")


class MemberAccumulators(NamedTuple):
    """The accumulators that go with a record."""

    record: CoverageRecord
    accumulators: Sequence[Accumulator]


@dataclass(slots=True, eq=False)
class Found:
    """What a check has found, with the accumulators of the member's policies. `wire` is what the answer was made into
    for the caller, alone or in a batch, kept in case that it is asked for again."""

    finding: Finding
    accumulators: Sequence[MemberAccumulators]
    wire: bytes | None = None
    batch_wire: bytes | None = None


class Answer(NamedTuple):
    """What a check has found, as of a position of the feed."""

    found: Found
    position: int

    @property
    def finding(self) -> Finding:
        return self.found.finding

    @property
    def accumulators(self) -> Sequence[MemberAccumulators]:
        return self.found.accumulators


UsageKey = tuple[UUID, UUID, Day]
"""Policy, member, and the first day of a term."""


@dataclass(frozen=True, slots=True)
class Known:
    """All runs of some members, and what they have used, as of a position of the feed."""

    runs: dict[UUID, list[CoveredRun]]
    usage: Callable[[UsageKey], dict[str, Usage]]
    position: int


async def check_eligibility(core: Core, call: Call, question: Question, written: Written = NOTHING) -> Answer:
    """Raises ProjectionBehind."""
    (answer,) = await check_many(core, call, [question], written)
    return answer


async def check_many(core: Core, call: Call, questions: Sequence[Question], written: Written = NOTHING) -> list[Answer]:
    """One answer for each question, in order. Raises ProjectionBehind."""
    if written is not NOTHING:
        await _caught_up(core, written)
    model = core.eligibility.fresh_model()
    if model is None:
        return await _from_database(core, questions)
    return [await _from_memory(core, model, question) for question in questions]


MOST_REMEMBERED = 10_000


async def _from_memory(core: Core, model: ReadModel, question: Question) -> Answer:
    """Whoever adjudicates asks of one member and day again and again: what was found holds until something changes."""
    state, position = core.eligibility, core.eligibility.position
    stamp = (model.stamp(question.member_id), state.offers.version, model)
    known = state.answers.get(question)
    if known is not None and known[0] == stamp:
        return Answer(known[1], position)
    found = await _find(core, model, question)
    if not primaries_to_compare(found.finding.records):  # birthdays are not in the stamp
        if len(state.answers) >= MOST_REMEMBERED:
            state.answers.clear()
        state.answers[question] = (stamp, found)
    return Answer(found, position)


async def _find(core: Core, model: ReadModel, question: Question) -> Found:
    runs = model.runs(question.member_id)
    try:
        finding = check(question, runs, core.eligibility.offers.of)
    except OffersMissing:
        finding = await _offered(core, lambda of: check(question, runs, of))
    if len(finding.records) > 1:
        finding = await _ordered(core, None, finding)
    return Found(finding, _accumulators(finding.covering, question.member_id, lambda key: model.usage(*key)))


async def _from_database(core: Core, questions: Sequence[Question]) -> list[Answer]:
    """Where memory cannot be believed: one snapshot for all questions."""
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.snapshot() as connection:
        position = await _position(connection)
        runs = await coverage.runs_of_members(connection, {question.member_id for question in questions})
        answers = []
        for question in questions:
            finding = check(question, runs.get(question.member_id, ()), core.eligibility.offers.of)
            finding = await _ordered(core, connection, finding)
            keys = {(r.run.group_id, question.member_id, r.offer.term.start) for r in finding.covering}
            used = {key: await balances.usage_of(connection, *key) for key in keys}
            told = _accumulators(finding.covering, question.member_id, used.__getitem__)
            answers.append(Answer(Found(finding, told), position))
    return answers


async def can_check(core: Core) -> bool:
    """Whether checks are answered: from memory, or from a projection that goes on."""
    if core.eligibility.fresh_model() is not None:
        return True
    try:
        async with core.database.reading() as connection:
            await _position(connection)
    except (ProjectionBehind, NotNow):
        return False
    return True


async def _position(connection: Connection) -> int:
    """Up to where the feed is projected. Raises ProjectionBehind where that does not go on."""
    found = await coverage.checkpoint(connection)
    if found is None or await coverage.is_stuck(connection):
        raise ProjectionBehind
    return found.position


async def _offered(core: Core, work: Callable[[Callable[[UUID], Offers]], T]) -> T:
    """Work that needs offers; a contract that is new is read first."""
    while True:
        try:
            return work(core.eligibility.offers.of)
        except OffersMissing as missing:
            await core.eligibility.offers.ensure(core.database, core.contract_source, missing.contract_id)


async def _ordered(core: Core, connection: Connection | None, finding: Finding) -> Finding:
    """With records in full order of payment: birthdays are read in the rare case that they matter."""
    primaries = primaries_to_compare(finding.records)
    if not primaries:
        return finding
    async with core.database.reading() if connection is None else nullcontext(connection) as reading:
        facts = await core.fact_source.current_facts(reading, primaries, hold=False)
    born = {member_id: its.born_on for member_id, its in facts.items()}
    return finding._replace(records=by_birthdays(finding.records, born))


def _accumulators(
    records: Sequence[CoverageRecord], member_id: UUID, usage: Callable[[UsageKey], dict[str, Usage]]
) -> list[MemberAccumulators]:
    """By policy, in the order in which records first name it."""
    by_policy: dict[UUID, list[CoverageRecord]] = {}
    for record in records:
        by_policy.setdefault(record.run.group_id, []).append(record)
    told = []
    for group_id, its in by_policy.items():
        limits = limits_in_force(its)
        if limits:
            used = usage((group_id, member_id, its[0].offer.term.start))
            told.append(MemberAccumulators(its[0], accumulators(limits, used)))
    return told


async def _caught_up(core: Core, written: Written) -> None:
    """Waits until what is known reflects a write. The caller's deadline ends it."""
    state = core.eligibility
    if written.contract and state.offers.revision_of(written.contract[0]) < written.contract[1]:
        await state.offers.refresh(core.database, core.contract_source)
    while not await _reflects(core, written):
        await state.moved(POLL_SECONDS)


async def wait_for_projection(core: Core, written: Written) -> None:
    """Waits until the database's projection, which writes go by, reflects a write. Raises ProjectionBehind."""
    while True:
        async with core.database.reading() as connection:
            await _position(connection)
            if written.policy is None:
                return
            if await coverage.revision_of(connection, written.policy[0]) >= written.policy[1]:
                return
        await core.eligibility.moved(POLL_SECONDS)


async def _reflects(core: Core, written: Written) -> bool:
    if written.policy is None and written.usage is None:
        return True
    model = core.eligibility.fresh_model()
    if model is None:
        if written.policy is None:
            return True
        async with core.database.reading() as connection:
            return await coverage.revision_of(connection, written.policy[0]) >= written.policy[1]
    return not (
        (written.policy and model.revision_of(written.policy[0]) < written.policy[1])
        or (written.usage and model.usage_version_of(written.usage[0]) < written.usage[1])
    )


# -------------------------------------------------------------------------------------------------- capabilities


@dataclass(frozen=True, slots=True)
class CapableAnswer:
    """For which days somebody has a capability; None: not on the day asked for."""

    days: Span | None
    position: int


async def check_capability(
    core: Core, call: Call, member_id: UUID, capability: str, day: Day, written: Written = NOTHING
) -> CapableAnswer:
    """Raises ProjectionBehind."""
    runs, position = await _runs(core, member_id, written)
    within = Span(max(FIRST_DAY, day - AROUND_DAYS), min(LAST_DAY, day + AROUND_DAYS) + 1)
    days = await _offered(core, lambda of: capable_days(capability, day, runs, of, within))
    return CapableAnswer(days, position)


async def list_capabilities(
    core: Core, call: Call, member_id: UUID, day: Day, written: Written = NOTHING
) -> tuple[list[str], int]:
    """What a member has on a day, in order, and the position. Raises ProjectionBehind."""
    answer = await check_eligibility(core, call, Question(member_id, day), written)
    found = {capability for record in answer.finding.records for capability in record.offer.capabilities}
    return sorted(found), answer.position


async def _runs(core: Core, member_id: UUID, written: Written) -> tuple[Sequence[CoveredRun], int]:
    await _caught_up(core, written)
    model = core.eligibility.fresh_model()
    if model is not None:
        return model.runs(member_id), core.eligibility.position
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.snapshot() as connection:
        position = await _position(connection)
        return (await coverage.runs_of_members(connection, [member_id])).get(member_id, []), position


# -------------------------------------------------------------------------------------------------- records


async def get_coverage(core: Core, call: Call, locator: UUID, written: Written = NOTHING) -> CoverageRecord:
    """Raises CoverageUnknown, ProjectionBehind."""
    async with core.database.reading() as connection:
        found = await coverage.find_locator(connection, locator)
    if found is None:
        found = await _find_projected(core, locator, written)
    if found is None:
        raise CoverageUnknown(locator)
    group_id, member_id = found
    runs, _ = await _runs(core, member_id, written)
    of_policy = [run for run in runs if run.group_id == group_id]
    span = Span(FIRST_DAY, last_located_day(call))
    records = await _offered(
        core, lambda of: [r for run in of_policy for r in records_of(run, of(run.key.contract_id), span)]
    )
    for record in records:
        if record.locator == locator:
            return record
    raise CoverageUnknown(locator)


async def _find_projected(core: Core, locator: UUID, written: Written) -> tuple[UUID, UUID] | None:
    """Looks again when the database's projection has come to where memory is, and has located what was amended where
    the token tells of that: a check may have told of the record."""
    await _caught_up(core, written)
    known, amended = core.eligibility.position, core.eligibility.offers.mark if written.contract else 0
    while True:
        async with core.database.reading() as connection:
            projected = await coverage.checkpoint(connection)
            if projected is None or (
                projected.position >= known and await coverage.located_mark(connection) >= amended
            ):
                return await coverage.find_locator(connection, locator)
        await core.eligibility.moved(POLL_SECONDS)


FIRST_DAY: Day = to_day(date.min)
LAST_DAY: Day = to_day(date.max)
LOCATED_AHEAD_DAYS = 366


def last_located_day(call: Call) -> Day:
    """Until when records can be found by their locators."""
    return call.clock().date().toordinal() + LOCATED_AHEAD_DAYS


async def member_coverage(
    core: Core, call: Call, member_id: UUID, days: Span, written: Written = NOTHING
) -> list[CoverageRecord]:
    """A member's records with a day within a bounded span, in order of first day. Raises ProjectionBehind."""
    runs, _ = await _runs(core, member_id, written)
    records = await _offered(
        core, lambda of: [r for run in runs for r in records_of(run, of(run.key.contract_id), days)]
    )
    return sorted(records, key=lambda r: (r.days.start, r.run.group_id, r.run.module_id))


async def list_coverage(
    core: Core, call: Call, wanted: CoverageFilter, after: UUID, limit: int, written: Written = NOTHING
) -> tuple[list[CoverageRecord], UUID | None]:
    """Records of policies in order of id, beginning after one; and the last of these policies, None: there are no more.

    Raises ContractUnknown, ProjectionBehind.
    """
    await wait_for_projection(core, written)
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    async with core.database.snapshot() as connection:
        if wanted.contract_id:
            await core.contracts.recorded(connection, wanted.contract_id)
        policies, runs = await coverage.list_policies(connection, wanted, after, limit)
    records = await _offered(
        core, lambda of: [r for run in runs for r in records_of(run, of(run.key.contract_id), wanted.days)]
    )
    return records, policies[-1] if len(policies) == limit else None


async def list_balances(
    core: Core, call: Call, group_id: UUID, after: tuple[str, str, str] | None, limit: int
) -> list[Balance]:
    """What was ever used under a policy."""
    async with core.database.reading() as connection:
        return await balances.list_balances(connection, group_id, after, limit)


def is_covered(answer: Answer) -> bool:
    return answer.finding.reason == CheckReason.COVERED
