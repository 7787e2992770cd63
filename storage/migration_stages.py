"""The stages of countries that are migrated from legacy tables, and their changes.

A write holds the stage of its country until it ends, and a change of the stage waits for these writes. A read takes the
stage from its own snapshot. A country without a stage belongs to the core alone.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.identity import derived_id
from domain.migration.stages import Stage
from storage.postgres.database import Connection
from storage.postgres.documents import Document, actor_from_document, actor_to_document
from storage.postgres.instants import LATER_THAN
from storage.postgres.locks import Lock, lock, lock_key
from storage.postgres.rows import fetch_all, fetch_value, find_value

CountryStage = tuple[str, Stage]
"""A country, and the stage of its migration."""

_MAPPED = "SELECT i.id FROM legacy_identifier i JOIN migration m USING (country) WHERE i.kind = 'CONTRACT'"

LEGACY_ANSWERS = "m.stage IN ('TRANSLATE', 'DUAL_WRITE', 'READ_CORE')"
"""SQL for whether legacy tables answer reads of a country, which is a row `m` of `migration`."""

CONTRACTS_WITHOUT_PREMIUMS = f"{_MAPPED} AND {LEGACY_ANSWERS}"
"""SQL for the contracts whose premiums can't be computed yet, because legacy tables answer for their groups."""

CONTRACTS_WITHOUT_CHANGES = f"{_MAPPED} AND m.stage = 'TRANSLATE'"
"""SQL for the contracts whose enrollments can't be changed here yet."""


async def stages(connection: Connection) -> dict[str, Stage]:
    """Returns the stage of every country that has one."""
    cursor = await connection.execute("SELECT country, stage FROM migration")
    return {country: Stage(stage) for country, stage in await cursor.fetchall()}


async def stage_of(connection: Connection, country: str) -> Stage | None:
    """Returns the stage of a country, or None."""
    stage = await find_value(connection, str, "SELECT stage FROM migration WHERE country = %s", [country])
    return Stage(stage) if stage else None


_OF_CONTRACTS = (
    "SELECT c.id, m.country, m.stage FROM legacy_identifier c JOIN migration m USING (country)"
    " WHERE c.kind = 'CONTRACT'"
)


