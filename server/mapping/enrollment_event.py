"""Maps events of the change feed, filters and resume tokens. Serializes messages for many streams once.

A message of several events is the concatenation of serialized messages of one event each: protobuf merges messages that
follow each other and concatenates their lists.
"""

import json
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from affilia.enrollment.v1 import enrollment_event_pb2 as pb
from affilia.enrollment.v1 import enrollment_query_service_pb2 as service_pb
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.events import (
    EnrollmentEvent,
    EventFilter,
    EventType,
    FailedRecompute,
    FeedPosition,
    PolicyRevision,
    ResumePoint,
)
from domain.enrollment.history import ChangeRequest
from domain.errors import FeedDiverged, TokenInvalid
from operations.feed import EVERYTHING, FeedStart, SnapshotPage
from operations.feed_tail import EventBatch
from operations.member_aliases import MergedId
from server.mapping.change_request import change_request_to_proto
from server.mapping.dates import timestamp_to_proto
from server.mapping.enrollment_group import (
    cause_to_proto,
    difference_to_proto,
    group_to_proto,
    key_to_proto,
    period_to_proto,
)
from server.mapping.enums import EnumMapping
from server.mapping.fingerprints import fingerprint
from server.mapping.merged_ids import merged_to_proto
from server.tokens import Tokens

EVENT_TYPES = EnumMapping(pb.EnrollmentEventType.DESCRIPTOR, EventType)
FEED_STARTS = EnumMapping(service_pb.FeedStart.DESCRIPTOR, FeedStart)

NOTHING: frozenset[Any] = frozenset()
"""The empty set of all filters. Shared, because each new empty frozenset takes 216 bytes."""

MAX_MESSAGE_BYTES = 256 * 1024
TOKEN_FIELD = "resume_token"  # noqa: S105 (the field's name)


def filter_from_proto(wanted: pb.EnrollmentFilter) -> EventFilter:
    found = EventFilter(
        frozenset(map(UUID, wanted.contract_ids)) or NOTHING,
        frozenset(map(UUID, wanted.primary_ids)) or NOTHING,
        frozenset(map(UUID, wanted.member_ids)) or NOTHING,
        frozenset(EVENT_TYPES.from_proto(number) for number in wanted.types) or NOTHING,
    )
    return EVERYTHING if found.everything else found


def filter_to_proto(wanted: EventFilter) -> pb.EnrollmentFilter:
    """Converts a filter. Sorts its ids, so that equal filters become equal messages."""
    return pb.EnrollmentFilter(
        contract_ids=sorted(map(str, wanted.contract_ids)),
        primary_ids=sorted(map(str, wanted.primary_ids)),
        member_ids=sorted(map(str, wanted.member_ids)),
        types=sorted(EVENT_TYPES.to_proto(type_) for type_ in wanted.types),
    )


def merged_in_filter(wanted: EventFilter, before: EventFilter) -> bytes:
    """Returns a serialized WatchEnrollmentsResponse with the members of a filter who were merged, if that is new."""
    merged = wanted.merged_members | wanted.merged_primaries
    if merged == before.merged_members | before.merged_primaries:
        return b""
    ids = [MergedId(str(member_id), str(into)) for member_id, into in sorted(merged)]
    return service_pb.WatchEnrollmentsResponse(merged_members=merged_to_proto(ids)).SerializeToString()


def event_to_proto(event: EnrollmentEvent) -> pb.EnrollmentEvent:
    head, detail = event.head, event.detail
    proto = pb.EnrollmentEvent(
        event_id=str(head.event_id),
        position=head.position,
        type=EVENT_TYPES.to_proto(head.type),
        group_id=str(head.group_id),
        key=key_to_proto(head.key),
        recorded_at=timestamp_to_proto(head.recorded_at),
        incomplete=event.is_incomplete,
    )
    match detail:
        case PolicyRevision():
            proto.policy_revision.CopyFrom(policy_revision_to_proto(head.group_id, detail))
        case ChangeRequest():
            proto.change_request.CopyFrom(change_request_to_proto(detail))
        case FailedRecompute():
            proto.failed_recompute.CopyFrom(failed_recompute_to_proto(detail))
    return proto


def policy_revision_to_proto(group_id: UUID, made: PolicyRevision) -> pb.PolicyRevision:
    return pb.PolicyRevision(
        revision=made.revision,
        cause=cause_to_proto(made.cause),
        differences=[
            difference_to_proto(
                group_id, d, made.membership_types, [made.causes[EnrollmentKey(d.member_id, d.module_id)]]
            )
            for d in made.differences
        ],
        periods=[period_to_proto(group_id, period) for period in made.periods],
    )


def failed_recompute_to_proto(failed: FailedRecompute) -> pb.FailedRecompute:
    again = failed.next_attempt_at
    return pb.FailedRecompute(
        recompute_id=str(failed.recompute_id),
        failed_attempts=failed.failed_attempts,
        next_attempt_at=timestamp_to_proto(again) if again else None,
    )


