"""Exact money: whole numbers of minor units, rounded by a named strategy. No floats anywhere.

Currencies stand in `currencies.py`; what is priced, in `domain/pricing`.
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction


class Rounding(StrEnum):
    """How an exact amount becomes a whole number (`pricing.md`, R(x)).

    ARITHMETIC: halves away from zero. BANKERS: halves to the even neighbour.
    """

    ARITHMETIC = "ARITHMETIC"
    BANKERS = "BANKERS"


def round_ratio(numerator: int, denominator: int, rounding: Rounding) -> int:
    """The whole number nearest to a ratio; the denominator is positive."""
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
    """The whole number nearest to an exact amount."""
    return round_ratio(amount.numerator, amount.denominator, rounding)


def basis_points(amount: int, rate_bp: int, rounding: Rounding) -> int:
    """So many ten-thousandths of an amount, rounded."""
    return round_ratio(amount * rate_bp, 10_000, rounding)


def largest_remainder(numerators: Sequence[int], divisor: int, rounding: Rounding) -> list[int]:
    """Whole parts that add up exactly to the rounded sum of exact shares, in their order (`premiums.md`).

    The shares are numerators by a common positive divisor. Each first gets its floor; the missing units go one each to
    the largest fractional parts, ties to the earlier.
    """
    parts = [numerator // divisor for numerator in numerators]
    missing = round_ratio(sum(numerators), divisor, rounding) - sum(parts)
    if missing:
        by_fraction = sorted(range(len(parts)), key=lambda i: parts[i] * divisor - numerators[i])
        for i in by_fraction[:missing]:
            parts[i] += 1
    return parts
