"""Identifiers of the sample book. They are derived from its content, so loading it again repeats the same requests."""

from uuid import UUID, uuid5

NAMESPACE = UUID("6c0a7d1e-3f52-5b0e-9d2b-0f6a1c7e8d4b")


def derived_id(*parts: str) -> str:
    """Returns the UUIDv5 of the parts, in order, joined by slashes."""
    return str(uuid5(NAMESPACE, "/".join(parts)))
