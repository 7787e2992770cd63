"""Lists what was recorded about a group, a member or a contract, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.differences import first_changed_day
from domain.enrollment.group import Period, types_of
from domain.history.costs import CostQuestion, cost_changes, seconds_of
from domain.history.entries import HistoryEntry, HistoryKind
from domain.pricing.changes import Enrolled
from domain.pricing.inquiries import Policy
from operations.call import Call
from operations.core import Core
from operations.history_view import HistoryView
from operations.paging import Page
from storage import history_scope
from storage.bounded_reads import read_up_to
from storage.contract_history import contract_revisions_as_of
from storage.history_entries import LocatedEntry, load_entries, weight_of
from storage.history_index import HistoryFilter, HistoryScope, Position, newest_positions
from storage.member_history import facts_as_of
from storage.postgres.database import Connection
from storage.revision_history import PeriodsOfDay, RevisionKey, first_days_of_corrected_types, periods_around


@dataclass(frozen=True, slots=True)
class HistorySubject:
    """What a history is about. Exactly one field is set."""

    group_id: UUID | None = None
    member_id: UUID | None = None
    contract_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which entries to list: the subject, the kinds (empty means all), and the range of instants (end excluded)."""

    subject: HistorySubject
    kinds: frozenset[HistoryKind] = frozenset()
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


async def list_history(
    core: Core, call: Call, query: HistoryQuery, page: Page[Position | None], max_bytes: int
) -> tuple[list[LocatedEntry], bool]:
    """Returns the entries that the caller may see, and whether there are more.

    Returns about `max_bytes` at most, but at least one entry. Raises GroupUnknown, MemberUnknown, ContractUnknown.
    """
    view = HistoryView.of(call.caller)
    async with core.database.snapshot() as connection:
        scope = view.narrowed(await _scope(connection, query.subject))
        which = HistoryFilter(view.sources(query.kinds), query.recorded_from, query.recorded_before)
        found = await newest_positions(connection, scope, which, page.after, page.size + 1)
        located = await read_up_to(
            found[: page.size],
            lambda positions: load_entries(connection, core.contracts, scope, positions),
            weight_of,
            max_bytes,
        )
        questions = await _cost_questions(core, connection, scope, located)
    costs = await core.compute(call, seconds_of(list(questions.values())), cost_changes, list(questions.values()))
    by_entry = dict(zip(questions, costs, strict=True))
    shown = []
    for position, entry in located:
        priced = entry
        if entry.made:
            priced = replace(entry, made=replace(entry.made, monthly_cost=by_entry.get(entry.entry_id)))
        shown.append(LocatedEntry(position, view.shown(priced)))
    return shown, len(located) < len(found)


async def _scope(connection: Connection, subject: HistorySubject) -> HistoryScope:
    if subject.group_id is not None:
        return await history_scope.of_group(connection, subject.group_id)
    if subject.member_id is not None:
        return await history_scope.of_member(connection, subject.member_id)
    return await history_scope.of_contract(connection, subject.contract_id or UUID(int=0))


async def _cost_questions(
    core: Core, connection: Connection, scope: HistoryScope, located: Sequence[LocatedEntry]
) -> dict[str, CostQuestion]:
    """Returns, by entry id, what is needed to price the entries that changed enrollments.

    Contracts and facts are as of the instant at which the revision was recorded.
    """
    keys = {head.group_id: key for key, head in scope.groups.items()}
    entries: dict[RevisionKey, HistoryEntry] = {}
    for _, entry in located:
        if entry.made and entry.made.differences and entry.group_id:
            entries[keys[entry.group_id], entry.made.revision] = entry
    if not entries:
        return {}
    days = {key: first_changed_day(entry.made.differences) for key, entry in entries.items() if entry.made}
    only_types = [key for key, on in days.items() if on is None]
    days |= await first_days_of_corrected_types(connection, only_types)
    around = await periods_around(connection, days)
    instants = [(scope.groups[group].key.contract_id, of.recorded_at) for (group, _), of in around.items()]
    revisions = await contract_revisions_as_of(connection, instants)
    people = {(m, of.recorded_at) for (group, _), of in around.items() for m in _people(scope, group, of)}
    facts = await facts_as_of(connection, sorted(people))
    questions = {}
    for (group, revision), of in around.items():
        head, on = scope.groups[group], days[group, revision]
        contract_revision = revisions.get((head.key.contract_id, of.recorded_at))
        if contract_revision is None or on is None:
            continue
        contract = (await core.contracts.state(connection, head.key.contract_id, contract_revision)).contract
        known = {m: facts[m, of.recorded_at] for m in _people(scope, group, of) if (m, of.recorded_at) in facts}
        questions[entries[group, revision].entry_id] = CostQuestion(
            Policy(contract, head.group_id, head.key.primary_id, known),
            _enrolled(of.before),
            _enrolled(of.after),
            on,
        )
    return questions


def _people(scope: HistoryScope, group: int, around: PeriodsOfDay) -> set[UUID]:
    """Returns the members on whom the cost depends: everyone enrolled, and the primary."""
    return {scope.groups[group].key.primary_id, *(period.member_id for period in (*around.before, *around.after))}


def _enrolled(periods: Sequence[Period]) -> Enrolled:
    keys = frozenset(EnrollmentKey(period.member_id, period.module_id) for period in periods)
    return Enrolled(keys, types_of(periods))
