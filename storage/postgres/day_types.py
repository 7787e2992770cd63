"""Adapts days to PostgreSQL: `daterange` is a `Span`, and `datemultirange` is `Days`.

The binary format is parsed directly, so that open ends and the last day of the year 9999 (whose exclusive end is not a
valid Python date) are read exactly.
"""

import struct
from collections.abc import Iterator
from datetime import date
from typing import Any

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import RangeInfo

from domain.days import NO_DAYS, UNBOUNDED_END, UNBOUNDED_START, Day, Days, Span

DATERANGE_OID = 3912
DATEMULTIRANGE_OID = 4535
POSTGRES_EPOCH: Day = date(2000, 1, 1).toordinal()

EMPTY, LOWER_INCLUDED, LOWER_OPEN, UPPER_OPEN = 0x01, 0x02, 0x08, 0x10
_BOUND = struct.Struct("!ii")
_LENGTH = struct.Struct("!i")


def _span_to_bytes(span: Span) -> bytes:
    flags = 0
    bounds = b""
    if span.start == UNBOUNDED_START:
        flags |= LOWER_OPEN
    else:
        flags |= LOWER_INCLUDED
        bounds += _BOUND.pack(4, span.start - POSTGRES_EPOCH)
    if span.end == UNBOUNDED_END:
        flags |= UPPER_OPEN
    else:
        bounds += _BOUND.pack(4, span.end - POSTGRES_EPOCH)
    return bytes((flags,)) + bounds


def _span_from_bytes(data: bytes) -> Span:
    flags = data[0]
    if flags & EMPTY:
        raise ValueError("the database has an empty range where a span is required")
    start, end, offset = UNBOUNDED_START, UNBOUNDED_END, 1
    if not flags & LOWER_OPEN:
        start = _BOUND.unpack_from(data, offset)[1] + POSTGRES_EPOCH
        offset += _BOUND.size
    if not flags & UPPER_OPEN:
        end = _BOUND.unpack_from(data, offset)[1] + POSTGRES_EPOCH
    return Span(start, end)


def _spans_from_bytes(data: bytes) -> Iterator[Span]:
    (count,) = _LENGTH.unpack_from(data)
    offset = _LENGTH.size
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        yield _span_from_bytes(data[offset : offset + length])
        offset += length


class SpanDumper(Dumper):
    format = Format.BINARY
    oid = DATERANGE_OID

    def dump(self, obj: Any) -> bytes:
        return _span_to_bytes(obj)


class SpanTextDumper(Dumper):
    """Formats the spans of an array, which psycopg sends as text: first and last day, both inclusive."""

    format = Format.TEXT
    oid = DATERANGE_OID

    def dump(self, obj: Any) -> bytes:
        return f"[{obj.first_on or ''},{obj.last_on or ''}]".encode()


class DaysDumper(Dumper):
    format = Format.BINARY
    oid = DATEMULTIRANGE_OID

    def dump(self, obj: Any) -> bytes:
        parts = [_span_to_bytes(span) for span in obj.spans]
        return _LENGTH.pack(len(parts)) + b"".join(_LENGTH.pack(len(part)) + part for part in parts)


class SpanLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Span:
        return _span_from_bytes(bytes(data))


class DaysLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Days:
        spans = tuple(_spans_from_bytes(bytes(data)))
        return Days.of(*spans) if spans else NO_DAYS


def register_day_types(context: AdaptContext) -> None:
    """Registers the types on a connection or a pool. Results must be fetched in binary format."""
    adapters = context.adapters
    RangeInfo("daterange", DATERANGE_OID, 3913, subtype_oid=1082).register(context)
    MultirangeInfo("datemultirange", DATEMULTIRANGE_OID, 6155, range_oid=DATERANGE_OID, subtype_oid=1082).register(
        context
    )
    adapters.register_dumper(Span, SpanTextDumper)
    adapters.register_dumper(Span, SpanDumper)
    adapters.register_dumper(Days, DaysDumper)
    adapters.register_loader(DATERANGE_OID, SpanLoader)
    adapters.register_loader(DATEMULTIRANGE_OID, DaysLoader)
