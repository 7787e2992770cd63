"""The context of a call: who calls, when, and under which id."""

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.actors import BEFORE_ACTORS, Actor, ActorKind
from domain.enrollment.decisions import GroupKey
from domain.errors import DomainError
from operations.member_aliases import MergedId
from storage.history import WriteMark
from storage.merges import Merge

Clock = Callable[[], datetime]
"""Returns the current instant, with a time zone. Operations never read the system clock."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `subject` is their id, never a name; for a member, it is the member id.

    `merged_into` is the member into whom a calling member was merged.
    """

    kind: ActorKind
    subject: str
    scopes: frozenset[str] = frozenset()
    on_behalf_of: str = ""
    merged_into: UUID | None = None

    @property
    def member_id(self) -> UUID:
        """The member who calls, under the id that is in use. The caller must be a member."""
        return self.merged_into or UUID(self.subject)


MAX_RESOLVED_IDS = 1000
"""Maximum number of resolved ids in an audit entry, for each field. A contract can have millions of groups."""


@dataclass(slots=True, eq=False)
class Trail:
    """What a call records for the audit log and the write log: ids that it names, returns or resolves, and its writes.

    `recorded` is set once the call has its entry in the audit log.
    """

    ids: dict[str, str] = field(default_factory=dict)
    """The ids that the request names or the response returns, by field."""
    omitted_ids: int = 0
    """How many more ids a rejected call named."""
    _resolved: dict[str, dict[UUID, None]] = field(default_factory=dict)
    _omitted_resolved: dict[str, int] = field(default_factory=dict)
    recorded: bool = False
    outcome: str = "OK"
    """How the call ended: OK, or the reason of a rejection that is stored in the same transaction."""
    usage_of: tuple[UUID, ...] = ()
    """The policies whose balances the call changes, for the write log."""
    merge: Merge | None = None
    """The merge of two members that the call has stored, for the write log."""
    write: WriteMark | None = None
    """The last transaction of the call in the write log. The call's consistency token refers to it."""

    def resolved(self, **ids: UUID | Iterable[UUID]) -> None:
        """Records ids that the operation found, by field, as in `resolved(group_id=group_id, member_id=member_ids)`.

        Record them as soon as they are known, so that the audit entry of a rejected call has them too.
        """
        for name, value in ids.items():
            found = [value] if isinstance(value, UUID) else value
            self._resolved.setdefault(name, {}).update(dict.fromkeys(found))

    def resolved_group(self, group_id: UUID, key: GroupKey) -> None:
        """Records a group with its contract and primary."""
        self.resolved(group_id=group_id, **key._asdict())

    def resolved_groups(self, first_ids: Sequence[UUID], count: int) -> None:
        """Records the first of `count` groups, and how many are omitted."""
        self.resolved(group_id=first_ids)
        self._omitted_resolved["group_id"] = count - len(first_ids)

    def forget_resolved(self) -> None:
        """Clears the ids resolved by an attempt of a transaction, before the next attempt."""
        self._resolved.clear()
        self._omitted_resolved.clear()

    def all_ids(self) -> tuple[dict[str, str], int]:
        """Returns all ids for the audit entry, by field, and how many are omitted.

        Ids that the call names or returns aren't repeated among the resolved ones.
        """
        ids, omitted = dict(self.ids), self.omitted_ids + sum(self._omitted_resolved.values())
        named = set(ids.values())
        for name, found in self._resolved.items():
            new = [text for each in found if (text := str(each)) not in named]
            omitted += max(0, len(new) - MAX_RESOLVED_IDS)
            for n, text in enumerate(new[:MAX_RESOLVED_IDS]):
                ids[f"resolved.{name}" if len(new) == 1 else f"resolved.{name}[{n}]"] = text
        return ids, omitted


@dataclass(frozen=True, slots=True)
class After:
    """What a read must reflect: the write with this key (0: every write of the current epoch).

    Only a look at the database with at least the number `look` can show it.
    """

    key: int = 0
    look: int = 0


@dataclass(slots=True, eq=False)
class StreamEnd:
    """Asks the producer of a stream to end it. Without a listener the producer is interrupted instead."""

    error: DomainError | None = None
    _listener: Callable[[DomainError], None] | None = None

    def when_requested(self, listener: Callable[[DomainError], None]) -> None:
        """Registers a producer that has more to send before the end. Calls it immediately if the end is due."""
        self._listener = listener
        if self.error is not None:
            listener(self.error)

    def request(self, error: DomainError) -> bool:
        """Requests the end. Returns whether the producer ends the stream itself."""
        self.error = error
        if self._listener is None:
            return False
        self._listener(error)
        return True


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method, by its full name (`/package.Service/Method`).

    `today_override` is the day that a `--dev` server uses as today. `after` comes from the call's consistency token;
    None if it has none. `stream_end` is set if the response is a stream. `merged_ids` are the ids of merged members in
    the request, which were replaced before the operation was called.
    """

    call_id: str
    caller: Caller
    clock: Clock
    today_override: date | None = None
    method: str = ""
    trail: Trail = field(default_factory=Trail, compare=False)
    after: After | None = None
    stream_end: StreamEnd | None = field(default=None, compare=False)
    merged_ids: tuple[MergedId, ...] = ()

    @property
    def actor(self) -> Actor:
        """The actor of everything that the call records."""
        caller = self.caller
        return Actor(caller.kind, caller.subject, caller.on_behalf_of)

    def on_behalf_of(self, subject: str | None) -> "Call":
        """Returns this call, made on behalf of a subject. Returns it unchanged if the subject isn't known."""
        if subject in (None, BEFORE_ACTORS.subject):
            return self
        return replace(self, caller=replace(self.caller, on_behalf_of=subject))

    def at(self, instant: datetime) -> "Call":
        """Returns this call with its clock stopped at an instant, so that all time zones are looked at together."""
        return replace(self, clock=lambda: instant)

    def today(self, time_zone: str) -> date:
        """Returns the current date in a time zone, given by its IANA name."""
        return self.today_override or self.clock().astimezone(ZoneInfo(time_zone)).date()


_current_call: ContextVar[Call] = ContextVar("current_call")


def current_call() -> Call:
    """Returns the call that the running task serves. The identity interceptor has set it."""
    return _current_call.get()


def begin_call(call: Call) -> None:
    """Sets the call that the running task serves."""
    _current_call.set(call)
