"""Converts days and instants between Python and messages."""

from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from affilia.type.v1.date_span_pb2 import DateSpan


def date_to_proto(day: date) -> Date:
    """Converts a day. Raises ValueError for a `datetime`, because its day depends on the time zone."""
    if isinstance(day, datetime):
        raise ValueError(f"must be a date without a time, got {day}")
    return Date(year=day.year, month=day.month, day=day.day)


def date_from_proto(day: Date) -> date:
    """Converts a day. Raises ValueError if it is unset or doesn't exist."""
    return date(day.year, day.month, day.day)


def instant_to_proto(instant: datetime) -> Timestamp:
    """Converts an instant. Raises ValueError if it has no time zone or lies outside the years 1 to 9999 in UTC."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant} has no time zone")
    stamp = Timestamp()
    try:
        stamp.FromDatetime(instant)
    except OverflowError as beyond:
        raise ValueError(f"{instant} is outside the years 1 to 9999 in UTC") from beyond
    return stamp


def instant_from_proto(stamp: Timestamp) -> datetime:
    """Converts an instant to UTC. Truncates it to microseconds."""
    return stamp.ToDatetime(tzinfo=UTC)


def span_to_proto(first_on: date | None, last_on: date | None = None) -> DateSpan:
    """Converts a span of days, both ends included. None means unbounded."""
    return DateSpan(
        first_on=date_to_proto(first_on) if first_on else None, last_on=date_to_proto(last_on) if last_on else None
    )


def span_from_proto(days: DateSpan) -> tuple[date | None, date | None]:
    """Returns the first and last day, both included. None means unbounded."""
    return (
        date_from_proto(days.first_on) if days.HasField("first_on") else None,
        date_from_proto(days.last_on) if days.HasField("last_on") else None,
    )
