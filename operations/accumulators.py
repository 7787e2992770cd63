"""Applies amounts to accumulators, reverses applications, and lists both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from domain.actors import Actor
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
from operations.call import Call
from operations.core import Core
from operations.freshness import wait_for_projection
from operations.legacy.runs import legacy_runs
from operations.paging import Page
from storage import accumulators as ledger
from storage import coverage
from storage.accumulators import Application, Balance, LedgerLine, NewApplication, Reversal
from storage.merges import aliases_of, lock_unmerged
from storage.migration_stages import hold_of_countries
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """The amounts to apply. `fingerprint` identifies everything except the application's id."""

    application_id: UUID
    fingerprint: bytes
    member_id: UUID
    group_id: UUID
    service_on: date
    asked: tuple[Asked, ...]
    reject_excess: bool


@dataclass(frozen=True, slots=True)
class ApplyAnswer:
    """The amounts applied, in the order of the request, and the term that they count towards."""

    applied: Sequence[Applied]
    group_id: UUID
    member_id: UUID
    term: tuple[Day, Day]


async def apply_accumulators(core: Core, call: Call, request: ApplyRequest) -> ApplyAnswer:
    """Applies amounts up to what is left. A repeated application returns the same result.

    Raises MemberMerged, NotCovered, AccumulatorNotInForce, LimitReached, ApplicationIdReused, ProjectionBehind.
    """
    await wait_for_projection(core, call)
    await core.eligibility.offers.refresh(core.database, core.contract_source)

    async def work(tx: Connection) -> ApplyAnswer:
        await hold_of_countries(tx, core.legacy.countries)
        await lock(tx, Lock.APPLICATION, request.application_id)
        if made := await ledger.application(tx, request.application_id):
            if made.fingerprint != request.fingerprint or await ledger.reversal(tx, made.application_key):
                raise ApplicationIdReused(request.application_id)
            return _answer_from_document(made.answer)
        await lock_unmerged(tx, request.member_id)
        await ledger.lock_policy(tx, request.group_id)
        call.trail.usage_of = (request.group_id,)
        records = await _records_on(core, tx, request.group_id, request.member_id, request.service_on)
        if not records:
            raise NotCovered(request.member_id, request.group_id, request.service_on)
        call.trail.resolved_group(request.group_id, records[0].run.key)
        term = records[0].offer.term
        usage = await ledger.usage_of(tx, request.group_id, request.member_id, term.start)
        applied = apply(request.asked, limits_in_force(records), usage, reject_excess=request.reject_excess)
        answer = ApplyAnswer(applied, request.group_id, request.member_id, (term.start, term.end))
        new = NewApplication(
            request.application_id,
            request.fingerprint,
            request.group_id,
            request.member_id,
            request.service_on,
            term.start,
            call.actor,
        )
        await ledger.add_application(tx, new, applied, _answer_to_document(answer))
        return answer

    answer = await core.write(call, work)
    core.history.look_wanted.set()
    return answer


async def _records_on(
    core: Core, connection: Connection, group_id: UUID, member_id: UUID, on: date
) -> list[CoverageRecord]:
    """Returns a member's records of a day under a policy: projected ones, or those of legacy tables that answer."""
    day = to_day(on)
    projected = await coverage.runs_of_members(connection, [member_id])
    legacy = await legacy_runs(core, connection, [member_id], projected)
    runs = legacy.instead_of(projected.get(member_id, ()), member_id)
    offers: list[tuple[Any, Offers]] = [
        (run, core.eligibility.offers.of(run.key.contract_id))
        for run in runs
        if run.group_id == group_id and run.days.holds(day)
    ]
    return [record for run, of_contract in offers if (record := record_on(run, of_contract, day))]


@dataclass(frozen=True, slots=True)
class ReverseAnswer:
    """The reversed amounts, the usage afterwards, later excesses that could now be applied, and who reversed them."""

    application_id: UUID
    lines: Sequence[tuple[str, int, Usage]]
    later: Sequence[LaterExcess]
    group_id: UUID
    member_id: UUID
    service_on: date
    term: Day
    actor: Actor


