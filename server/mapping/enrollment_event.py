"""Events of the change feed, filters and resume tokens on the wire; messages that go to many streams, serialised once.

A message of several events is put together from the bytes of messages of one event each: protobuf reads messages
that follow each other as one, with their lists joined.
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
    FeedPlace,
    PolicyRevision,
    ResumePoint,
)
from domain.enrollment.history import ChangeRequest
from domain.errors import FeedDiverged, TokenInvalid
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
from server.mapping.paging import fingerprint
from server.operations.feed import FeedStart, SnapshotPage
from server.operations.feed_tail import EventBatch
from server.tokens import Tokens

EVENT_TYPES = EnumMapping(pb.EnrollmentEventType.DESCRIPTOR, EventType)
FEED_STARTS = EnumMapping(service_pb.FeedStart.DESCRIPTOR, FeedStart)

MOST_MESSAGE_BYTES = 256 * 1024
TOKEN_FIELD = "resume_token"  # noqa: S105 (the field's name)


def filter_from_proto(wanted: pb.EnrollmentFilter) -> EventFilter:
    return EventFilter(
        frozenset(map(UUID, wanted.contract_ids)),
        frozenset(map(UUID, wanted.primary_ids)),
        frozenset(map(UUID, wanted.member_ids)),
        frozenset(EVENT_TYPES.from_proto(number) for number in wanted.types),
    )


def filter_to_proto(wanted: EventFilter) -> pb.EnrollmentFilter:
    """In order, so that equal filters become equal messages."""
    return pb.EnrollmentFilter(
        contract_ids=sorted(map(str, wanted.contract_ids)),
        primary_ids=sorted(map(str, wanted.primary_ids)),
        member_ids=sorted(map(str, wanted.member_ids)),
        types=sorted(EVENT_TYPES.to_proto(type_) for type_ in wanted.types),
    )


def event_to_proto(event: EnrollmentEvent) -> pb.EnrollmentEvent:
    head, detail = event.head, event.detail
    proto = pb.EnrollmentEvent(
        event_id=str(head.event_id),
        position=head.position,
        type=EVENT_TYPES.to_proto(head.type),
        group_id=str(head.group_id),
        key=key_to_proto(head.key),
        recorded_at=timestamp_to_proto(head.recorded_at),
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
    """The tokens of one stream: bound to its filter, to the feed, and to the event after which it stands.

    Beside the signature, which says that we gave it out, a token holds a checksum, which says that it is whole: one
    that is whole but signed by another database is of another history, not damaged.
    """

    def __init__(self, tokens: Tokens, wanted: EventFilter) -> None:
        self._tokens = tokens
        self._filter = fingerprint(filter_to_proto(wanted)).hex()[:16]

    def token_of(self, point: ResumePoint) -> str:
        place, after = point.place, point.snapshot_after
        told: list[Any] = [
            1,
            place.feed_id.hex,
            place.position,
            place.event_id.hex if place.event_id else None,
            self._filter,
            None if after is None else after.hex,
        ]
        return self._tokens.made("resume", [*told, _checksum(told)])

    def point_of(self, token: str) -> ResumePoint:
        """Raises TokenInvalid, and FeedDiverged for one of another database."""
        try:
            told = self._tokens.read("resume", token, TOKEN_FIELD)
        except TokenInvalid:
            if _is_whole(self._tokens.unverified(token, TOKEN_FIELD)):
                raise FeedDiverged from None
            raise
        _, feed_id, position, event_id, wanted, after, _ = told
        if wanted != self._filter:
            raise TokenInvalid(TOKEN_FIELD)
        place = FeedPlace(UUID(feed_id), position, UUID(event_id) if event_id else None)
        return ResumePoint(place, None if after is None else UUID(after))


def _checksum(told: list[Any]) -> int:
    return zlib.crc32(json.dumps(told).encode())


def _is_whole(told: Any) -> bool:
    return isinstance(told, list) and len(told) > 1 and told[-1] == _checksum(told[:-1])


class FeedMessages:
    """The messages of all streams, as bytes. Those of a batch are made once, however many streams are given it."""

    def __init__(self) -> None:
        self._events: WeakKeyDictionary[EnrollmentEvent, bytes] = WeakKeyDictionary()
        self._batches: WeakKeyDictionary[EventBatch, tuple[bytes, ...]] = WeakKeyDictionary()

    def of(self, delivered: EventBatch | SnapshotPage, tokens: ResumeTokens) -> tuple[bytes, ...]:
        """One message, or several where one would be too large; each ends with the token to resume after it."""
        if isinstance(delivered, SnapshotPage):
            return (self._snapshot(delivered, tokens),)
        made = self._batches.get(delivered)
        if made is None:
            made = self._batches[delivered] = tuple(self._messages(delivered, tokens))
        return made

    def _snapshot(self, page: SnapshotPage, tokens: ResumeTokens) -> bytes:
        return service_pb.WatchEnrollmentsResponse(
            groups=[group_to_proto(group) for group in page.groups],
            snapshot_complete=page.after is None,
            resume_token=tokens.token_of(ResumePoint(page.place, page.after)),
            feed_position=page.place.position,
        ).SerializeToString()

    def _messages(self, batch: EventBatch, tokens: ResumeTokens) -> Iterator[bytes]:
        parts: list[bytes] = []
        size = 0
        for i, event in enumerate(batch.events):
            part = self._event(event)
            if parts and size + len(part) > MOST_MESSAGE_BYTES:
                last = batch.events[i - 1].head
                place = FeedPlace(batch.after.feed_id, last.position, last.event_id)
                yield _joined(parts, tokens.token_of(ResumePoint(place)), place.position)
                parts, size = [], 0
            parts.append(part)
            size += len(part)
        yield _joined(parts, tokens.token_of(ResumePoint(batch.after)), batch.after.position)

    def _event(self, event: EnrollmentEvent) -> bytes:
        made = self._events.get(event)
        if made is None:
            message = service_pb.WatchEnrollmentsResponse(events=[event_to_proto(event)])
            made = self._events[event] = message.SerializeToString()
        return made


def _joined(parts: list[bytes], token: str, position: int) -> bytes:
    last = service_pb.WatchEnrollmentsResponse(resume_token=token, feed_position=position)
    return b"".join([*parts, last.SerializeToString()])
