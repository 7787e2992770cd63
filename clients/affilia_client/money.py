"""Converts amounts between decimals and whole minor units of a currency (ISO 4217), which messages use.

Nothing is rounded: how to round is a business decision.
"""

import re
from decimal import Decimal
from typing import NamedTuple

CURRENCY_CODE = re.compile(r"[A-Z]{3}")

UNUSUAL_MINOR_DIGITS = {
    code: digits
    for digits, codes in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for code in codes.split()
}
"""The number of decimal digits of currencies that don't have two."""


class Money(NamedTuple):
    """An amount in a currency, such as `Money(Decimal("12.34"), "EUR")`."""

    amount: Decimal
    currency_code: str


def minor_digits(currency_code: str) -> int:
    """Returns the number of decimal digits of a currency. Raises ValueError for an invalid currency code."""
    if not CURRENCY_CODE.fullmatch(currency_code):
        raise ValueError(f"{currency_code!r} is not a currency code such as EUR")
    return UNUSUAL_MINOR_DIGITS.get(currency_code, 2)


def amount_to_minor(amount: Decimal, currency_code: str) -> int:
    """Converts 12.34 EUR to 1234. Raises ValueError if the amount has more digits than the currency."""
    digits = minor_digits(currency_code)
    try:
        # Decimal arithmetic would round to the precision of the context.
        numerator, denominator = amount.as_integer_ratio()
    except (ValueError, OverflowError) as not_a_number:
        raise ValueError(f"{amount} {currency_code} is not an amount") from not_a_number
    whole: int
    whole, rest = divmod(numerator * 10**digits, denominator)
    if rest:
        raise ValueError(f"{amount} {currency_code} has more digits than the currency's minor unit")
    return whole


def amount_from_minor(amount_minor: int, currency_code: str) -> Decimal:
    """Converts 1234 EUR to 12.34, with all decimal digits of the currency."""
    digits = tuple(map(int, str(abs(amount_minor))))
    return Decimal((int(amount_minor < 0), digits, -minor_digits(currency_code)))
