"""Names enum values in words."""

from typing import Any


def enum_word(enum: Any, number: int) -> str:
    """Returns the name of an enum value in lower case, without the enum's prefix and with hyphens."""
    name: str = enum.Name(number)
    prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.DESCRIPTOR.name).lstrip("_") + "_"
    return name.removeprefix(prefix).lower().replace("_", "-")
