"""A connection to a real PostgreSQL with the schema, for tests of storage."""

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection whose transaction is rolled back in the end."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()
