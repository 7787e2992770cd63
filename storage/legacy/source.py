"""What a legacy source does.

`spain.py` is one. A new country is a file like it, a line in `registry.py`, and a subclass of the conformance tests.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from domain.migration.legacy import LegacyGroup, LegacyRow
from domain.migration.writing_back import RowChange
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class LegacyContract:
    """A contract of the legacy tables. `last_on` is None if it has no end."""

    legacy_contract_id: int
    first_on: date
    last_on: date | None


class LegacySource(Protocol):
    """Reads and writes the legacy tables of one country. Every method works in the caller's transaction or snapshot.

    Groups are identified by our group ids; identifiers are stored by `storage/legacy/identifiers.py`.
    """

    country: str

    async def contract(self, connection: Connection, legacy_contract_id: int) -> LegacyContract | None:
        """Returns a contract of the legacy tables, or None."""
        ...

    async def store_identifiers(self, tx: Connection) -> int:
        """Stores the ids of members and groups in the tables that have none yet. Returns how many were stored."""
        ...

    async def load(self, connection: Connection, group_ids: Collection[UUID]) -> dict[UUID, LegacyGroup]:
        """Returns groups with all their rows, in a constant number of queries. Unknown groups are missing."""
        ...

    async def groups_of_members(self, connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        """Returns the ids of the groups whose rows name each member, or that the member owns."""
        ...

    async def heads(
        self, connection: Connection, contract_id: UUID | None, primary_id: UUID | None, after: UUID, limit: int
    ) -> Sequence[UUID]:
        """Returns the ids of groups of mapped contracts after an id, in order."""
        ...

    async def lock(self, tx: Connection, group_id: UUID) -> LegacyGroup | None:
        """Locks the policies of a group, then their rows, until the transaction ends, and returns the group."""
        ...

    async def write(self, tx: Connection, group: LegacyGroup, changes: Iterable[RowChange]) -> Sequence[LegacyRow]:
        """Applies changes to locked rows, adds users for unknown members, and returns all rows of the group."""
        ...

    async def unmapped_policies(self, connection: Connection) -> int:
        """Returns the number of policies whose contracts aren't mapped."""
        ...
