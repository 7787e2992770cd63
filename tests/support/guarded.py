"""A server that requires tokens, as deployed: on its own database, with a role that owns no tables."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import make_application_role, migrate
from tests.conftest import ServerProcess, a_database
from tests.support.identities import FLAGS, VARIABLES


@contextmanager
def guarded_server(folder: Path) -> Iterator[tuple[ServerProcess, str]]:
    """Yields the server and the connection string of the owner of its database."""
    if url := os.environ.get("AFFILIA_TEST_DATABASE_URL"):
        with a_database(url) as own:
            flags = (*FLAGS, "--database-url", application_url(own), "--migration-url", own)
            server = ServerProcess(folder, *flags, environment=VARIABLES)
            yield server, own
            server.stop()
        return
    server = ServerProcess(folder, *FLAGS, "--database-url", "embedded", environment=VARIABLES)
    embedded = EmbeddedPostgres.start(folder)
    yield server, embedded.url
    server.stop()
    embedded.stop()


def application_url(owner_url: str) -> str:
    """Returns the connection string of the same database for the application's role."""
    role = "affilia_test_application"
    make_application_role(owner_url, role)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {role} PASSWORD 'test'")
    migrate(owner_url, role)
    return psycopg.conninfo.make_conninfo(owner_url, user=role, password="test")
