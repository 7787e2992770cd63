"""Rounding and distribution compared with exact fractions, and the documented examples."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.currencies import MINOR_DIGITS, is_currency
from domain.money import Rounding, basis_points, largest_remainder, round_fraction, round_ratio

FRACTIONS = st.builds(Fraction, st.integers(-10_000, 10_000), st.integers(1, 60))
ROUNDINGS = st.sampled_from(Rounding)


@given(FRACTIONS, ROUNDINGS)
def test_rounding_returns_the_nearest_integer_and_rounds_halves_by_strategy(
    amount: Fraction, rounding: Rounding
) -> None:
    rounded = round_fraction(amount, rounding)
    distance = abs(amount - rounded)
    assert distance <= Fraction(1, 2)
    if distance == Fraction(1, 2):
        assert rounded % 2 == 0 if rounding == Rounding.BANKERS else abs(rounded) > abs(amount)
    assert round_fraction(-amount, rounding) == -rounded


@pytest.mark.parametrize(
    ("numerator", "denominator", "arithmetic", "bankers"),
    [(3, 2, 2, 2), (-3, 2, -2, -2), (1, 2, 1, 0), (-1, 2, -1, 0), (5, 2, 3, 2), (1241, 10, 124, 124), (0, 7, 0, 0)],
)
def test_the_documented_examples_round_as_documented(
    numerator: int, denominator: int, arithmetic: int, bankers: int
) -> None:
    assert round_ratio(numerator, denominator, Rounding.ARITHMETIC) == arithmetic
    assert round_ratio(numerator, denominator, Rounding.BANKERS) == bankers


@given(st.integers(-(10**9), 10**9), st.integers(0, 10_000), ROUNDINGS)
def test_basis_points_are_ten_thousandths(amount: int, rate_bp: int, rounding: Rounding) -> None:
    assert basis_points(amount, rate_bp, rounding) == round_fraction(Fraction(amount * rate_bp, 10_000), rounding)


NUMERATORS = st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=12)
DIVISORS = st.integers(1, 60)


@given(NUMERATORS, DIVISORS, ROUNDINGS)
def test_parts_add_up_to_the_rounded_total_and_each_is_within_one_unit(
    numerators: list[int], divisor: int, rounding: Rounding
) -> None:
    parts = largest_remainder(numerators, divisor, rounding)
    shares = [Fraction(numerator, divisor) for numerator in numerators]
    assert sum(parts) == round_fraction(sum(shares, Fraction(0)), rounding)
    assert all(abs(part - share) < 1 for part, share in zip(parts, shares, strict=True))


@given(NUMERATORS, DIVISORS, ROUNDINGS)
def test_missing_units_go_to_the_largest_fractions_and_ties_to_the_earlier(
    numerators: list[int], divisor: int, rounding: Rounding
) -> None:
    parts = largest_remainder(numerators, divisor, rounding)
    shares = [Fraction(numerator, divisor) for numerator in numerators]
    rest = [share - share.__floor__() for share in shares]
    got = [part > share.__floor__() for part, share in zip(parts, shares, strict=True)]
    for i in range(len(shares)):
        for j in range(len(shares)):
            if got[j] and not got[i]:
                assert (rest[j], -j) > (rest[i], -i)


def test_the_documented_example_of_twelve_days_is_distributed_as_documented() -> None:
    shares = [monthly * 12 for monthly in (3102, 3103, 150, 150, 62, 62, 440, 440)]
    assert largest_remainder(shares, 30, Rounding.BANKERS) == [1241, 1241, 60, 60, 25, 25, 176, 176]


def test_currencies_have_their_minor_units() -> None:
    assert (MINOR_DIGITS["EUR"], MINOR_DIGITS["JPY"], MINOR_DIGITS["TND"]) == (2, 0, 3)
    assert not is_currency("XXX")
    assert not is_currency("eur")
