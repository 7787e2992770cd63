"""Parses days, months and instants. The time zone defaults to that of this machine."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import typer

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.type.v1.year_month_pb2 import MonthSpan, YearMonth
from affilia_views.days import today_under

DAYS_AHEAD = {"yesterday": -1, "today": 0, "tomorrow": 1}
MONTH_LENGTH = len("2026-03")


def today() -> date:
    """Returns the current day in the time zone of this machine."""
    return datetime.now(UTC).astimezone().date()


def parse_day(text: str) -> date:
    """Parses a day such as 2026-03-01, or `today`, `yesterday` or `tomorrow`."""
    if text in DAYS_AHEAD:
        return today() + timedelta(days=DAYS_AHEAD[text])
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"{text} is not a valid day such as 2026-03-01") from wrong


@dataclass(frozen=True, slots=True)
class DayInQuestion:
    """The day that a question is about: a given day or, if it is None, each contract's today."""

    given: date | None

    @classmethod
    def parse(cls, text: str) -> "DayInQuestion":
        return cls(None if text == "today" else parse_day(text))

    def under(self, contract: Contract) -> date:
        """Returns the day under a contract."""
        return self.given or today_under(contract)

    def __str__(self) -> str:
        return str(self.given or "today")


def parse_instant(text: str) -> datetime:
    """Parses an instant such as 2026-03-01T12:00:00Z. The time zone defaults to that of this machine."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"{text} is not a valid instant such as 2026-03-01T12:00:00Z") from wrong
    return found if found.tzinfo else found.astimezone()


def parse_recorded(first: str, last: str) -> dict[str, datetime]:
    """Returns the request fields that select what was recorded from one instant, day or month to another.

    The last day or month is included. Days begin at midnight in the time zone of this machine.
    """
    found = {}
    if first:
        found["recorded_from"] = _beginning(first)
    if last:
        found["recorded_before"] = _end(last)
    if len(found) == 2 and found["recorded_before"] <= found["recorded_from"]:
        raise typer.BadParameter(f"--to must not be before --from: {last} is before {first}.")
    return found


def _beginning(text: str) -> datetime:
    if _is_instant(text):
        return parse_instant(text)
    return _midnight(parse_day(f"{text}-01" if len(text) == MONTH_LENGTH else text))


def _end(text: str) -> datetime:
    if _is_instant(text):
        return parse_instant(text)
    if len(text) == MONTH_LENGTH:
        month = parse_day(f"{text}-01")
        return _midnight((month + timedelta(days=31)).replace(day=1))
    return _midnight(parse_day(text) + timedelta(days=1))


def _is_instant(text: str) -> bool:
    return ":" in text


def _midnight(on: date) -> datetime:
    return datetime.combine(on, time()).astimezone()


def parse_months(text: str) -> MonthSpan:
    """Parses months such as 2026-01..2026-12, or a single month."""
    first, _, last = text.partition("..")
    return MonthSpan(first=_month(first), last=_month(last or first))


def _month(text: str) -> YearMonth:
    first = parse_day(f"{text}-01")
    return YearMonth(year=first.year, month=first.month)
