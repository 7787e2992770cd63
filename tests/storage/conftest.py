"""A connection to a real PostgreSQL with the schema."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import a_database
from tools.legacy_sample import create_tables


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """Yields a connection whose transaction is rolled back after the test."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="module")
def legacy_url(postgres_url: str) -> Iterator[str]:
    """A database for the tests of a file, with the newest schema and empty Spanish tables."""
    with a_database(postgres_url) as url:
        with psycopg.connect(url) as connection:
            create_tables(connection)
        yield url
