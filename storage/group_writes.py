"""Writes of enrollment groups: requests, revisions, periods, differences and events of any number of locked groups.

Operations first collect their decisions; one statement then writes them, set by set. A transaction that
changes a group holds the lock on its row in `enrollment_group` (`storage/enrollment.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from domain.catalog.contract import Contract
from domain.days import Days, Span
from domain.enrollment.decisions import members_named
from domain.enrollment.differences import Difference, PolicyEvent
from domain.enrollment.events import EventType, PolicyRevision
from domain.enrollment.group import Period
from domain.enrollment.history import ChangeRequest, RevisionCause
from domain.enrollment.verdicts import Verdict
from domain.identity import slot_id
from domain.membership import MembershipType
from domain.premiums.months import Month
from storage.enrollment import LockedGroup, create_groups
from storage.postgres.database import Connection
from storage.postgres.documents import actor_to_document, change_request_to_document
from storage.premium_stale import mark_revised
from storage.recomputes import FinishedRecompute, WaitingRecompute, finish
from storage.requests import WriteKey

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewRevision:
    """The contents of a revision: its periods, the differences from the previous revision, and the resulting event.

    `membership_types` has every member who has a period or a difference. Exactly one of `request` and `recompute` is
    set: what made the revision. `stale_from` is the first month in which premiums can change, and `view` the state as
    readers receive it.
    """

    periods: Sequence[Period]
    differences: Sequence[Difference]
    membership_types: Mapping[UUID, MembershipType]
    policy_event: PolicyEvent
    recorded_at: datetime
    request: ChangeRequest | None = None
    recompute: WaitingRecompute | None = None
    stale_from: Month | None = None
    view: bytes | None = None

    @property
    def cause(self) -> RevisionCause:
        return RevisionCause(
            self.request.change_request_id if self.request else None,
            self.recompute.recompute_id if self.recompute else None,
        )


@dataclass(slots=True)
class GroupWrites:
    """What a transaction records of its locked groups, in the order in which it was decided.

    Nothing is written before `write`. What was collected for a request that fails is discarded with its `GroupWrites`.
    `details` are those of the events about revisions, by event id, as a reader of the feed would read them.
    """

    details: dict[UUID, PolicyRevision] = field(default_factory=dict)

    _heads: dict[UUID, LockedGroup] = field(default_factory=dict)
    _members: dict[tuple[UUID, UUID], datetime] = field(default_factory=dict)
    _requests: list[tuple[UUID, Row]] = field(default_factory=list)
    _revisions: list[tuple[UUID, Row]] = field(default_factory=list)
    _events: list[tuple[UUID, Row]] = field(default_factory=list)
    _answers: list[Row] = field(default_factory=list)
    _recomputes: list[FinishedRecompute] = field(default_factory=list)
    _stale: dict[UUID, Month] = field(default_factory=dict)

    def add_request(self, group: LockedGroup, request: ChangeRequest) -> None:
        """Adds a judged request and, if it is rejected, its event. `group` is the group after the request."""
        approved = request.verdict == Verdict.APPROVED
        self._heads[group.group_id] = group
        self._requests.append(
            (
                group.group_id,
                {
                    "change_request_id": str(request.change_request_id),
                    "approved": approved,
                    "revision": request.revision,
                    "recorded_at": request.recorded_at.isoformat(),
                    "document": change_request_to_document(request),
                    "actor": actor_to_document(request.actor),
                },
            )
        )
        if not approved:
            concerned = {request.key.primary_id, *members_named(scoped.change for scoped in request.changes)}
            of_request = {"change_request_id": str(request.change_request_id)}
            self._add_event(
                group, EventType.CHANGE_REQUEST_REJECTED, concerned, request.recorded_at.isoformat(), of_request
            )

    def add_members(self, group: LockedGroup, member_ids: Iterable[UUID], recorded_at: datetime) -> None:
        """Adds members of a group, in addition to those stored before."""
        for member_id in member_ids:
            self._members.setdefault((group.group_id, member_id), recorded_at)

    def add_revision(self, group: LockedGroup, contract: Contract, new: NewRevision) -> None:
        """Adds a revision with its event. `group` is the group after the revision."""
        self._heads[group.group_id] = group
        recorded_at, cause = new.recorded_at.isoformat(), new.cause
        self._revisions.append(
            (
                group.group_id,
                {
                    "revision": group.revision,
                    "recorded_at": recorded_at,
                    "change_request_id": cause.change_request_id and str(cause.change_request_id),
                    "recompute_key": new.recompute and new.recompute.recompute_key,
                    "policy_event": new.policy_event.value,
                    "view": None if new.view is None else f"\\x{new.view.hex()}",
                    "periods": _period_rows(contract, new.periods),
                    "differences": _difference_rows(new.differences, new.membership_types),
                },
            )
        )
        concerned = {group.key.primary_id, *(p.member_id for p in new.periods), *(d.member_id for d in new.differences)}
        of_revision = {"revision": group.revision}
        event_id = self._add_event(group, EventType(f"POLICY_{new.policy_event}"), concerned, recorded_at, of_revision)
        differing = [(each, new.membership_types[each.member_id]) for each in new.differences]
        self.details[event_id] = PolicyRevision.of(group.revision, cause, new.request, differing, new.periods)
        if new.stale_from is not None:
            self._stale[group.group_id] = min(new.stale_from, self._stale.get(group.group_id, new.stale_from))

    def _add_event(
        self, group: LockedGroup, kind: EventType, concerned: Iterable[UUID], recorded_at: str, about: Row
    ) -> UUID:
        """Adds an event. Returns its id."""
        event_id = uuid4()
        row = {
            "event_id": str(event_id),
            "kind": kind.value,
            "recorded_at": recorded_at,
            "member_ids": [str(member_id) for member_id in sorted(concerned)],
        }
        self._events.append((group.group_id, row | about))
        return event_id

    def finish_recompute(self, finished: FinishedRecompute) -> None:
        """Marks a recompute as done."""
        self._recomputes.append(finished)

    def add_answer(self, key: WriteKey, answer: Row) -> None:
        """Adds the response to a write."""
        self._answers.append(
            {"request_id": str(key.request_id), "fingerprint": f"\\x{key.fingerprint.hex()}", "answer": answer}
        )

    def extend(self, other: "GroupWrites") -> None:
        """Adds what was collected for another request. Each group must be in one of the two only."""
        self.details |= other.details
        self._heads |= other._heads
        self._members |= other._members
        self._requests += other._requests
        self._revisions += other._revisions
        self._events += other._events
        self._answers += other._answers
        self._recomputes += other._recomputes
        self._stale |= other._stale

    async def write(self, tx: Connection) -> None:
        """Writes everything that was collected.

        Marking recomputes as done comes last: from then on, transactions that enqueue their groups wait for this one.
        Raises psycopg.errors.SerializationFailure if another transaction has created one of the new groups.
        """
        if self._heads or self._members or self._answers:
            keys = await create_groups(tx, self._heads.values())
            await tx.execute(_WRITE, self._parameters(keys))
            await mark_revised(tx, {keys[group_id]: first for group_id, first in self._stale.items()})
        await finish(tx, self._recomputes)

    def _parameters(self, keys: Mapping[UUID, int]) -> dict[str, Any]:
        def keyed(rows: Sequence[tuple[UUID, Row]]) -> Jsonb:
            return Jsonb([row | {"n": n, "group_key": keys[group_id]} for n, (group_id, row) in enumerate(rows)])

        heads = [(group.group_id, _head_row(group)) for group in self._heads.values() if not group.is_new]
        members = [
            (group_id, {"member_id": str(member_id), "recorded_at": recorded_at.isoformat()})
            for (group_id, member_id), recorded_at in sorted(self._members.items())
        ]
        return {
            "heads": keyed(heads),
            "members": keyed(members),
            "requests": keyed(self._requests),
            "revisions": keyed(self._revisions),
            "events": keyed(self._events),
            "answers": Jsonb(self._answers),
        }


def _head_row(group: LockedGroup) -> Row:
    return {"revision": group.revision, "recorded_at": group.recorded_at.isoformat()}


def _period_rows(contract: Contract, periods: Sequence[Period]) -> list[Row]:
    return [
        {
            "member_id": str(period.member_id),
            "module_id": str(period.module_id),
            "slot_id": str(slot_id(contract.contract_id, period.module_id, contract.slots[period.module_id])),
            "membership_type": period.membership_type.value,
            "days": _range(period.days),
        }
        for period in periods
    ]


def _difference_rows(differences: Sequence[Difference], types: Mapping[UUID, MembershipType]) -> list[Row]:
    return [
        {
            "member_id": str(difference.member_id),
            "membership_type": types[difference.member_id].value,
            "module_id": str(difference.module_id),
            "kinds": [kind.value for kind in difference.kinds],
            "gained": _multirange(difference.gained),
            "lost": _multirange(difference.lost),
        }
        for difference in differences
    ]


def _range(span: Span) -> str:
    return f"[{span.first_on or ''},{span.last_on or ''}]"


def _multirange(days: Days) -> str:
    return f"{{{','.join(map(_range, days.spans))}}}"


_WRITE = """
WITH heads AS (
    UPDATE enrollment_group g SET revision = h.revision, recorded_at = h.recorded_at
    FROM jsonb_to_recordset(%(heads)s) AS h(group_key bigint, revision integer, recorded_at timestamptz)
    WHERE g.group_key = h.group_key
), members AS (
    INSERT INTO group_member (member_id, group_key, recorded_at)
    SELECT * FROM jsonb_to_recordset(%(members)s) AS m(member_id uuid, group_key bigint, recorded_at timestamptz)
    ON CONFLICT DO NOTHING
), requests AS (
    INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document, actor)
    SELECT change_request_id, group_key, approved, revision, recorded_at, document, actor
    FROM jsonb_to_recordset(%(requests)s) AS r(n integer, change_request_id uuid, group_key bigint, approved boolean,
        revision integer, recorded_at timestamptz, document jsonb, actor jsonb)
    ORDER BY n
    RETURNING change_request_key, change_request_id
), new_revisions AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(revisions)s) AS r(n integer, group_key bigint, revision integer,
        recorded_at timestamptz, change_request_id uuid, recompute_key bigint, policy_event text, view bytea,
        periods jsonb, differences jsonb)
), revisions AS (
    INSERT INTO enrollment_revision
        (group_key, revision, recorded_at, change_request_key, recompute_key, policy_event, view)
    SELECT group_key, revision, recorded_at, change_request_key, recompute_key, policy_event, view
    FROM new_revisions LEFT JOIN requests USING (change_request_id)
    ORDER BY n
    RETURNING revision_key, group_key, revision
), periods AS (
    INSERT INTO enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)
    SELECT revision_key, p.* FROM revisions JOIN new_revisions USING (group_key, revision),
        jsonb_to_recordset(periods) AS p(member_id uuid, module_id uuid, slot_id uuid, membership_type text,
            days daterange)
), differences AS (
    INSERT INTO enrollment_difference
        (revision_key, group_key, member_id, membership_type, module_id, kinds, gained, lost)
    SELECT revision_key, group_key, d.* FROM revisions JOIN new_revisions USING (group_key, revision),
        jsonb_to_recordset(differences) AS d(member_id uuid, membership_type text, module_id uuid, kinds text[],
            gained datemultirange, lost datemultirange)
), events AS (
    INSERT INTO event (event_id, group_key, kind, revision_key, change_request_key, recorded_at, member_ids)
    SELECT event_id, group_key, kind, revision_key, change_request_key, recorded_at, member_ids
    FROM jsonb_to_recordset(%(events)s) AS e(n integer, event_id uuid, group_key bigint, kind text, revision integer,
        change_request_id uuid, recorded_at timestamptz, member_ids uuid[])
    LEFT JOIN revisions USING (group_key, revision) LEFT JOIN requests USING (change_request_id)
    ORDER BY n
    RETURNING event_key, recorded_at
), pending AS (
    INSERT INTO feed_pending (event_key, recorded_at) SELECT event_key, recorded_at FROM events
)
INSERT INTO answered_request (request_id, fingerprint, answer, recorded_at)
SELECT request_id, fingerprint, answer, (SELECT recorded_now())
FROM jsonb_to_recordset(%(answers)s) AS a(request_id uuid, fingerprint bytea, answer jsonb)
"""
"""SQL that writes the rows of any number of groups. Requests and revisions are matched by their own keys, so that the
database can draw the keys of their rows."""
