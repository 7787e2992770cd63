"""Describes whether a member is covered on a day, and by what."""

from affilia.eligibility.v1 import eligibility_check_service_pb2 as eligibility_pb2
from affilia.eligibility.v1.eligibility_check_service_pb2 import CheckEligibilityResponse
from affilia_client.dates import date_from_proto
from affilia_views.days import format_span
from affilia_views.names import Names
from affilia_views.outline import Item, Style, item
from affilia_views.payment_order import payment_in_words
from affilia_views.words import enum_word


def coverage_item(answer: CheckEligibilityResponse, name: str, on: object, names: Names) -> Item:
    """Returns whether a member is covered on a day, when instead, and by what, in order of payment."""
    reason = enum_word(eligibility_pb2.EligibilityReason, answer.reason).replace("-", " ")
    state = ("covered", Style.GOOD) if answer.covered else ("not covered", Style.BAD)
    below = []
    for label, day in (("last covered on", answer.last_day), ("next covered from", answer.first_day)):
        if not answer.covered and day.year:
            below.append(item(f"{label} {date_from_proto(day)}"))
    for record, payment in zip(answer.records, payment_in_words(answer.records, names), strict=True):
        if payment:
            below.append(item(payment))
        source = "" if record.revision else ", from the legacy tables"
        capabilities = [item((", ".join(record.capabilities), Style.NOTE))] if record.capabilities else []
        words = f"covered by {names.module(record.module_id)}, {format_span(record.days)}{source}"
        below.append(item(words, below=capabilities))
    details = "" if answer.covered else f" ({reason})"
    return item((name, Style.STRONG), f" on {on}: ", state, details, below=below)
