"""Applying amounts to accumulators, and taking applications back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from domain.catalog.contract import Limit, LimitUnit
from domain.days import Day, to_day
from domain.eligibility.accumulators import (
    Accumulator,
    Applied,
    Asked,
    LaterExcess,
    Usage,
    accumulators,
    apply,
    limits_in_force,
)
from domain.eligibility.coverage import CoverageRecord, Offers, record_on
from domain.errors import ApplicationIdReused, ApplicationUnknown, NotCovered
from server.operations.call import Call
from server.operations.core import Core
from server.operations.eligibility import wait_for_projection
from server.operations.eligibility_state import Written
from storage import accumulators as ledger
from storage import coverage
from storage.accumulators import Application, LedgerLine, NewApplication
from storage.database import Connection
from storage.requests import lock


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """What is asked; `fingerprint` is of everything but the application's id."""

    application_id: UUID
    fingerprint: bytes
    member_id: UUID
    group_id: UUID
    service_on: date
    asked: tuple[Asked, ...]
    reject_excess: bool


@dataclass(frozen=True, slots=True)
class ApplyAnswer:
    """What was applied, in the order asked, under which record; and the version of the policy's usage then."""

    applied: Sequence[Applied]
    group_id: UUID
    member_id: UUID
    term: tuple[Day, Day]
    version: int


async def apply_accumulators(core: Core, call: Call, request: ApplyRequest, written: Written) -> ApplyAnswer:
    """Applies what is left; a repeated application answers the same again.

    Raises NotCovered, AccumulatorNotInForce, LimitReached, ApplicationIdReused, ProjectionBehind.
    """
    await wait_for_projection(core, written)
    await core.eligibility.offers.refresh(core.database, core.contract_source)

    async def work(tx: Connection) -> ApplyAnswer:
        await lock(tx, "application", request.application_id)
        if made := await ledger.application(tx, request.application_id):
            if made.fingerprint != request.fingerprint or await ledger.reversal_answer(tx, made.application_key):
                raise ApplicationIdReused(request.application_id)
            return _answer_from_document(made.answer)
        version = await ledger.lock_policy(tx, request.group_id)
        records = await _records_on(core, tx, request.group_id, request.member_id, request.service_on)
        if not records:
            raise NotCovered(request.member_id, request.group_id, request.service_on)
        term = records[0].offer.term
        usage = await ledger.usage_of(tx, request.group_id, request.member_id, term.start)
        applied = apply(request.asked, limits_in_force(records), usage, reject_excess=request.reject_excess)
        answer = ApplyAnswer(applied, request.group_id, request.member_id, (term.start, term.end), version)
        new = NewApplication(
            request.application_id,
            request.fingerprint,
            request.group_id,
            request.member_id,
            request.service_on,
            term.start,
        )
        await ledger.add_application(tx, new, applied, _answer_to_document(answer))
        return answer

    answer = await core.write(call, work)
    core.eligibility.usage_written.set()
    return answer


async def _records_on(
    core: Core, connection: Connection, group_id: UUID, member_id: UUID, on: date
) -> list[CoverageRecord]:
    """A member's records of a day under a policy, as projected."""
    day = to_day(on)
    runs = (await coverage.runs_of_members(connection, [member_id])).get(member_id, [])
    offers: list[tuple[Any, Offers]] = [
        (run, core.eligibility.offers.of(run.key.contract_id))
        for run in runs
        if run.group_id == group_id and run.days.holds(day)
    ]
    return [record for run, its in offers if (record := record_on(run, its, day))]


@dataclass(frozen=True, slots=True)
class ReverseAnswer:
    """What was undone, with what is used after it; of which later applications more could be applied; the version."""

    application_id: UUID
    lines: Sequence[tuple[str, int, Usage]]
    later: Sequence[LaterExcess]
    group_id: UUID
    member_id: UUID
    service_on: date
    term: Day
    version: int


async def reverse_accumulators(core: Core, call: Call, application_id: UUID) -> ReverseAnswer:
    """Undoes an application; again: answers the same. Raises ApplicationUnknown."""
    await core.eligibility.offers.refresh(core.database, core.contract_source)

    async def work(tx: Connection) -> ReverseAnswer:
        await lock(tx, "application", application_id)
        made = await ledger.application(tx, application_id)
        if made is None:
            raise ApplicationUnknown(application_id)
        if document := await ledger.reversal_answer(tx, made.application_key):
            return _reversal_from_document(made, document)
        version = await ledger.lock_policy(tx, made.group_id)
        entries = await ledger.entries_of(tx, made.application_key)
        before = await ledger.usage_of(tx, made.group_id, made.member_id, made.term)
        after = dict(before)
        for entry in entries:
            used = before.get(entry.code, Usage())
            after[entry.code] = Usage(used.individual - entry.applied, used.family - entry.applied)
        freed = {entry.code: entry.applied for entry in entries if entry.applied}
        lines = [(entry.code, -entry.applied, after[entry.code]) for entry in entries]
        later = await _could_apply(core, tx, made, after, freed)
        answer = ReverseAnswer(
            application_id, lines, later, made.group_id, made.member_id, made.service_on, made.term, version
        )
        await ledger.add_reversal(tx, made, entries, after, _reversal_to_document(answer))
        return answer

    answer = await core.write(call, work)
    core.eligibility.usage_written.set()
    return answer


