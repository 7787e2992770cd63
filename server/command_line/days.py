"""Days, months and instants as people type and read them."""

from datetime import UTC, date, datetime

import typer

from affilia.type.v1.date_span_pb2 import DateSpan
from affilia.type.v1.year_month_pb2 import MonthSpan, YearMonth
from affilia_client.dates import span_from_proto


def day(text: str) -> date:
    """2026-03-01."""
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"{text} is no day such as 2026-03-01") from wrong


def instant(text: str) -> datetime:
    """2026-03-01T12:00:00Z; without a zone, UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"{text} is no instant such as 2026-03-01T12:00:00Z") from wrong
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def months(text: str) -> MonthSpan:
    """2026-01..2026-12, or one month."""
    first, _, last = text.partition("..")
    return MonthSpan(first=_month(first), last=_month(last or first))


def _month(text: str) -> YearMonth:
    first = day(f"{text}-01")
    return YearMonth(year=first.year, month=first.month)


def told(days: DateSpan) -> str:
    """A span as people read it: first and last day, both included."""
    first, last = span_from_proto(days)
    return f"{first or '…'} to {last or 'open end'}"
