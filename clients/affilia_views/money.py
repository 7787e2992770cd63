"""Formats amounts of money."""

from affilia_client.money import amount_from_minor


def money(minor: int, currency_code: str) -> str:
    """Formats an amount, such as 1,234.50 EUR."""
    return f"{amount_from_minor(minor, currency_code):,} {currency_code}"
