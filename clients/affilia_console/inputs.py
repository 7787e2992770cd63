"""Reads days, instants and numbers from forms and addresses. All functions raise Refused, and name the field."""

from datetime import UTC, date, datetime

from affilia_console.failures import Refused


def day_in(text: str, label: str) -> date | None:
    """Returns the day in a text such as 2026-03-01, or None if the text is empty."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Refused(f"{label} must be a day such as 2026-03-01, got {text}.") from None


def days_in(first: str, last: str, labels: tuple[str, str] = ("From", "To")) -> tuple[date | None, date | None]:
    """Returns the first and last day of a span. Each can be missing."""
    first_on, last_on = day_in(first, labels[0]), day_in(last, labels[1])
    if first_on and last_on and last_on < first_on:
        raise Refused(f"{labels[1]} must not be before {labels[0]}: {last_on} is before {first_on}.")
    return first_on, last_on


def instant_in(text: str, label: str) -> datetime | None:
    """Returns the instant in a text such as 2026-03-01T12:00, in UTC unless it says otherwise. None if it is empty."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise Refused(f"{label} must be an instant such as 2026-03-01T12:00, got {text}.") from None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def number_in(text: str, label: str, highest: int = 2**31 - 1) -> int:
    """Returns the number in a text, between 0 and `highest`."""
    if not (text.isascii() and text.isdigit() and int(text) <= highest):
        raise Refused(f"{label} must be a number between 0 and {highest}, got {text or 'nothing'}.")
    return int(text)
