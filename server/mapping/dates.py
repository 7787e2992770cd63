"""Maps dates, spans and instants. Spans are inclusive on the wire and half-open inside; only mapping converts."""

from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2

from affilia.type.v1 import date_span_pb2
from domain.days import Days, Span


def date_to_proto(day: date) -> date_pb2.Date:
    return date_pb2.Date(year=day.year, month=day.month, day=day.day)


def date_from_proto(day: date_pb2.Date) -> date:
    return date(day.year, day.month, day.day)


def span_to_proto(span: Span) -> date_span_pb2.DateSpan:
    first_on, last_on = span.first_on, span.last_on
    return date_span_pb2.DateSpan(
        first_on=date_to_proto(first_on) if first_on else None,
        last_on=date_to_proto(last_on) if last_on else None,
    )


def span_from_proto(span: date_span_pb2.DateSpan) -> Span:
    return Span.between(
        date_from_proto(span.first_on) if span.HasField("first_on") else None,
        date_from_proto(span.last_on) if span.HasField("last_on") else None,
    )


def days_to_proto(days: Days) -> list[date_span_pb2.DateSpan]:
    return [span_to_proto(span) for span in days.spans]


def timestamp_to_proto(instant: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(instant)
    return timestamp


def timestamp_from_proto(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
