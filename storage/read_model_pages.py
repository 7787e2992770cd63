"""Pages of coverage and usage from which the read model is loaded, as columns.

Creating an object for each row would take longer than everything else. PostgreSQL therefore packs each column of a page
into one value, and Python takes the column out of it. COPY would send a message for each row.
"""

import struct
import sys
from array import array
from collections.abc import Mapping, Sequence
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
    " WHERE generation = %(generation)s AND group_id > %(after)s ORDER BY group_id LIMIT %(limit)s) AS p),"
    " policies AS (SELECT string_agg(uuid_send(group_id), ''), string_agg(uuid_send(contract_id), ''),"
    " string_agg(uuid_send(primary_id), ''), string_agg(int4send(revision), '')"
    " FROM (SELECT * FROM page ORDER BY number) AS p),"
    " runs AS (SELECT string_agg(int4send(page.number::integer), ''), string_agg(uuid_send(r.member_id), ''),"
    " string_agg(uuid_send(r.module_id), ''),"
    " string_agg(int4send(array_position(%(kinds)s::text[], r.membership_type) - 1), ''),"
    f" string_agg(int4send(coalesce(lower(r.days) - ({_DAY_0}), %(unbounded_start)s)), ''),"
    f" string_agg(int4send(coalesce(upper(r.days) - ({_DAY_0}), %(unbounded_end)s)), '')"
    " FROM page JOIN coverage_run r USING (group_id) WHERE r.generation = %(generation)s"
    " AND r.membership_type = ANY(%(kinds)s)"
    " AND r.group_id > %(after)s AND r.group_id <= (SELECT group_id FROM page ORDER BY number DESC LIMIT 1))"
    " SELECT * FROM policies, runs"
)
"""Runs with membership types of later releases are left out. Without the bounds, which the join implies, PostgreSQL can
scan the runs of all policies for each page."""
_CODES_END = "\x1f"
"""Separates codes, which contain no control characters."""
_USAGE = (
    "SELECT string_agg(uuid_send(group_id), ''), string_agg(uuid_send(member_id), ''),"
    f" string_agg(int4send(term_start - ({_DAY_0})), ''), string_agg(code, %(end)s), string_agg(int8send(used), '')"
    " FROM (SELECT group_id, term_start, code, member_id, used FROM accumulator_balance"
    " WHERE (group_id, term_start, code, member_id) > (%(group_id)s, %(term_start)s, %(code)s, %(member_id)s)"
    " ORDER BY group_id, term_start, code, member_id LIMIT %(limit)s) AS page"
)


async def policies_page(
    connection: Connection, generation: int, after: UUID, limit: int
) -> tuple[PolicyColumns, RunColumns]:
    """Returns complete policies of a generation in order of id, starting after a given one."""
    spans = {"unbounded_start": UNBOUNDED_START, "unbounded_end": UNBOUNDED_END, "kinds": [k.value for k in KINDS]}
    page = {"generation": generation, "after": after, "limit": limit}
    columns = await _columns(connection, _POLICIES, spans | page)
    groups, contracts, primaries, revisions, policies, members, modules, kinds, starts, ends = columns
    return (
        PolicyColumns(_ids(groups), _ids(contracts), _ids(primaries), _integers("i", revisions)),
        RunColumns(
            _integers("i", policies),
            _ids(members),
            _ids(modules),
            _integers("i", kinds),
            _integers("i", starts),
            _integers("i", ends),
        ),
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
    columns = await _columns(connection, _USAGE, after._asdict() | {"limit": limit, "end": _CODES_END})
    groups, members, terms, codes, used = columns
    return UsageColumns(
        _ids(groups),
        _ids(members),
        _integers("i", terms),
        codes.split(_CODES_END) if groups else [],
        _integers("q", used),
    )


def last_key(page: UsageColumns) -> UsageKey:
    """Returns the key of the last balance of a page, which isn't empty."""
    return UsageKey(
        UUID(bytes=page.group_ids[-1]), to_date(page.terms[-1]), page.codes[-1], UUID(bytes=page.member_ids[-1])
    )


async def _columns(connection: Connection, statement: LiteralString, parameters: Mapping[str, Any]) -> Sequence[Any]:
    """Returns the columns of a page. They are None if no rows are left."""
    row = await (await connection.execute(statement, parameters)).fetchone()
    assert row is not None  # noqa: S101 (an aggregate always returns a row)
    return row


def _ids(packed: bytes | None) -> Sequence[bytes]:
    return struct.unpack(f"{UUID_BYTES}s" * (len(packed) // UUID_BYTES), packed) if packed else ()


def _integers(typecode: str, packed: bytes | None) -> "array[int]":
    """Returns big-endian integers of the size that the type code has in an array."""
    numbers = array(typecode, packed or b"")
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
