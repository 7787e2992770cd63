"""Days and instants: Python's on one side, those of the messages on the other."""

from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from affilia.type.v1.date_span_pb2 import DateSpan


def date_to_proto(day: date) -> Date:
    """A day. Of a `datetime`, which is a `date` too, ValueError: whose day it is on depends on where one stands."""
    if isinstance(day, datetime):
        raise ValueError(f"{day} is an instant, not a day")
    return Date(year=day.year, month=day.month, day=day.day)


def date_from_proto(day: Date) -> date:
    """A day. ValueError where none is set, or where there is no such day."""
    return date(day.year, day.month, day.day)


def instant_to_proto(instant: datetime) -> Timestamp:
    """An instant. ValueError without a time zone: it would be a guess; and beyond the calendar in UTC."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant} has no time zone")
    stamp = Timestamp()
    try:
        stamp.FromDatetime(instant)
    except OverflowError as beyond:
        raise ValueError(f"{instant} is beyond the years 1 to 9999 in UTC") from beyond
    return stamp


def instant_from_proto(stamp: Timestamp) -> datetime:
    """An instant, in UTC; what is finer than a microsecond is cut off."""
    return stamp.ToDatetime(tzinfo=UTC)


def span_to_proto(first_on: date | None, last_on: date | None = None) -> DateSpan:
    """A run of days, both ends included; None: without a beginning, or an end."""
    return DateSpan(
        first_on=date_to_proto(first_on) if first_on else None, last_on=date_to_proto(last_on) if last_on else None
    )


def span_from_proto(days: DateSpan) -> tuple[date | None, date | None]:
    """First and last day, both included; None where the span has no such end."""
    return (
        date_from_proto(days.first_on) if days.HasField("first_on") else None,
        date_from_proto(days.last_on) if days.HasField("last_on") else None,
    )
