"""Amounts: decimal on one side, whole minor units of a currency (ISO 4217), as messages have them, on the other.

Nothing is ever rounded here, because only who owes or is owed may say how.
"""

import re
from decimal import Decimal

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
"""Currencies whose minor unit is not a hundredth, by how many decimal digits it has."""


def minor_digits(currency_code: str) -> int:
    """How many decimal digits a currency has. ValueError for what is no currency code."""
    if not CURRENCY_CODE.fullmatch(currency_code):
        raise ValueError(f"{currency_code!r} is not a currency code such as EUR")
    return UNUSUAL_MINOR_DIGITS.get(currency_code, 2)


def amount_to_minor(amount: Decimal, currency_code: str) -> int:
    """12.34 EUR is 1234. ValueError for an amount that is finer than the currency."""
    digits = minor_digits(currency_code)
    try:
        # Decimal's own arithmetic would round to the precision of its context.
        numerator, denominator = amount.as_integer_ratio()
    except (ValueError, OverflowError) as not_a_number:
        raise ValueError(f"{amount} {currency_code} is not an amount") from not_a_number
    whole: int
    whole, rest = divmod(numerator * 10**digits, denominator)
    if rest:
        raise ValueError(f"{amount} {currency_code} is finer than the currency's minor unit")
    return whole


def amount_from_minor(amount_minor: int, currency_code: str) -> Decimal:
    """1234 EUR is 12.34, with all digits that the currency has."""
    digits = tuple(map(int, str(abs(amount_minor))))
    return Decimal((int(amount_minor < 0), digits, -minor_digits(currency_code)))
