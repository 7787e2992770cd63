"""The stages of countries that are being migrated from legacy tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.enrollment.decisions import GroupKey
from domain.migration.stages import Stage
from storage.postgres.database import Connection
from storage.postgres.documents import actor_from_document, actor_to_document
from storage.postgres.instants import NOW
from storage.postgres.locks import Lock, lock
from storage.postgres.rows import fetch_value, find_value

CountryStage = tuple[str, Stage]

_MAPPED = "SELECT i.id FROM legacy_identifier i JOIN migration m USING (country) WHERE i.kind = 'CONTRACT'"

CONTRACTS_WITHOUT_PREMIUMS = f"{_MAPPED} AND m.stage IN ('TRANSLATE', 'DUAL_WRITE', 'READ_CORE')"
"""SQL for the contracts whose premiums can't be computed yet, because legacy tables answer for their groups."""

CONTRACTS_WITHOUT_CHANGES = f"{_MAPPED} AND m.stage = 'TRANSLATE'"
"""SQL for the contracts whose enrollments can't be changed here yet."""


async def of_contracts(connection: Connection, contract_ids: Iterable[UUID]) -> dict[UUID, CountryStage]:
    """Returns the countries of mapped contracts with their stages, by contract. Other contracts are missing."""
    cursor = await connection.execute(
        "SELECT i.id, m.country, m.stage FROM legacy_identifier i JOIN migration m USING (country)"
        " WHERE i.kind = 'CONTRACT' AND i.id = ANY(%s)",
        [list(set(contract_ids))],
    )
    return {contract_id: (country, Stage(stage)) for contract_id, country, stage in await cursor.fetchall()}


async def of_all_contracts(connection: Connection) -> dict[UUID, CountryStage]:
    """Returns the countries of all mapped contracts with their stages, by contract."""
    cursor = await connection.execute(
        "SELECT i.id, m.country, m.stage FROM legacy_identifier i JOIN migration m USING (country)"
        " WHERE i.kind = 'CONTRACT'"
    )
    return {contract_id: (country, Stage(stage)) for contract_id, country, stage in await cursor.fetchall()}


async def of_group(connection: Connection, group: UUID | GroupKey) -> CountryStage | None:
    """Returns the country of a group and its stage, if its contract is mapped."""
    if isinstance(group, GroupKey):
        return (await of_contracts(connection, [group.contract_id])).get(group.contract_id)
    cursor = await connection.execute(
        "SELECT m.country, m.stage FROM migration m WHERE m.country = coalesce("
        "(SELECT i.country FROM legacy_identifier i WHERE i.kind = 'GROUP' AND i.id = %(group)s),"
        " (SELECT i.country FROM enrollment_group g JOIN legacy_identifier i ON i.id = g.contract_id"
        " AND i.kind = 'CONTRACT' WHERE g.group_id = %(group)s))",
        {"group": group},
    )
    row = await cursor.fetchone()
    return (row[0], Stage(row[1])) if row else None


async def hold_of_contracts(tx: Connection, contract_ids: Iterable[UUID]) -> dict[UUID, CountryStage]:
    """Returns the same as `of_contracts`. The stages can't change until the transaction ends."""
    contract_ids = set(contract_ids)
    found = await of_contracts(tx, contract_ids)
    if not found:
        return {}
    await lock(tx, Lock.MIGRATION, *{stage_lock_id(country) for country, _ in found.values()}, shared=True)
    return await of_contracts(tx, contract_ids)


async def hold(tx: Connection, country: str, *, exclusive: bool = False) -> Stage | None:
    """Returns the stage of a country, which can't change until the transaction ends; None if it has none.

    With `exclusive`, waits for all transactions that depend on the stage, and only this one can change it.
    """
    await lock(tx, Lock.MIGRATION, stage_lock_id(country), shared=not exclusive)
    stage = await find_value(tx, str, "SELECT stage FROM migration WHERE country = %s", [country])
    return Stage(stage) if stage else None


def stage_lock_id(country: str) -> UUID:
    """Returns the id to lock for the stage of a country."""
    return UUID(bytes=country.encode().rjust(16, b"\0"))


@dataclass(frozen=True, slots=True)
class CurrentStage:
    """The stage of a country, and who moved it there, and when."""

    stage: Stage
    changed_at: datetime
    changed_by: Actor


async def current_stages(connection: Connection) -> dict[str, CurrentStage]:
    """Returns the stages of all countries that have one, by country."""
    cursor = await connection.execute(
        "SELECT m.country, m.stage, m.changed_at, c.actor FROM migration m CROSS JOIN LATERAL"
        " (SELECT actor FROM migration_change c WHERE c.country = m.country ORDER BY change_key DESC LIMIT 1) AS c"
    )
    return {
        country: CurrentStage(Stage(stage), changed_at, actor_from_document(actor))
        for country, stage, changed_at, actor in await cursor.fetchall()
    }


async def change_stage(
    tx: Connection, country: str, before: Stage | None, after: Stage, actor: Actor, *, reason: str, forced: bool
) -> datetime:
    """Stores a new stage, and who changed it. The stage must be held exclusively. Returns the instant."""
    changed_at = await fetch_value(
        tx,
        datetime,
        f"INSERT INTO migration (country, stage, changed_at) VALUES (%s, %s, {NOW}) ON CONFLICT (country)"
        " DO UPDATE SET stage = excluded.stage, changed_at = excluded.changed_at RETURNING changed_at",
        [country, after.value],
    )
    await tx.execute(
        "INSERT INTO migration_change (country, from_stage, to_stage, forced, reason, subject, recorded_at, actor)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            country,
            before.value if before else None,
            after.value,
            forced,
            reason,
            actor.subject,
            changed_at,
            Jsonb(actor_to_document(actor)),
        ],
    )
    return changed_at
