"""A real PostgreSQL with the schema, for tests of storage."""

import os
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server to make databases on: AFFILIA_TEST_DATABASE_URL, or an embedded one."""
    if url := os.environ.get("AFFILIA_TEST_DATABASE_URL"):
        yield url
        return
    embedded = EmbeddedPostgres.start(tmp_path_factory.mktemp("postgres"))
    yield embedded.url
    embedded.stop()


@pytest.fixture(scope="session")
def database_url(postgres_url: str) -> Iterator[str]:
    """A database of its own, with the newest schema."""
    name = f"affilia_test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = psycopg.conninfo.make_conninfo(postgres_url, dbname=name)
    migrate(url)
    yield url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection whose transaction is rolled back in the end."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()
