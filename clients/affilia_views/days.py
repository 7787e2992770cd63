"""Formats days and instants, and knows today's day under a contract. Instants are shown in this machine's time zone."""

from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.timestamp_pb2 import Timestamp

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_client.dates import instant_from_proto, span_from_proto


def today_under(contract: Contract) -> date:
    """Returns the current day in the time zone of a contract; in UTC if the contract or the zone is unknown here."""
    return today_in(contract.time_zone)


def today_in(time_zone: str) -> date:
    """Returns the current day in a time zone; in UTC if it is empty or unknown here."""
    try:
        zone: tzinfo = ZoneInfo(time_zone or "UTC")
    except ZoneInfoNotFoundError:
        zone = UTC
    return datetime.now(zone).date()


def format_span(days: DateSpan) -> str:
    """Formats a span as its first and last day, both included, or as a single day."""
    first, last = span_from_proto(days)
    if first and first == last:
        return first.isoformat()
    return f"{first or 'the beginning'} to {last or 'open end'}"


def format_instant(stamp: Timestamp) -> str:
    """Formats an instant with minutes in the time zone of the process, such as 2026-03-01 13:00+01:00 or 12:00 UTC."""
    local = instant_from_proto(stamp).astimezone()
    return local.isoformat(" ", "minutes") if local.utcoffset() else f"{local:%Y-%m-%d %H:%M} UTC"
