"""What a legacy source does. `spain.py` is one. A new country is a file like it, a line in `registry.py`, and a
subclass of the conformance tests.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol
from uuid import UUID

from domain.enrollment.decisions import GroupKey
from domain.migration.legacy import LegacyGroup
from domain.migration.writing_back import RowChange
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class LegacyContract:
    """A contract of the legacy tables. `last_on` is None if it has no end."""

    legacy_contract_id: int
    first_on: date
    last_on: date | None


class LegacySource(Protocol):
    """Reads and writes the legacy tables of one country.

    Every method works in the caller's transaction or snapshot, and takes as many statements for many groups as for one.

    Groups and members are identified by our ids. A member who was merged into another one is read as the other one. A
    group that is known by its id stays known, even if its policies are deleted.
    """

    country: str
    privileges: Mapping[str, Sequence[str]]
    """What the servers' database role needs, by table with its schema: SELECT, INSERT or UPDATE."""
    guarded_tables: Sequence[str]
    """Tables with a trigger `only_the_core_writes`, which keeps others from writing in READ_CORE and CORE."""
    guard: Path
    """The file with the statements that create these triggers, also if some of them exist."""

    async def contract(self, connection: Connection, legacy_contract_id: int) -> LegacyContract | None:
        """Returns a contract of the legacy tables, or None."""
        ...

    async def store_identifiers(self, tx: Connection, member_ids: Collection[UUID] | None = None) -> int:
        """Stores the ids of users, and of groups under mapped contracts, that have none yet. Returns their number.

        If `member_ids` are given, only of their users, and of the groups that they own or that have rows of them.
        """
        ...

    async def load(self, connection: Connection, group_ids: Collection[UUID]) -> dict[UUID, LegacyGroup]:
        """Returns groups with all their rows, in one statement. Groups whose ids aren't stored are missing."""
        ...

    async def load_of_members(self, connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, LegacyGroup]:
        """Returns the groups that some members own, or that have rows of them, in one statement.

        Finds groups whose ids aren't stored yet, too.
        """
        ...

    async def groups_of_members(self, connection: Connection, member_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        """Returns the stored ids of the groups that each member owns, or that have rows of them, in order.

        Members without groups are missing.
        """
        ...

    async def heads(
        self, connection: Connection, contract_id: UUID | None, primary_id: UUID | None, after: UUID, limit: int
    ) -> Sequence[UUID]:
        """Returns the stored ids of groups after an id, in order: of a contract and of a primary, if they are given."""
        ...

    async def known_members(self, connection: Connection, member_ids: Collection[UUID]) -> set[UUID]:
        """Returns those of some members who are users, even if no policy names them."""
        ...

    async def lock(self, tx: Connection, group_ids: Collection[UUID]) -> dict[UUID, LegacyGroup]:
        """Locks the policies of some groups, then their rows, until the transaction ends, and returns the groups.

        Others can't add rows to these policies either. A policy that they add meanwhile isn't part of the result.
        Stores the ids of users who have none yet, so that what is recorded about the groups names permanent ids.
        """
        ...

    async def add_policy(self, tx: Connection, key: GroupKey) -> LegacyGroup | None:
        """Adds a policy without rows for a primary who has none, and returns the group; None if the contract isn't
        mapped.

        The group must not have been found by `lock`, or have no policy, after `store_identifiers` for its primary.
        """
        ...

    async def write(self, tx: Connection, group: LegacyGroup, changes: Iterable[RowChange]) -> LegacyGroup:
        """Applies changes to a locked group, adds users for unknown members, and returns the group after it."""
        ...

    async def wait_for_writers(self, tx: Connection) -> None:
        """Waits until transactions that have written rows or policies end, and lets nobody write until this one ends.

        Later writes see what this transaction commits, such as a stage in which others can't write.
        """
        ...

    async def unmapped_policies(self, connection: Connection) -> int:
        """Returns the number of policies whose contracts aren't mapped."""
        ...
