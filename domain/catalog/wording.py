"""Describes values of contracts in plain words: days, rates, ages, types and rules."""

from collections.abc import Iterable

from domain.days import Span
from domain.membership import MembershipType
from domain.rules.conditions import Rule
from domain.rules.wording import Names, condition_in_words


def days_in_words(days: Span) -> str:
    first_on, last_on = days.first_on, days.last_on
    if first_on is None and last_on is None:
        return "always"
    if last_on is None:
        return f"from {first_on}"
    return f"until {last_on}" if first_on is None else f"{first_on} to {last_on}"


def rate_in_words(rate_bp: int) -> str:
    """Returns a rate in basis points as a percentage."""
    sign, (percent, rest) = "-" if rate_bp < 0 else "", divmod(abs(rate_bp), 100)
    return f"{sign}{percent}.{rest:02} %"


def types_in_words(types: Iterable[MembershipType], without: str = "everyone") -> str:
    return ", ".join(types) or without


def ages_in_words(min_age: int, max_age: int | None) -> str:
    """Returns a range of ages, both ends included. None means no limit."""
    return f"age {min_age} and over" if max_age is None else f"age {min_age} to {max_age}"


def rule_in_words(rule: Rule, currency_code: str) -> str:
    """Returns a rule without its code.

    Modules are identified by their ids, so that renaming a module doesn't count as a change of the rule.
    """
    words = condition_in_words(rule.condition, Names(currency_code=currency_code))
    if rule.applies_to:
        words += f"; applies to {types_in_words(rule.applies_to)}"
    return f"{words}; description: {rule.description}" if rule.description else words
