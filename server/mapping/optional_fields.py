"""Reads optional scalars of messages."""

from typing import Any


def optional(message: Any, field: str) -> Any:
    """Returns a scalar with presence; None if it is unset."""
    return getattr(message, field) if message.HasField(field) else None