async def _could_apply(
    core: Core, tx: Connection, made: Application, after: dict[str, Usage], freed: dict[str, int]
) -> list[LaterExcess]:
    """Later excesses that could be applied now, each given what those before it leave."""
    found: list[LaterExcess] = []
    given: dict[str, int] = {}
    own: dict[tuple[UUID, str], int] = {}
    for excess in await ledger.later_excesses(tx, made, list(freed)):
        records = await _records_on(core, tx, made.group_id, excess.member_id, excess.service_on)
        limit = limits_in_force(records).get(excess.code)
        if limit is None:
            continue  # orphaned
        if excess.member_id == made.member_id:
            usage = after[excess.code]
        else:
            before = await ledger.usage_of(tx, made.group_id, excess.member_id, made.term)
            usage = Usage(before.get(excess.code, Usage()).individual, after[excess.code].family)
        key = (excess.member_id, excess.code)
        usage = Usage(usage.individual + own.get(key, 0), usage.family + given.get(excess.code, 0))
        room = _accumulator(limit, usage).remaining
        could = excess.excess if room is None else min(excess.excess, room)
        if could:
            own[key] = own.get(key, 0) + could
            given[excess.code] = given.get(excess.code, 0) + could
            found.append(LaterExcess(excess.application_id, excess.member_id, excess.code, excess.excess, could))
    return found


def _accumulator(limit: Limit, usage: Usage) -> Accumulator:
    (found,) = accumulators({limit.code: limit}, {limit.code: usage})
    return found


async def list_applications(
    core: Core,
    call: Call,
    group_id: UUID | None,
    member_id: UUID | None,
    orphaned_only: bool,
    after: int,
    limit: int,
    written: Written,
) -> list[LedgerLine]:
    """The ledger of a policy or a member, in the order in which it was written. Raises ProjectionBehind."""
    await wait_for_projection(core, written)
    async with core.database.reading() as connection:
        return await ledger.list_lines(
            connection, group_id, member_id, orphaned_only=orphaned_only, after=after, limit=limit
        )


# -------------------------------------------------------------------------------------------------- first answers


def _answer_to_document(answer: ApplyAnswer) -> Any:
    return {
        "group_id": str(answer.group_id),
        "member_id": str(answer.member_id),
        "term": list(answer.term),
        "version": answer.version,
        "applied": [
            {
                "code": each.asked.code,
                "asked": each.asked.amount,
                "applied": each.applied,
                "unit": each.accumulator.unit.value,
                "limits": [each.accumulator.individual_limit, each.accumulator.family_limit],
                "usage": [each.accumulator.usage.individual, each.accumulator.usage.family],
            }
            for each in answer.applied
        ],
    }


def _answer_from_document(document: Any) -> ApplyAnswer:
    applied = [
        Applied(
            Asked(each["code"], each["asked"]),
            each["applied"],
            Accumulator(
                each["code"], LimitUnit(each["unit"]), each["limits"][0], each["limits"][1], Usage(*each["usage"])
            ),
        )
        for each in document["applied"]
    ]
    start, end = document["term"]
    return ApplyAnswer(
        applied, UUID(document["group_id"]), UUID(document["member_id"]), (start, end), document["version"]
    )


def _reversal_to_document(answer: ReverseAnswer) -> Any:
    return {
        "version": answer.version,
        "lines": [[code, applied, usage.individual, usage.family] for code, applied, usage in answer.lines],
        "later": [
            [str(each.application_id), str(each.member_id), each.code, each.excess, each.could_apply]
            for each in answer.later
        ],
    }


def _reversal_from_document(made: Application, document: Any) -> ReverseAnswer:
    return ReverseAnswer(
        made.application_id,
        [(code, applied, Usage(individual, family)) for code, applied, individual, family in document["lines"]],
        [
            LaterExcess(UUID(application_id), UUID(member_id), code, excess, could)
            for application_id, member_id, code, excess, could in document["later"]
        ],
        made.group_id,
        made.member_id,
        made.service_on,
        made.term,
        document["version"],
    )