class ResumeTokens:
    """Resume tokens of one stream, bound to its filter, the feed, and the last event before them.

    A token has a signature and a checksum. If only the checksum is valid, the token isn't damaged, but was issued by
    another database, whose history differs.
    """

    def __init__(self, tokens: Tokens, wanted: EventFilter) -> None:
        self._tokens = tokens
        self._filter = fingerprint(filter_to_proto(wanted)).hex()[:16]

    def token_of(self, point: ResumePoint) -> str:
        position, after = point.after, point.snapshot_after
        payload: list[Any] = [
            1,
            position.feed_id.hex,
            position.position,
            position.event_id.hex if position.event_id else None,
            self._filter,
            None if after is None else after.hex,
        ]
        return self._tokens.made("resume", [*payload, _checksum(payload)])

    def point_of(self, token: str) -> ResumePoint:
        """Returns where to resume. Raises TokenInvalid, or FeedDiverged for a token of another database."""
        try:
            payload = self._tokens.read("resume", token, TOKEN_FIELD)
        except TokenInvalid:
            if _is_whole(self._tokens.unverified(token, TOKEN_FIELD)):
                raise FeedDiverged from None
            raise
        _, feed_id, number, event_id, wanted, after, _ = payload
        if wanted != self._filter:
            raise TokenInvalid(TOKEN_FIELD)
        position = FeedPosition(UUID(feed_id), number, UUID(event_id) if event_id else None)
        return ResumePoint(position, None if after is None else UUID(after))


def _checksum(payload: list[Any]) -> int:
    return zlib.crc32(json.dumps(payload).encode())


def _is_whole(payload: Any) -> bool:
    return isinstance(payload, list) and len(payload) > 1 and payload[-1] == _checksum(payload[:-1])


class FeedMessages:
    """Serialized messages. Those of a batch are made once for all streams."""

    def __init__(self) -> None:
        self._events: WeakKeyDictionary[EnrollmentEvent, bytes] = WeakKeyDictionary()
        self._batches: WeakKeyDictionary[EventBatch, tuple[bytes, ...]] = WeakKeyDictionary()

    def of(self, delivered: EventBatch | SnapshotPage, tokens: ResumeTokens) -> tuple[bytes, ...]:
        """Returns one message, or several if one would be too large. Each has the token to resume after it."""
        if isinstance(delivered, SnapshotPage):
            return tuple(_snapshot_messages(delivered, tokens))
        made = self._batches.get(delivered)
        if made is None:
            made = self._batches[delivered] = tuple(self._messages(delivered, tokens))
        return made

    def _messages(self, batch: EventBatch, tokens: ResumeTokens) -> Iterator[bytes]:
        parts: list[bytes] = []
        size = 0
        for i, event in enumerate(batch.events):
            part = self._event(event)
            if parts and size + len(part) > MAX_MESSAGE_BYTES:
                last = batch.events[i - 1].head
                position = FeedPosition(batch.after.feed_id, last.position, last.event_id)
                yield _joined(parts, _events_end(position, tokens))
                parts, size = [], 0
            parts.append(part)
            size += len(part)
        yield _joined(parts, _events_end(batch.after, tokens))

    def _event(self, event: EnrollmentEvent) -> bytes:
        made = self._events.get(event)
        if made is None:
            message = service_pb.WatchEnrollmentsResponse(events=[event_to_proto(event)])
            made = self._events[event] = message.SerializeToString()
        return made


def _snapshot_messages(page: SnapshotPage, tokens: ResumeTokens) -> Iterator[bytes]:
    parts: list[bytes] = []
    size = 0
    for i, group in enumerate(page.groups):
        part = service_pb.WatchEnrollmentsResponse(groups=[group_to_proto(group)]).SerializeToString()
        if parts and size + len(part) > MAX_MESSAGE_BYTES:
            yield _joined(parts, _snapshot_end(page, page.groups[i - 1].group_id, tokens))
            parts, size = [], 0
        parts.append(part)
        size += len(part)
    yield _joined(parts, _snapshot_end(page, page.after, tokens))


def _snapshot_end(page: SnapshotPage, after: UUID | None, tokens: ResumeTokens) -> service_pb.WatchEnrollmentsResponse:
    return service_pb.WatchEnrollmentsResponse(
        snapshot_complete=after is None,
        resume_token=tokens.token_of(ResumePoint(page.position, after)),
        feed_position=page.position.position,
    )


def _events_end(position: FeedPosition, tokens: ResumeTokens) -> service_pb.WatchEnrollmentsResponse:
    return service_pb.WatchEnrollmentsResponse(
        resume_token=tokens.token_of(ResumePoint(position)), feed_position=position.position
    )


def _joined(parts: list[bytes], end: service_pb.WatchEnrollmentsResponse) -> bytes:
    return b"".join([*parts, end.SerializeToString()])