async def reverse_accumulators(core: Core, call: Call, application_id: UUID) -> ReverseAnswer:
    """Reverses an application. A repeated call returns the same result. Raises ApplicationUnknown."""
    await core.eligibility.offers.refresh(core.database, core.contract_source)

    async def work(tx: Connection) -> ReverseAnswer:
        await hold_of_countries(tx, core.legacy.countries)
        await lock(tx, Lock.APPLICATION, application_id)
        made = await ledger.application(tx, application_id)
        if made is None:
            raise ApplicationUnknown(application_id)
        call.trail.resolved(group_id=made.group_id, member_id=made.member_id)
        if stored := await ledger.reversal(tx, made.application_key):
            return _reversal_from_document(await _as_counted(tx, made), stored)
        await ledger.lock_policy(tx, made.group_id)
        made = await _as_counted(tx, made)  # under the lock, because a merge moves usage under it, too
        call.trail.usage_of = (made.group_id,)
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
            application_id, lines, later, made.group_id, made.member_id, made.service_on, made.term, call.actor
        )
        await ledger.add_reversal(tx, made, entries, after, Reversal(_reversal_to_document(answer), call.actor))
        return answer

    answer = await core.write(call, work)
    core.history.look_wanted.set()
    return answer


async def _as_counted(connection: Connection, made: Application) -> Application:
    """Returns an application with the member to whose usage it counts."""
    aliases = await aliases_of(connection, [made.member_id])
    return replace(made, member_id=aliases.get(made.member_id, made.member_id))


async def _could_apply(
    core: Core, tx: Connection, made: Application, after: dict[str, Usage], freed: dict[str, int]
) -> list[LaterExcess]:
    """Returns later excesses that could be applied now, each after those before it."""
    found: list[LaterExcess] = []
    given: dict[str, int] = {}
    own: dict[tuple[UUID, str], int] = {}
    excesses = await ledger.later_excesses(tx, made, list(freed))
    aliases = await aliases_of(tx, {excess.member_id for excess in excesses})
    for recorded in excesses:
        excess = replace(recorded, member_id=aliases.get(recorded.member_id, recorded.member_id))
        records = await _records_on(core, tx, made.group_id, excess.member_id, excess.service_on)
        limit = limits_in_force(records).get(excess.code)
        if limit is None:
            continue  # the member is no longer covered on that day
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


@dataclass(frozen=True, slots=True)
class LedgerOwner:
    """Whose ledger to read: a policy's or a member's; exactly one is set."""

    group_id: UUID | None = None
    member_id: UUID | None = None


async def list_applications(
    core: Core, call: Call, owner: LedgerOwner, orphaned_only: bool, page: Page[int]
) -> list[LedgerLine]:
    """Returns the ledger of a policy or a member, in the order in which it was written. Raises ProjectionBehind."""
    await wait_for_projection(core, call)
    async with core.database.reading() as connection:
        return await ledger.list_lines(
            connection,
            owner.group_id,
            owner.member_id,
            orphaned_only=orphaned_only,
            after=page.after,
            limit=page.size,
        )


async def list_balances(core: Core, group_id: UUID, page: Page[tuple[str, str, str] | None]) -> list[Balance]:
    """Returns the balances of everything ever used under a policy, in order of term, code and member."""
    async with core.database.reading() as connection:
        return await ledger.list_balances(connection, group_id, page.after, page.size)


# -------------------------------------------------------------------------------------------------- first answers


def _answer_to_document(answer: ApplyAnswer) -> Any:
    return {
        "group_id": str(answer.group_id),
        "member_id": str(answer.member_id),
        "term": list(answer.term),
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
    return ApplyAnswer(applied, UUID(document["group_id"]), UUID(document["member_id"]), (start, end))


def _reversal_to_document(answer: ReverseAnswer) -> Any:
    return {
        "lines": [[code, applied, usage.individual, usage.family] for code, applied, usage in answer.lines],
        "later": [
            [str(each.application_id), str(each.member_id), each.code, each.excess, each.could_apply]
            for each in answer.later
        ],
    }


def _reversal_from_document(made: Application, stored: Reversal) -> ReverseAnswer:
    document = stored.answer
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
        stored.actor,
    )
