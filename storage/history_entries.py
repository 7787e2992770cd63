"""Loads history entries from the original records. There is no separate log that could differ from them."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from domain.enrollment.history import ChangeRequest
from domain.history.entries import (
    DoneRecompute,
    EntryData,
    HistoryEntry,
    LimitUse,
    RecordedContract,
    RecordedFacts,
    RecordedUse,
)
from storage.contract_history import contract_entries
from storage.contracts import StoredContracts
from storage.history_index import HistoryScope, Position, Source
from storage.member_history import erasure_entries, member_entries, merge_entries
from storage.migration_history import stage_entries
from storage.postgres.database import Connection
from storage.postgres.documents import Document, actor_from_document
from storage.premium_history import invoice_entries, premium_entries
from storage.revision_history import change_request_entries, recompute_entries


class LocatedEntry(NamedTuple):
    """An entry with its position."""

    position: Position
    entry: HistoryEntry


async def load_entries(
    connection: Connection, contracts: StoredContracts, scope: HistoryScope, positions: Sequence[Position]
) -> list[LocatedEntry]:
    """Returns the entries at positions, in order.

    The number of statements only depends on the sources, except that every state of a contract is read separately.
    """
    found: dict[Position, HistoryEntry] = {}
    for source in {position.source for position in positions}:
        of_source = [position for position in positions if position.source is source]
        match source:
            case Source.CONTRACT:
                found |= await contract_entries(connection, contracts, of_source)
            case Source.FACT | Source.RECORD:
                found |= await member_entries(connection, of_source)
            case Source.MERGE:
                found |= await merge_entries(connection, of_source)
            case Source.ERASURE:
                found |= await erasure_entries(connection, of_source)
            case Source.CHANGE_REQUEST:
                found |= await change_request_entries(connection, scope, of_source)
            case Source.RECOMPUTE:
                found |= await recompute_entries(connection, scope, of_source)
            case Source.MIGRATION:
                found |= await stage_entries(connection, of_source)
            case Source.PREMIUM:
                found |= await premium_entries(connection, scope, of_source)
            case Source.INVOICE:
                found |= await invoice_entries(connection, scope, of_source)
            case Source.APPLICATION | Source.REVERSAL:
                found |= await _uses(connection, scope, source, of_source)
    return [LocatedEntry(position, found[position]) for position in positions]


async def _uses(
    connection: Connection, scope: HistoryScope, source: Source, positions: Sequence[Position]
) -> dict[Position, HistoryEntry]:
    """Returns the entries for applications to limits, or for their reversals, by position."""
    is_reversal = source is Source.REVERSAL
    recorded = "accumulator_reversal" if is_reversal else "accumulator_application"
    cursor = await connection.execute(
        "SELECT a.application_key, a.application_id, a.group_id, a.member_id, o.actor, e.code, e.asked, e.applied"
        f" FROM accumulator_application a JOIN {recorded} o USING (application_key)"
        " LEFT JOIN accumulator_entry e ON e.application_key = a.application_key AND (e.reverses IS NOT NULL) = %s"
        " WHERE a.application_key = ANY(%s) ORDER BY e.entry_key",
        [is_reversal, [key for _, _, (key,) in positions]],
    )
    contract_ids = {head.group_id: head.key.contract_id for head in scope.groups.values()}
    about: dict[int, tuple[UUID, UUID, UUID, Document]] = {}
    uses: dict[int, list[LimitUse]] = {}
    for key, application_id, group_id, member_id, actor, *use in await cursor.fetchall():
        about[key] = (application_id, group_id, member_id, actor)
        uses.setdefault(key, []).extend([LimitUse(*use)] if use[0] is not None else [])
    found = {}
    for position in positions:
        (key,) = position.key
        application_id, group_id, member_id, actor = about[key]
        found[position] = HistoryEntry(
            f"{source.name}/{application_id}",
            position.recorded_at,
            actor_from_document(actor),
            RecordedUse(application_id, member_id, is_reversal, tuple(uses[key])),
            group_id=group_id,
            member_id=member_id,
            contract_id=contract_ids[group_id],
        )
    return found


def weight_of(located: LocatedEntry) -> int:
    """Returns the approximate size of an entry's message in bytes, which limits the size of a page."""
    differences = len(located.entry.made.differences) if located.entry.made else 0
    return 500 + 300 * differences + _weight_of_data(located.entry.data)


def _weight_of_data(data: EntryData) -> int:
    match data:
        case ChangeRequest() as request:
            reasons = [*request.violations, *(reason for notice in request.notices for reason in notice.reasons)]
            causes = sum(1 + len(reason.chain) for reason in reasons)
            notes = sum(len(scoped.note) for scoped in request.changes)
            items = len(request.changes) + len(request.consequences) + len(request.notices)
            return notes + 300 * items + 400 * causes
        case RecordedFacts() as facts:
            return 400 * len(facts.changes)
        case RecordedContract() as contract:
            fields = [*contract.changes.fields, *(f for v in contract.changes.versions for f in v.fields)]
            return sum(100 + len(field.before) + len(field.after) for field in fields)
        case DoneRecompute() as done:
            causes = sum(1 + len(r.chain) for unmet in done.recompute.unmet.enrolls for r in unmet.reasons)
            return 100 * len(done.triggers) + 300 * len(done.recompute.unmet.enrolls) + 400 * causes
        case _:
            return 3_000