async def of_contracts(connection: Connection, contract_ids: Collection[UUID]) -> dict[UUID, CountryStage]:
    """Returns the countries of mapped contracts with their stages, by contract. Other contracts are missing."""
    cursor = await connection.execute(f"{_OF_CONTRACTS} AND c.id = ANY(%s)", [list(set(contract_ids))])
    return {contract_id: (country, Stage(stage)) for contract_id, country, stage in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class CountryOf:
    """A country in migration, its stage, and those of some contracts that are mapped in it."""

    country: str
    stage: Stage
    contract_ids: frozenset[UUID]


async def countries_of(connection: Connection, contract_ids: Collection[UUID]) -> list[CountryOf]:
    """Returns all countries that have a stage, in order, each with those of some contracts that are mapped in it."""
    cursor = await connection.execute(
        "SELECT m.country, m.stage, ARRAY(SELECT i.id FROM legacy_identifier i WHERE i.country = m.country"
        " AND i.kind = 'CONTRACT' AND i.id = ANY(%s)) FROM migration m ORDER BY m.country",
        [list(set(contract_ids))],
    )
    return [CountryOf(country, Stage(stage), frozenset(ids)) for country, stage, ids in await cursor.fetchall()]


async def hold_of_contracts(tx: Connection, contract_ids: Collection[UUID]) -> dict[UUID, CountryStage]:
    """Returns the same as `of_contracts`, and keeps the stages until the transaction ends."""
    found = await of_contracts(tx, contract_ids)
    held = {country: await hold_stage(tx, country) for country in sorted({country for country, _ in found.values()})}
    return {contract_id: (country, held[country] or stage) for contract_id, (country, stage) in found.items()}


async def hold_of_countries(tx: Connection, countries: Iterable[str]) -> None:
    """Keeps the stages of some countries until the transaction ends."""
    for country in sorted(countries):
        await hold_stage(tx, country)


async def hold_of_groups(tx: Connection, group_keys: Collection[int]) -> dict[int, Stage]:
    """Keeps the stages of the countries of some groups, which are not locked yet, until the transaction ends.

    Returns the stage of each group. Groups of contracts that aren't mapped are missing.
    """
    cursor = await tx.execute(
        "SELECT g.group_key, m.country, m.stage FROM enrollment_group g"
        " JOIN legacy_identifier c ON c.id = g.contract_id AND c.kind = 'CONTRACT'"
        " JOIN migration m ON m.country = c.country WHERE g.group_key = ANY(%s)",
        [list(group_keys)],
    )
    found = {group_key: (country, Stage(stage)) for group_key, country, stage in await cursor.fetchall()}
    held = {country: await hold_stage(tx, country) for country in sorted({country for country, _ in found.values()})}
    return {group_key: held[country] or stage for group_key, (country, stage) in found.items()}


async def hold_stage(tx: Connection, country: str) -> Stage | None:
    """Returns the stage of a country, or None, and keeps it until the transaction ends. It is the first of all locks.

    The lock is an advisory one: a shared lock of the row would cost a write, and all writes of a country would have to
    lock the same row.
    """
    held = "SELECT hold_migration_stage(%s, %s)"
    stage = await find_value(tx, str, held, [lock_key(Lock.MIGRATION_STAGE, _lock_id(country)), country])
    return Stage(stage) if stage else None


async def lock_stage(tx: Connection, country: str) -> Stage | None:
    """Waits until no other transaction holds the stage of a country, and returns it, or None, to be changed."""
    await lock(tx, Lock.MIGRATION_STAGE, _lock_id(country))
    return await stage_of(tx, country)


def _lock_id(country: str) -> UUID:
    return derived_id("migration", country)


@dataclass(frozen=True, slots=True)
class StageChange:
    """A change of a stage. `from_stage` is None for a country's first stage."""

    country: str
    from_stage: Stage | None
    to_stage: Stage
    forced: bool
    reason: str
    actor: Actor


async def change_stage(tx: Connection, change: StageChange) -> datetime:
    """Stores a change of a stage, which must be locked. Returns its instant, which is later than the previous one."""
    return await fetch_value(
        tx,
        datetime,
        "WITH change AS (INSERT INTO migration_change"
        " (country, from_stage, to_stage, forced, reason, subject, actor, recorded_at) VALUES (%s, %s, %s, %s, %s, %s,"
        f" %s, {LATER_THAN.replace('%s', '(SELECT changed_at FROM migration WHERE country = %s)')}) RETURNING *)"
        " INSERT INTO migration (country, stage, changed_at) SELECT country, to_stage, recorded_at FROM change"
        " ON CONFLICT (country) DO UPDATE SET stage = excluded.stage, changed_at = excluded.changed_at"
        " RETURNING changed_at",
        [
            change.country,
            change.from_stage and change.from_stage.value,
            change.to_stage.value,
            change.forced,
            change.reason,
            change.actor.subject,
            Jsonb(actor_to_document(change.actor)),
            change.country,
        ],
    )


@dataclass(frozen=True, slots=True)
class Migration:
    """The stage of a country, since when, and who moved it there."""

    country: str
    stage: Stage
    changed_at: datetime
    actor: Actor | None


async def migrations(connection: Connection) -> list[Migration]:
    """Returns the migration of every country that has a stage, in order of country."""
    return await fetch_all(
        connection,
        _migration,
        "SELECT m.country, m.stage, m.changed_at, c.actor FROM migration m LEFT JOIN LATERAL (SELECT actor FROM"
        " migration_change c WHERE c.country = m.country ORDER BY change_key DESC LIMIT 1) AS c ON true"
        " ORDER BY m.country",
    )


def _migration(*, stage: str, actor: Document | None, **columns: Any) -> Migration:
    return Migration(stage=Stage(stage), actor=actor_from_document(actor) if actor else None, **columns)
