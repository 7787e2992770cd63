"""Change requests that are being prepared.

Every step creates a new draft with its own address, so that going back shows the earlier draft, and two tabs don't
change each other's draft.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from affilia.enrollment.v1.change_request_pb2 import ScopedChange
from affilia_views.server_names import Cache

MAX_DRAFTS = 300
"""Maximum number of drafts that a session keeps."""


def _new_id() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Choosing:
    """The input for the next change. `first` and `last` are days such as 2026-03-01, or empty."""

    member_id: str = ""
    first: str = ""
    last: str = ""
    role: str = ""
    """The membership type of someone who has none in the family yet, as a word."""


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A change request before it is submitted. Its id becomes the request id, so that it is applied only once."""

    group_id: str
    revision: int
    """The revision of the family for which the draft was made."""
    draft_id: str = field(default_factory=_new_id)
    changes: tuple[ScopedChange, ...] = ()
    overrides: tuple[str, ...] = ()
    accepted: frozenset[str] = frozenset()
    """The keys of the accepted consequences."""
    reason: str = ""
    choosing: Choosing = Choosing()
    edited: int | None = None
    """The index of the change that the next one replaces."""
    is_open: bool = True
    """Whether the form for the next change is open."""

    @property
    def address(self) -> str:
        return f"/families/{self.group_id}/change/{self.draft_id}"

    def next(self, **changed: Any) -> "Draft":
        """Returns a new draft with some fields changed."""
        return replace(self, draft_id=_new_id(), **changed)

    def again(self, draft_id: str) -> "Draft":
        """Returns this draft with the id of an earlier one, to retry the submission of that one."""
        return replace(self, draft_id=draft_id)

    def with_change(self, change: ScopedChange) -> "Draft":
        """Returns a new draft with a change added, or with the edited change replaced by it."""
        changes = list(self.changes)
        if self.edited is None:
            changes.append(change)
        else:
            changes[self.edited] = change
        return self.next(changes=tuple(changes), edited=None, is_open=False)

    def without_change(self, index: int) -> "Draft":
        """Returns a new draft without one of the changes."""
        return self.next(changes=(*self.changes[:index], *self.changes[index + 1 :]), edited=None)


class Drafts:
    """The newest drafts of one session."""

    def __init__(self) -> None:
        self._drafts: Cache[Draft] = Cache(MAX_DRAFTS)

    def keep(self, draft: Draft) -> None:
        self._drafts[draft.draft_id] = draft

    def find(self, draft_id: str) -> Draft | None:
        return self._drafts.get(draft_id)


def words_chosen(texts: Iterable[object]) -> tuple[str, ...]:
    """Returns the distinct texts without surrounding spaces, in order."""
    return tuple(dict.fromkeys(text for each in texts if (text := str(each).strip())))
