"""The registry of legacy sources: at most one a country, chosen by AFFILIA_LEGACY_SOURCES."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from storage.legacy.source import LegacySource
from storage.legacy.spain import SpanishTables
from storage.postgres.database import Connection, Database
from storage.postgres.rows import fetch_column

BUILT_IN: dict[str, Callable[[], LegacySource]] = {"ES": SpanishTables}
"""The sources of this release, by country."""

STORE_SECONDS = 1.0
"""Minimum time between two searches for an id that is not known."""


class LegacySourcesUnusable(Exception):
    """The configured sources can't be used with this database. The message says what to change."""


@dataclass(slots=True)
class _Search:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    began_at: float = float("-inf")
    has_stored: bool = False


class LegacySources:
    """The configured sources. Without any, every country belongs to the core alone, and nothing has to be looked up."""

    def __init__(
        self,
        sources: Iterable[LegacySource] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` returns seconds, and `sleep` waits for seconds."""
        self._clock = clock
        self._sleep = sleep
        self._sources = {source.country: source for source in sources}
        self._searches = {country: _Search() for country in self._sources}

    @classmethod
    def of(cls, countries: Collection[str]) -> "LegacySources":
        """Returns the built-in sources of some countries, which must have one."""
        return cls(BUILT_IN[country]() for country in countries)

    def __contains__(self, country: str) -> bool:
        return country in self._sources

    def __bool__(self) -> bool:
        return bool(self._sources)

    def __iter__(self) -> Iterator[LegacySource]:
        """Yields the sources in order of country."""
        return iter(self._sources[country] for country in self.countries)

    @property
    def countries(self) -> Sequence[str]:
        """The countries with a source, in order."""
        return sorted(self._sources)

    def get(self, country: str) -> LegacySource | None:
        """Returns the source of a country, or None if it has none."""
        return self._sources.get(country)

    async def search(self, database: Database, country: str) -> bool:
        """Stores missing identifiers because somebody asked for an id that is not known, at most once a second.

        Waits for its turn. Calls that wait at the same time share one search, which begins after all of them. Returns
        whether it stored identifiers, so that reading again can find the id.
        """
        search, called_at = self._searches[country], self._clock()
        async with search.lock:
            if search.began_at < called_at:
                await self._sleep(max(0.0, search.began_at + STORE_SECONDS - self._clock()))
                search.began_at = self._clock()
                search.has_stored = await database.write(self._sources[country].store_identifiers) > 0
            return search.has_stored

    async def check(self, connection: Connection) -> None:
        """Checks that every country whose migration hasn't ended has a source, and that the connection's role can use
        the tables of every source.

        Raises LegacySourcesUnusable.
        """
        begun = "SELECT country FROM migration WHERE stage <> 'RETIRED' ORDER BY country"
        if left := [country for country in await fetch_column(connection, str, begun) if country not in self]:
            raise LegacySourcesUnusable(
                f"AFFILIA_LEGACY_SOURCES must include {', '.join(left)}, because the migration has begun and isn't"
                " RETIRED."
            )
        for source in self:
            if missing := await _missing_privileges(connection, source):
                raise LegacySourcesUnusable(
                    f"AFFILIA_LEGACY_SOURCES: {source.country} needs privileges that the role"
                    f" {connection.info.user} of the database doesn't have: {', '.join(missing)}. Check that the tables"
                    " exist, and grant the privileges."
                )


async def _missing_privileges(connection: Connection, source: LegacySource) -> list[str]:
    """Returns the privileges that the connection's role lacks, such as `SELECT ON legacy_es.es_user`, in order."""
    needed = [
        (privilege, *table.split("."), table) for table, names in source.privileges.items() for privilege in names
    ]
    privileges, schemas, names, tables = zip(*needed, strict=True)
    return await fetch_column(
        connection,
        str,
        "SELECT n.privilege || ' ON ' || n.full_name FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])"
        " WITH ORDINALITY AS n(privilege, schema_name, name, full_name, position) WHERE NOT EXISTS"
        " (SELECT FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = n.schema_name"
        " AND c.relname = n.name AND has_schema_privilege(s.oid, 'USAGE')"
        " AND has_table_privilege(c.oid, n.privilege)) ORDER BY n.position",
        [list(privileges), list(schemas), list(names), list(tables)],
    )


def grant_legacy_tables(connection: psycopg.Connection, role: str, countries: Iterable[str]) -> None:
    """Grants a role the privileges on the tables of some countries, if their schemas exist. Must be called by the owner
    of the tables.
    """
    name = sql.Identifier(role)
    for country in countries:
        for table, privileges in BUILT_IN[country]().privileges.items():
            schema = table.partition(".")[0]
            if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
                continue
            on = sql.Identifier(*table.split("."))
            listed = sql.SQL(", ").join(map(sql.SQL, privileges))
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), name))
            connection.execute(sql.SQL("GRANT {} ON {} TO {}").format(listed, on, name))
