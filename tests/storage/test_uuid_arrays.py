"""Lists as parameters: PostgreSQL receives what was given, however the list is formatted."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from storage.postgres.uuid_arrays import register_uuid_arrays

ONE, OTHER = uuid4(), UUID(int=7)  # the second has leading zeros


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        register_uuid_arrays(connection)
        yield connection


class OwnUuid(UUID):
    """A subclass, as some libraries have."""


@pytest.mark.parametrize(
    "given",
    [
        [],
        [ONE],
        [ONE, OTHER, UUID(int=0), UUID(int=2**128 - 1)],
        [ONE, None, OTHER],
        [None],
        [[ONE], [OTHER]],
        [OwnUuid(int=ONE.int)],
        [uuid4() for _ in range(5000)],
    ],
    ids=["empty", "one", "several", "with a null", "only a null", "nested", "of a subclass", "many"],
)
def test_a_list_of_uuids_arrives_as_it_was_given(connection: psycopg.Connection, given: list[Any]) -> None:
    assert connection.execute("SELECT %s::uuid[]", [given]).fetchone() == (given,)


def test_the_database_knows_the_type_of_a_list_of_uuids(connection: psycopg.Connection) -> None:
    assert connection.execute("SELECT pg_typeof(%s)::text", [[ONE, OTHER]]).fetchone() == ("uuid[]",)


@pytest.mark.parametrize("given", [[1, 2**40], ["a", 'b"c', "d,e", "{}", "", "NULL", None], [True], [b"\x00"]])
def test_other_lists_arrive_as_with_psycopg(
    connection: psycopg.Connection, postgres_url: str, given: list[Any]
) -> None:
    with psycopg.connect(postgres_url) as plain:
        expected = plain.execute("SELECT %s", [given]).fetchone()
    assert connection.execute("SELECT %s", [given]).fetchone() == expected
