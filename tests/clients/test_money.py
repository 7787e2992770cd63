"""Amounts are converted exactly or rejected."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affilia_client.money import amount_from_minor, amount_to_minor, minor_digits
from domain.currencies import MINOR_DIGITS


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(sorted(MINOR_DIGITS)))
def test_an_amount_survives_a_round_trip(amount_minor: int, currency_code: str) -> None:
    amount = amount_from_minor(amount_minor, currency_code)
    assert amount_to_minor(amount, currency_code) == amount_minor
    assert amount * 10 ** minor_digits(currency_code) == amount_minor


def test_currencies_have_the_same_digits_as_on_the_server() -> None:
    assert {code: minor_digits(code) for code in MINOR_DIGITS} == dict(MINOR_DIGITS)


def test_an_amount_shows_all_digits_of_its_currency() -> None:
    assert str(amount_from_minor(1200, "EUR")) == "12.00"
    assert str(amount_from_minor(-5, "EUR")) == "-0.05"
    assert str(amount_from_minor(1200, "JPY")) == "1200"
    assert str(amount_from_minor(1200, "KWD")) == "1.200"


@pytest.mark.parametrize("amount", ["12.345", "NaN", "Infinity", "1.00000000000000000000000000000000001"])
def test_inexact_and_invalid_amounts_are_rejected(amount: str) -> None:
    with pytest.raises(ValueError, match="EUR"):
        amount_to_minor(Decimal(amount), "EUR")
    with pytest.raises(ValueError, match="currency code"):
        amount_to_minor(Decimal(1), "euro")
