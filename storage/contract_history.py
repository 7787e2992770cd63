"""Loads history entries about contracts: publications and amendments."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.catalog.contract_changes import contract_changes
from domain.history.entries import HistoryEntry, RecordedContract
from storage.contracts import StoredContracts
from storage.history_index import Position, Source
from storage.postgres.database import Connection
from storage.postgres.documents import actor_from_document


def contract_entry_id(contract_id: UUID, revision: int) -> str:
    return f"{Source.CONTRACT.name}/{contract_id}/{revision}"


async def contract_entries(
    connection: Connection, contracts: StoredContracts, positions: Sequence[Position]
) -> dict[Position, HistoryEntry]:
    """Returns the entries for states of contracts, by position."""
    cursor = await connection.execute(
        "SELECT contract_id, revision, actor FROM contract_revision"
        " JOIN unnest(%s::uuid[], %s::integer[]) AS w(contract_id, revision) USING (contract_id, revision)",
        [[contract_id for _, _, (contract_id, _) in positions], [revision for _, _, (_, revision) in positions]],
    )
    actors = {(contract_id, revision): actor for contract_id, revision, actor in await cursor.fetchall()}
    found = {}
    for position in positions:
        contract_id, revision = position.key
        after = await contracts.state(connection, contract_id, revision)
        before = await contracts.state(connection, contract_id, revision - 1) if revision > 1 else None
        changes = contract_changes(before.contract if before else None, after.contract).bounded()
        found[position] = HistoryEntry(
            contract_entry_id(contract_id, revision),
            position.recorded_at,
            actor_from_document(actors[contract_id, revision]),
            RecordedContract(contract_id, revision, changes),
            contract_id=contract_id,
        )
    return found


async def contract_revisions_as_of(
    connection: Connection, wanted: Sequence[tuple[UUID, datetime]]
) -> dict[tuple[UUID, datetime], int]:
    """Returns the revision of each contract at an instant. Contracts that didn't exist then are omitted."""
    cursor = await connection.execute(
        "SELECT w.contract_id, w.instant, c.revision"
        " FROM unnest(%s::uuid[], %s::timestamptz[]) AS w(contract_id, instant)"
        " CROSS JOIN LATERAL (SELECT revision FROM contract_revision r WHERE r.contract_id = w.contract_id"
        " AND r.recorded_at <= w.instant ORDER BY r.recorded_at DESC LIMIT 1) AS c",
        [[contract_id for contract_id, _ in wanted], [instant for _, instant in wanted]],
    )
    return {(contract_id, instant): revision for contract_id, instant, revision in await cursor.fetchall()}
