"""Derived identifiers, which stay the same after a rebuild or a restore.

All UUIDv5 of the product are created here: in our own namespace, from the texts of their parts joined by "/".
"""

from hashlib import sha1
from uuid import UUID

NAMESPACE = UUID("6c0a7d1e-3f52-5b0e-9d2b-0f6a1c7e8d4b")

_PREFIX = NAMESPACE.bytes
_FREE = ~(0xF << 76 | 0x3 << 62)
_MARKED = 0x5 << 76 | 0x2 << 62
"""The bits for version and variant. `uuid.uuid5` sets the same bits, but takes twice as long."""


def derived_id(*parts: UUID | str) -> UUID:
    """Returns the UUIDv5 of some parts, in order."""
    return UUID(int=_derived("/".join(map(str, parts))))


def derived_text(*parts: str) -> str:
    """Returns the text of `derived_id`, without a UUID object, which takes longer to make than the hash."""
    text = f"{_derived('/'.join(parts)):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _derived(name: str) -> int:
    digest = sha1(_PREFIX + name.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:16]) & _FREE | _MARKED


def group_id(contract_id: UUID, primary_id: UUID) -> UUID:
    """Returns the id of the group of a primary under a contract. The group exists from its first stored request on."""
    return derived_id(contract_id, primary_id)


def group_id_text(contract_id: str, primary_id: str) -> str:
    """Returns the text of `group_id`. Takes the texts of ids, in upper or lower case."""
    return derived_text(contract_id.lower(), primary_id.lower())


def enrollment_id(group: UUID, member_id: UUID, module_id: UUID) -> UUID:
    """Returns the id of a member's enrollment on a module in a group; it stays the same when the days change."""
    return derived_id(group, member_id, module_id)


def slot_id(contract_id: UUID, module_id: UUID, slot: str | None) -> UUID:
    """Returns the id of a slot. A module without a slot is a slot of its own."""
    return derived_id(contract_id, "slot", slot) if slot else module_id
