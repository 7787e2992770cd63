"""Explains why enrollments don't cover a member on a day that was covered before or has been requested."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.days import Day, to_date
from domain.eligibility.checks import Question
from domain.enrollment.changed_inputs import ChangedInput
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.effort import replay_seconds
from domain.enrollment.explained import ExplainedRun, RunFilter, excluded_on
from domain.enrollment.explained_in_words import Origin
from domain.enrollment.failed_rules import FailedRule, SeenFact
from domain.errors import LegacyCannotHold
from operations.call import Call
from operations.core import Core
from operations.explanations import ExplainedDifference, explain_difference
from operations.group_inputs import Origins, fact_origins
from operations.looking import look_into
from operations.payment_order import todays
from operations.sources import known_contracts
from storage import explanations
from storage.group_lookup import AsOf, GroupFilter, GroupHead, contracts_of_member, list_heads
from storage.postgres.database import Connection

MAX_EXPLAINED = 5
"""The maximum number of enrollments to explain for one check, and of groups to search for them."""


@dataclass(frozen=True, slots=True)
class LostDay:
    """An enrollment that lost the day, and the run of days that a revision removed."""

    group_id: UUID
    key: EnrollmentKey
    revision: int
    run: ExplainedRun
    difference: ExplainedDifference


@dataclass(frozen=True, slots=True)
class ExcludedDay:
    """An enrollment that never had the day, and the rules that exclude it, with the origins of their facts."""

    group_id: UUID
    key: EnrollmentKey
    day: Day
    rules: Sequence[FailedRule]
    origins: Origins


@dataclass(frozen=True, slots=True)
class MissingCoverage:
    """The enrollments that would cover the member, in order of group and module, and how many more there are."""

    enrollments: Sequence[LostDay | ExcludedDay]
    omitted: int


async def explain_missing(core: Core, call: Call, question: Question, primary_id: UUID | None) -> MissingCoverage:
    """Returns the enrollments that would have made the check succeed. With `primary_id`, only those in its groups.

    The capability in the question is ignored, because any enrollment could have it. Without a day in the question, the
    day is each contract's today.
    """
    which = RunFilter(question.member_id, question.module_id)
    async with core.database.snapshot() as connection:
        days = await _days(core, call, connection, question)
        changes = [
            (day, change)
            for day, contract_ids in days.items()
            for change in await explanations.last_changes(
                connection, question.member_id, question.module_id, to_date(day), primary_id, contract_ids
            )
        ]
        heads = await list_heads(connection, GroupFilter(member_id=question.member_id), AsOf(), None, MAX_EXPLAINED)
    lost = [(day, change) for day, change in changes if change.is_lost]
    found: list[LostDay | ExcludedDay] = []
    for day, change in lost[:MAX_EXPLAINED]:
        key = EnrollmentKey(question.member_id, change.module_id)
        difference = await explain_difference(core, call, change.group_id, change.revision, RunFilter(*key))
        for run in difference.explanation.runs:
            if not run.run.gained and run.run.days.holds(day):
                found.append(LostDay(change.group_id, key, change.revision, run, difference))
    known = {(change.group_id, change.module_id) for _, change in lost}
    excluded = [
        each
        for head in heads
        if primary_id in (None, head.key.primary_id)
        for day, contract_ids in days.items()
        if contract_ids is None or head.key.contract_id in contract_ids
        for each in await _excluded(core, call, head, which, day)
        if (each.group_id, each.key.module_id) not in known
    ]
    shown = [*found, *excluded][:MAX_EXPLAINED]
    shown.sort(key=lambda each: (each.group_id, each.key.module_id))
    return MissingCoverage(shown, len(lost) + len(excluded) - len(shown))


async def _days(
    core: Core, call: Call, connection: Connection, question: Question
) -> Mapping[Day, Collection[UUID] | None]:
    """Returns the days of a question with the contracts under which each is checked; None: under all contracts."""
    if question.day is not None:
        return {question.day: None}
    today_in = todays(call)
    days: dict[Day, set[UUID]] = {}
    of_member = await contracts_of_member(connection, question.member_id)
    contracts = await known_contracts(core.contract_source, connection, of_member, hold=False)
    for contract_id, contract in contracts.items():
        days.setdefault(today_in(contract.time_zone), set()).add(contract_id)
    return days


async def _excluded(core: Core, call: Call, head: GroupHead, which: RunFilter, day: Day) -> list[ExcludedDay]:
    """Returns the enrollments of a group that approved requests ask for on a day but rules exclude.

    Returns none for a group that can't be aligned with the legacy tables that answer for it.
    """
    try:
        async with core.database.snapshot() as connection:
            seen = await look_into(core, call, connection, head.key)
    except LegacyCannotHold:
        return []
    excluded = await core.compute(call, replay_seconds(seen.basis), excluded_on, seen.basis, which, day)
    wanted: dict[UUID, set[SeenFact]] = {}
    for fact in (fact for _, rules in excluded for rule in rules for fact in rule.facts):
        wanted.setdefault(fact.member_id, set()).add(fact)
    origins: dict[ChangedInput | SeenFact, Origin] = {}
    async with core.database.snapshot() as connection:
        for member_id, facts in wanted.items():
            origins.update(await fact_origins(connection, member_id, None, list(facts)))
    return [ExcludedDay(head.group_id, key, day, rules, origins) for key, rules in excluded]
