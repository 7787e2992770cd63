"""Describes how much of a limit is used, and the ledger of what was applied to limits."""

from affilia.catalog.v1 import contract_pb2
from affilia.eligibility.v1.accumulator_pb2 import Accumulator, AccumulatorApplication, Counter
from affilia_client.dates import date_from_proto
from affilia_views.days import format_instant, format_span
from affilia_views.money import money
from affilia_views.names import Names
from affilia_views.words import actor_words

USED, LEFT = "█", "░"
BAR_CHARACTERS = 20


def currency_of(accumulator: Accumulator, contract_currency: str) -> str:
    """Returns the currency of an accumulator's amounts, or an empty string if they are visits."""
    return contract_currency if accumulator.unit == contract_pb2.LIMIT_UNIT_MONEY else ""


def counters_of(accumulator: Accumulator) -> list[tuple[str, Counter]]:
    """Returns the counters of an accumulator: `individual`, `family`, or both."""
    named = (("individual", accumulator.individual), ("family", accumulator.family))
    return [(name, counter) for name, counter in named if accumulator.HasField(name)]  # type: ignore[arg-type]


def usage_words(counter: Counter, currency: str) -> str:
    """Returns the usage of a limit. Most limits apply to a member or to a family, not to both."""
    used = amount_words(counter.used, currency)
    if not counter.HasField("limit"):
        return f"{used} used, no limit"
    left = f", {amount_words(counter.remaining, currency)} left" if counter.HasField("remaining") else ""
    return f"{used} of {amount_words(counter.limit, currency)} used{left}"


def amount_words(number: int, currency: str) -> str:
    """Returns an amount in a currency or, without one, the number of visits."""
    return money(number, currency) if currency else str(number)


def used_share(counter: Counter) -> float | None:
    """Returns how much of a limit is used, between 0 and 1, or None without a limit. A limit of 0 is used."""
    if not counter.HasField("limit"):
        return None
    return min(1.0, max(0.0, counter.used / counter.limit)) if counter.limit else 1.0


def usage_bar(counter: Counter, characters: int = BAR_CHARACTERS) -> str:
    """Returns the usage as a bar, or an empty text without a limit. Only 0 % is drawn empty, and only 100 % full."""
    share = used_share(counter)
    if share is None:
        return ""
    filled = round(share * characters)
    if 0 < share < 1:
        filled = min(characters - 1, max(1, filled))
    return USED * filled + LEFT * (characters - filled)


def term_words(accumulator: Accumulator) -> str:
    """Returns the term in which a limit counts."""
    return format_span(accumulator.term)


def application_words(application: AccumulatorApplication, currency: str) -> str:
    """Returns what was applied to a limit, with marks for reversals and orphans."""
    applied = amount_words(application.applied, currency)
    asked = amount_words(application.asked, currency)
    amounts = applied if application.applied == application.asked else f"{applied} of {asked} requested"
    marks = [
        "reversal" if application.reversal else "",
        "reversed" if application.reversed else "",
        "orphaned: no longer covered on this day" if application.orphaned else "",
    ]
    mark = ", ".join(filter(None, marks))
    return f"{date_from_proto(application.service_date)}  {application.code}: {amounts}{f' ({mark})' if mark else ''}"


def recorded_words(application: AccumulatorApplication, names: Names) -> str:
    """Returns when an application was recorded, and by whom."""
    return f"recorded on {format_instant(application.recorded_at)} by {actor_words(application.actor, names)}"
