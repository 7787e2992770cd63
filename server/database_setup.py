"""Prepares the database before the server starts: migrates the schema and checks the role."""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import DatabaseUnavailable
from server.settings import Settings
from storage.legacy.preparing import prepare_tables
from storage.legacy.registry import LegacySources
from storage.postgres.embedded import EmbeddedDatabaseFailed, EmbeddedPostgres
from storage.postgres.migrations import (
    DatabaseTooOld,
    MigrationBlocked,
    RoleTooStrong,
    RoleTooWeak,
    SchemaTooNew,
    connected,
    make_application_role,
    migrate,
    refuse_owner,
    role_of,
)
from storage.postgres.refusals import DatabaseRefused, target_of
from storage.postgres.sessions import POOL, DatabaseUrlMalformed, connection_parameters

APPLICATION_ROLE = "affilia"


DATABASE_URL, MIGRATION_URL = "AFFILIA_DATABASE_URL", "AFFILIA_MIGRATION_URL"
EMBEDDED_DATABASE = "The embedded database"


class DatabaseUnusable(Exception):
    """The server can't connect to the configured database, or lost it while starting.

    The message names the setting and the database, but never a password.
    """


PREPARE_ERRORS = (
    EmbeddedDatabaseFailed,
    DatabaseTooOld,
    DatabaseUnusable,
    MigrationBlocked,
    RoleTooStrong,
    RoleTooWeak,
    SchemaTooNew,
)
"""Why a database can't be prepared. The text of each is a sentence for operators."""


def prepare_database(settings: Settings, embedded: EmbeddedPostgres | None) -> str:
    """Migrates the database. Returns the URL with which the server connects. Raises PREPARE_ERRORS."""
    if embedded:
        with _naming(EMBEDDED_DATABASE):
            make_application_role(embedded.url, APPLICATION_ROLE)
            migrate(embedded.url, APPLICATION_ROLE)
            _prepare_legacy_tables(settings, embedded.url, APPLICATION_ROLE)
        return prepared_url(settings, embedded)
    migrate_database(settings)
    with _naming(DATABASE_URL):
        if not settings.dev:
            refuse_owner(settings.database_url)
    return settings.database_url


def migrate_database(settings: Settings) -> None:
    """Migrates a database that isn't embedded. Raises PREPARE_ERRORS."""
    url, owner_url = settings.database_url, settings.migration_url
    with _naming(DATABASE_URL):
        role = role_of(url)
    with _naming(MIGRATION_URL if owner_url else DATABASE_URL):
        migrate(owner_url or url, role if owner_url else "")
        _prepare_legacy_tables(settings, owner_url or url, role if owner_url else "")


def prepared_url(settings: Settings, embedded: EmbeddedPostgres | None) -> str:
    """Returns the URL with which a server connects to a database that was prepared."""
    return embedded.url_of(APPLICATION_ROLE) if embedded else settings.database_url


def _prepare_legacy_tables(settings: Settings, url: str, role: str) -> None:
    """Prepares the legacy tables of the configured countries, as far as the owner of the schema can."""
    if settings.legacy_sources:
        with connected(url) as connection:
            prepare_tables(connection, LegacySources.of(settings.legacy_sources), role)


@contextmanager
def while_starting(url: str, embedded: EmbeddedPostgres | None) -> Iterator[None]:
    """Reports an unavailable database as the reason why the server can't start. Raises DatabaseUnusable."""
    name = EMBEDDED_DATABASE if embedded else DATABASE_URL
    with _naming(name):
        try:
            yield
        except DatabaseUnavailable as lost:
            database = target_of(connection_parameters(url, POOL))
            raise DatabaseUnusable(
                f"{name}: Lost {database} while starting; check that PostgreSQL is running, then start again."
            ) from lost


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Adds the name of the setting to connection errors."""
    try:
        yield
    except (DatabaseRefused, DatabaseUrlMalformed) as error:
        raise DatabaseUnusable(f"{name}: {error}") from None
