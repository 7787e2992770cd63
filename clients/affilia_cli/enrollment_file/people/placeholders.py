"""Recognizes numbers that senders use for people whose number is unknown, such as 999999999."""

DIGITS = 9


def is_placeholder(number: str) -> bool:
    """Returns whether a person's number is one digit nine times, with or without separators."""
    digits = number.replace("-", "").replace(" ", "")
    return len(digits) == DIGITS and digits.isdigit() and len(set(digits)) == 1
