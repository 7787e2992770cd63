"""Pages of coverage and usage from which the read model is loaded, as columns.

Creating an object for each row would take longer than everything else. PostgreSQL therefore packs the rows of a page
into one value, as records of a fixed size, and Python takes the columns out of it.
"""

import sys
from array import array
from collections.abc import Mapping
from datetime import date
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from domain.days import UNBOUNDED_END, UNBOUNDED_START, to_date
from domain.eligibility.columns import FAMILY, PolicyColumns, RunColumns, UsageColumns
from domain.eligibility.read_model import KINDS
from storage.postgres.database import Connection

UUID_BYTES = 16
FIRST_ID = UUID(bytes=FAMILY)
_DAY_0 = "date '0001-01-01' - 1"
_POLICIES = (
    "WITH page AS MATERIALIZED (SELECT p.*, row_number() OVER (ORDER BY group_id) - 1 AS number FROM"
    " (SELECT group_id, contract_id, primary_id, revision FROM coverage_policy"
    " WHERE generation = %(generation)s AND group_id > %(after)s ORDER BY group_id LIMIT %(limit)s) AS p)"
    " SELECT (SELECT string_agg(uuid_send(group_id) || uuid_send(contract_id) || uuid_send(primary_id)"
    " || int4send(revision), '' ORDER BY number) FROM page),"
    " (SELECT string_agg(uuid_send(r.member_id) || uuid_send(r.module_id) || int4send(page.number::integer)"
    " || int4send(array_position(%(kinds)s::text[], r.membership_type) - 1)"
    f" || int4send(coalesce(lower(r.days) - ({_DAY_0}), %(unbounded_start)s))"
    f" || int4send(coalesce(upper(r.days) - ({_DAY_0}), %(unbounded_end)s)), '')"
    " FROM page JOIN coverage_run r USING (group_id) WHERE r.generation = %(generation)s)"
)
_USAGE = (
    "SELECT string_agg(uuid_send(group_id) || uuid_send(member_id)"
    f" || int8send(term_start - ({_DAY_0})) || int8send(used), ''), string_agg(convert_to(code, 'UTF8'), '\\x00')"
    " FROM (SELECT group_id, term_start, code, member_id, used FROM accumulator_balance"
    " WHERE (group_id, term_start, code, member_id) > (%(group_id)s, %(term_start)s, %(code)s, %(member_id)s)"
    " ORDER BY group_id, term_start, code, member_id LIMIT %(limit)s) AS page"
)


class _Records:
    """Packed records of ids followed by integers, whose size in bytes is that of `typecode` in an array."""

    def __init__(self, packed: bytes, typecode: str, ids: int, integers: int) -> None:
        self._packed, self._numbers = packed, array(typecode, packed)
        if sys.byteorder == "little":
            self._numbers.byteswap()
        self._bytes = ids * UUID_BYTES + integers * self._numbers.itemsize
        self._first_integer = ids * UUID_BYTES // self._numbers.itemsize

    def ids(self, column: int) -> list[bytes]:
        packed = self._packed
        return [packed[at : at + UUID_BYTES] for at in range(column * UUID_BYTES, len(packed), self._bytes)]

    def integers(self, column: int) -> "array[int]":
        return self._numbers[self._first_integer + column :: self._bytes // self._numbers.itemsize]


async def policies_page(
    connection: Connection, generation: int, after: UUID, limit: int
) -> tuple[PolicyColumns, RunColumns]:
    """Returns complete policies of a generation in order of id, starting after a given one."""
    spans = {"unbounded_start": UNBOUNDED_START, "unbounded_end": UNBOUNDED_END, "kinds": [k.value for k in KINDS]}
    page = {"generation": generation, "after": after, "limit": limit}
    of_policies, of_runs = await _packed(connection, _POLICIES, spans | page)
    policies, runs = _Records(of_policies, "i", 3, 1), _Records(of_runs, "i", 2, 4)
    return (
        PolicyColumns(policies.ids(0), policies.ids(1), policies.ids(2), policies.integers(0)),
        RunColumns(runs.integers(0), runs.ids(0), runs.ids(1), runs.integers(1), runs.integers(2), runs.integers(3)),
    )


class UsageKey(NamedTuple):
    """The primary key of a balance."""

    group_id: UUID
    term_start: date
    code: str
    member_id: UUID


BEFORE_ALL_USAGE = UsageKey(FIRST_ID, date.min, "", FIRST_ID)


async def usage_page(connection: Connection, after: UsageKey, limit: int) -> UsageColumns:
    """Returns balances in order of their primary key, starting after a given one."""
    packed, codes = await _packed(connection, _USAGE, after._asdict() | {"limit": limit})
    records = _Records(packed, "q", 2, 2)
    of_rows = codes.split(b"\0") if packed else []
    names = {code: code.decode() for code in set(of_rows)}
    return UsageColumns(
        records.ids(0),
        records.ids(1),
        array("i", records.integers(0)),
        [names[code] for code in of_rows],
        records.integers(1),
    )


def last_key(page: UsageColumns) -> UsageKey:
    """Returns the key of the last balance of a page, which isn't empty."""
    return UsageKey(
        UUID(bytes=page.group_ids[-1]), to_date(page.terms[-1]), page.codes[-1], UUID(bytes=page.member_ids[-1])
    )


async def _packed(
    connection: Connection, statement: LiteralString, parameters: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    """Returns the two values of a page; they are empty if no rows are left."""
    row = await (await connection.execute(statement, parameters)).fetchone()
    assert row is not None  # noqa: S101 (an aggregate always returns a row)
    return row[0] or b"", row[1] or b""
