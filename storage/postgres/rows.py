"""Rows as objects, inserts of many rows in one statement, and whether a row is committed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row

T = TypeVar("T")
Parameters = Sequence[Any] | Mapping[str, Any]

ROWS_PER_STATEMENT = 1000
"""A statement can have at most 65,535 parameters."""

IS_COMMITTED = "age(xmin) NOT BETWEEN -1000000 AND 0"
"""SQL for whether a visible row is committed, so that it can be cached.

It is false for rows that the current transaction has written: their age is 0 or, within a savepoint, slightly negative.
It is also false for rows of transactions that began shortly after the current one. Ages are computed modulo 2^32, so a
very old row can have any age; hence the lower bound.
"""


async def fetch_all(
    connection: AsyncConnection[Any],
    make: Callable[..., T],
    statement: LiteralString,
    parameters: Parameters = (),
) -> list[T]:
    """Returns all rows as objects. `make` is a class or a function whose parameters are named like the columns."""
    cursor = await connection.cursor(row_factory=kwargs_row(make)).execute(statement, parameters)
    return await cursor.fetchall()


async def fetch_first(
    connection: AsyncConnection[Any],
    make: Callable[..., T],
    statement: LiteralString,
    parameters: Parameters = (),
) -> T | None:
    """Returns the first row as an object, as `fetch_all` does, or None if there is no row."""
    cursor = await connection.cursor(row_factory=kwargs_row(make)).execute(statement, parameters)
    return await cursor.fetchone()


async def fetch_one(
    connection: AsyncConnection[Any],
    make: Callable[..., T],
    statement: LiteralString,
    parameters: Parameters = (),
) -> T:
    """Returns the row of a statement that always returns one as an object, as `fetch_all` does."""
    found = await fetch_first(connection, make, statement, parameters)
    assert found is not None  # noqa: S101 (a statement that doesn't return a row is a defect)
    return found


async def fetch_column(
    connection: AsyncConnection[Any], type_: type[T], statement: LiteralString, parameters: Parameters = ()
) -> list[T]:
    """Returns the values of the first column, which must not be null."""
    cursor = await connection.execute(statement, parameters)
    return [_value(row, type_) for row in await cursor.fetchall()]


async def fetch_value(
    connection: AsyncConnection[Any], type_: type[T], statement: LiteralString, parameters: Parameters = ()
) -> T:
    """Returns the value of a statement that always returns one, such as an INSERT ... RETURNING or a count."""
    value = await find_value(connection, type_, statement, parameters)
    assert value is not None  # noqa: S101 (a statement that doesn't return a value is a defect)
    return value


async def find_value(
    connection: AsyncConnection[Any], type_: type[T], statement: LiteralString, parameters: Parameters = ()
) -> T | None:
    """Returns the first value of the first row, or None if there is no row or the value is null."""
    cursor = await connection.execute(statement, parameters)
    row = await cursor.fetchone()
    return None if row is None or row[0] is None else _value(row, type_)


def _value(row: Sequence[Any], type_: type[T]) -> T:
    value = row[0]
    assert isinstance(value, type_)  # noqa: S101 (the statement and its caller disagree about the type)
    return value


async def insert_rows(
    tx: AsyncConnection[Any], into: str, row: str, rows: Iterable[Sequence[Any]], then: str = ""
) -> None:
    """Inserts rows in order: `INSERT INTO {into} VALUES {row}, {row} ... {then}`.

    psycopg's `executemany` and COPY are not used: PostgreSQL doesn't start the idle timeout of a session after a
    pipeline or within a COPY, so a server that freezes then would keep its locks for as long as it stays frozen.
    """
    left = iter(rows)
    while chunk := list(islice(left, ROWS_PER_STATEMENT)):
        values = ", ".join([row] * len(chunk))
        await tx.execute(f"INSERT INTO {into} VALUES {values} {then}", list(chain.from_iterable(chunk)))
