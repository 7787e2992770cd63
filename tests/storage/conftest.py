"""A connection to a real PostgreSQL with the schema."""

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """Yields a connection whose transaction is rolled back after the test."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()
