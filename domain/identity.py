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
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The hexadecimal digit with the bits for the variant, by the one without."""


def derived_id(*parts: UUID | str) -> UUID:
    """Returns the UUIDv5 of some parts, in order."""
    return UUID(int=_derived("/".join(map(str, parts))))


def derived_text(*parts: str) -> str:
    """Returns the text of `derived_id`, without a UUID object, which takes longer to make than the hash."""
    text = sha1(_PREFIX + "/".join(parts).encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANTS[text[16]]}{text[17:20]}-{text[20:32]}"


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
