"""The ids of merged members, in the memory of every process.

The id of a merged member is another id of the member into whom they were merged. The ids in requests to read are
resolved with this table in one place (`server/interceptors/validation.py`, `server/mapping/merged_ids.py`), and those
of subscriptions in `operations/feed_tail.py`. Writes check ids in their own transactions instead (`storage/merges.py`).

Every look at the write log updates the table before the writes that it shows count as known. Therefore a call with the
consistency token of a merge, or of any later write, resolves the merged id.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from storage.merges import Merge

STALE_SECONDS = 3.0
"""The table is out of date if the write log was not read for this long. It is read at least twice a second."""


class MergedId(NamedTuple):
    """The id of a merged member in a request, and the member into whom they were merged.

    `item` is the position of the item that names the member, if the request has a list of items.
    """

    member_id: str
    merged_into: str
    item: int | None = None


@dataclass(slots=True)
class MemberAliases:
    """One per process. It has all merges, or none before the first look and after a restore.

    Always fresh until `begin` is called, for processes that don't read the write log.

    Its keys are texts, because most requests name members who weren't merged, and converting their ids takes longer
    than looking them up.
    """

    _merges: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _heard_at: float | None = None
    _is_followed: bool = False

    def begin(self) -> None:
        """Requires the write log to be read from now on."""
        self._is_followed = True

    def __len__(self) -> int:
        return len(self._merges)

    def __contains__(self, member_id: str) -> bool:
        """Returns whether a text, in upper or lower case, is the id of a merged member."""
        return member_id.lower() in self._merges

    @property
    def are_loaded(self) -> bool:
        """Whether all merges have been read."""
        return self._heard_at is not None

    @property
    def are_fresh(self) -> bool:
        """Whether merges were read recently enough to resolve ids without reading the write log first."""
        if not self._is_followed:
            return True
        return self._heard_at is not None and asyncio.get_running_loop().time() - self._heard_at <= STALE_SECONDS

    def heard(self) -> None:
        """Records that all merges that are committed now have been added."""
        self._heard_at = asyncio.get_running_loop().time()

    def add(self, merges: Iterable[Merge]) -> None:
        """Adds merges. Those that are known already don't change anything."""
        for merge in merges:
            self._merges[str(merge.from_member_id)] = (str(merge.into_member_id), merge.recorded_at)

    def forget(self) -> None:
        """Clears the table, so that the next look reads all merges."""
        self._merges.clear()
        self._heard_at = None

    def into(self, member_id: str, until: datetime | None = None) -> str | None:
        """Returns the member into whom a member was merged at last; None if the member was not merged.

        Only merges recorded until an instant count; None: all.
        """
        into: str | None = None
        step = self._merges.get(member_id.lower())
        while step is not None and (until is None or step[1] <= until):
            into = step[0]
            step = self._merges.get(into)
        return into

    def resolved(self, member_id: UUID) -> UUID:
        """Returns the member to whom an id belongs: the one into whom they were merged, or the member."""
        into = self.into(str(member_id)) if self._merges else None
        return member_id if into is None else UUID(into)
