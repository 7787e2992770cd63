"""Renders templates. Every value is escaped, except the markup of our own drawings."""

import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from affilia.history.v1.history_entry_pb2 import HistoryKind
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_client.dates import date_from_proto
from affilia_console.rights import IMPORT_METHODS
from affilia_views.money import money
from affilia_views.overriding import unknown_rule_words
from affilia_views.words import enum_word

FOLDER = Path(__file__).parent
TEMPLATES, STATIC = FOLDER / "templates", FOLDER / "static"


def _day(value: Any) -> str:
    """Returns a date, or a `google.type.Date`, such as 2026-12-31."""
    found = value if isinstance(value, date) else date_from_proto(value)
    return found.isoformat()


def _instant(value: Any) -> str:
    """Returns an instant, or a Timestamp, in UTC to the second."""
    found: datetime = value if isinstance(value, datetime) else value.ToDatetime()
    return f"{found:%Y-%m-%d %H:%M:%S} UTC"


def _role(value: Any) -> str:
    """Returns a membership type as a word."""
    return enum_word(MembershipType, value) if value else "no role"


def _sentence(value: str) -> str:
    """Returns a text with its first letter in upper case."""
    return value[:1].upper() + value[1:]


def _history_kind(value: Any) -> str:
    """Returns the kind of a history entry in words, such as `change request`."""
    return enum_word(HistoryKind, value).replace("-", " ")


def _signed(minor: int, currency_code: str) -> str:
    """Returns an amount with a plus sign if it is positive."""
    return f"{'+' if minor > 0 else ''}{money(minor, currency_code)}"


DAY_OR_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?(?: UTC|[+-]\d\d:\d\d)?)?")


def _with_whole_days(text: str) -> Markup:
    """Returns a text in which lines don't break within a day or an instant."""
    whole = DAY_OR_INSTANT.sub(r'<span class="nowrap">\g<0></span>', str(escape(text)))
    return Markup(whole)  # noqa: S704 (the text is escaped)


FILTERS: dict[str, Callable[..., str]] = {
    "day": _day,
    "instant": _instant,
    "money": money,
    "signed": _signed,
    "role": _role,
    "sentence": _sentence,
    "whole_days": _with_whole_days,
    "history_kind": _history_kind,
}

NAVIGATION = (("/work", "Work"), ("/contracts", "Contracts"), ("/feed", "Feed"), ("/audit", "Audit"))
"""Addresses and titles of the pages in the menu."""


def environment() -> Environment:
    """Returns the templates. An undefined variable in one is an error."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(FILTERS)
    templates.globals.update(
        navigation=NAVIGATION,
        import_methods=IMPORT_METHODS,
        new_id=lambda: str(uuid4()),
        unknown_rule=unknown_rule_words,
    )
    return templates
