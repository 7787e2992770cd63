"""Describes how an entry of the premium ledger was computed: the price row, and the steps to each payer's amount."""

from collections.abc import Iterator
from typing import Any

from affilia.catalog.v1.pricing_pb2 import EngineParameters, ProrataStrategy, RoundingStrategy
from affilia.premium.v1.premium_entry_pb2 import PremiumEntry
from affilia.pricing.v1.price_derivation_pb2 import PriceStepKind
from affilia_client.dates import date_from_proto
from affilia_views.money import money
from affilia_views.words import enum_word

NOT_SHOWN = "The steps of each amount are not shown, because the policy is too large for one response."


def derivation_lines(entry: PremiumEntry) -> Iterator[str]:
    """Yields an entry's price row and the steps from the list price to each payer's amount."""
    if not entry.HasField("explanation"):
        yield NOT_SHOWN
        return
    currency, explanation = entry.currency_code, entry.explanation
    version = (
        f", contract version from {date_from_proto(explanation.version_from)}" if explanation.version_from.year else ""
    )
    yield f"computed from revision {explanation.revision} of the policy{version}"
    if parameters := _parameters(explanation.parameters):
        yield parameters
    row = explanation.row
    ages = f", age {row.min_age}{f' to {row.max_age}' if row.HasField('max_age') else ' or older'}"
    ages = ages if row.HasField("min_age") else ""
    where = f" in {row.table}" if row.table else ""
    free = " (free)" if row.free else ""
    yield f"list price{where}{ages}: {money(row.listed_minor, currency)}{free}"
    for step in explanation.steps:
        rate = f" {step.rate_bp / 100:g} %" if step.HasField("rate_bp") else ""
        of = f" of {money(step.of_minor, currency)}" if step.HasField("of_minor") else ""
        yield f"{spaced_word(PriceStepKind, step.kind)} {step.code}{rate}{of}: {money(step.minor, currency)}"


def _parameters(parameters: EngineParameters) -> str:
    """Returns the parameters that turn a monthly amount into the amount owed."""
    named = (
        ("part of a month", ProrataStrategy, parameters.prorata),
        ("rounding", RoundingStrategy, parameters.rounding),
    )
    words = [f"{label}: {spaced_word(enum, number)}" for label, enum, number in named if number]
    if parameters.prorata == ProrataStrategy.PRORATA_STRATEGY_MID_MONTH:
        words.append(f"cut-off day: {parameters.cut_off_day or 15}")
    return ", ".join(words)


def spaced_word(enum: Any, number: int) -> str:
    """Returns the name of an enum value in words, without the enum's prefix."""
    return enum_word(enum, number).replace("-", " ")
