"""Exact money: integers in minor units, rounded by a named strategy. There are no floats.

Currencies are in `currencies.py`.
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction

MAX_MINOR = 2**63 - 1
"""The largest amount that messages and the database hold. Larger sums are computed exactly and reported as errors."""

MAX_MONTHLY_MINOR = 10**13
"""The largest monthly cost of one person on one module, with taxes, that a contract can lead to.

It is small enough that the totals of policies and portfolios stay below `MAX_MINOR`.
"""


class Rounding(StrEnum):
    """How an exact amount is rounded to an integer.

    ARITHMETIC rounds halves away from zero, BANKERS to the even neighbour.
    """

    ARITHMETIC = "ARITHMETIC"
    BANKERS = "BANKERS"


def round_ratio(numerator: int, denominator: int, rounding: Rounding) -> int:
    """Returns the integer nearest to a ratio. The denominator must be positive."""
    floor, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice < denominator:
        return floor
    if twice > denominator:
        return floor + 1
    if rounding is Rounding.BANKERS:
        return floor + floor % 2
    return floor + 1 if numerator >= 0 else floor


def round_fraction(amount: Fraction, rounding: Rounding) -> int:
    """Returns the integer nearest to an exact amount."""
    return round_ratio(amount.numerator, amount.denominator, rounding)


def basis_points(amount: int, rate_bp: int, rounding: Rounding) -> int:
    """Returns a rate, in ten-thousandths, of an amount, rounded."""
    return round_ratio(amount * rate_bp, 10_000, rounding)


def largest_remainder(numerators: Sequence[int], divisor: int, rounding: Rounding) -> list[int]:
    """Returns integers that add up exactly to the rounded sum of exact shares, in their order.

    The shares are `numerators` divided by a common positive divisor. Each is rounded down first. The missing units are
    given to the largest fractional parts, one each; earlier shares win ties.
    """
    parts = [numerator // divisor for numerator in numerators]
    missing = round_ratio(sum(numerators), divisor, rounding) - sum(parts)
    if missing:
        by_fraction = sorted(range(len(parts)), key=lambda i: parts[i] * divisor - numerators[i])
        for i in by_fraction[:missing]:
            parts[i] += 1
    return parts
