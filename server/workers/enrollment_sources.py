"""Sources of enrollment for eligibility: the feed of this process, or that of another server."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

import grpc
import structlog

from affilia.enrollment.v1 import enrollment_group_pb2, enrollment_query_service_pb2
from affilia_client.errors import CallFailed
from affilia_client.feed import EnrollmentSubscription
from domain.eligibility.coverage import PolicyCoverage, runs_of
from domain.enrollment.decisions import GroupKey
from domain.enrollment.events import EnrollmentEvent, EventFilter, PolicyRevision, ResumePoint
from domain.enrollment.group import Period
from domain.enrollment.history import GroupState
from domain.errors import DatabaseUnavailable, FeedDiverged, FeedTrimmed, TokenInvalid
from operations.core import Core
from operations.eligibility_state import SourceMessage, Update
from operations.feed import FeedStart, SnapshotPage, watch
from server.mapping.dates import span_from_proto
from server.mapping.enrollment_event import ResumeTokens
from server.mapping.enums import MEMBERSHIP_TYPES
from server.system import own_call
from server.tokens import Tokens

FRESH_SECONDS = 5.0
"""The feed is read every second. After this long without reading it, the source is outdated."""
REMOTE_FRESH_SECONDS = 15.0
"""Another server sends at least one message every ten seconds."""

EVERYTHING = EventFilter()

log = structlog.get_logger()


class OwnFeed:
    """The feed of this process."""

    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = ResumeTokens(tokens, EVERYTHING)

    async def messages(self, start: str | None) -> AsyncGenerator[SourceMessage]:
        begin = FeedStart.SNAPSHOT if start is None else self._resume_point(start)
        call = own_call("eligibility")
        token_of = self._tokens.token_of
        async with aclosing(watch(self._core, call, begin, EVERYTHING, token_of)) as deliveries:
            async for delivered in deliveries:
                if isinstance(delivered, SnapshotPage):
                    position, after = delivered.position, delivered.after
                    updates = [Update(0, _of_state(state)) for state in delivered.groups]
                    token = token_of(ResumePoint(position, after))
                    yield SourceMessage(updates, token, position.position, after is not None)
                else:
                    position = delivered.after
                    updates = list(_updates(delivered.events))
                    yield SourceMessage(updates, token_of(ResumePoint(position)), position.position, False)

    def _resume_point(self, token: str) -> ResumePoint:
        try:
            return self._tokens.point_of(token)
        except TokenInvalid as damaged:
            raise FeedDiverged from damaged

    @property
    def reads_this_database(self) -> bool:
        return True

    def is_fresh(self) -> bool:
        return asyncio.get_running_loop().time() - self._core.feed.heard_at < FRESH_SECONDS


def _of_state(state: GroupState) -> PolicyCoverage:
    runs = runs_of(state.group_id, state.key, state.revision, state.periods)
    return PolicyCoverage(state.group_id, state.key, state.revision, tuple(runs))


def _updates(events: Iterable[EnrollmentEvent]) -> Iterable[Update]:
    for event in events:
        head, detail = event.head, event.detail
        if isinstance(detail, PolicyRevision):
            runs = runs_of(head.group_id, head.key, detail.revision, detail.periods)
            yield Update(head.position, PolicyCoverage(head.group_id, head.key, detail.revision, tuple(runs)))
        elif detail is None:
            _report_unprojected(head.group_id, head.position)


def _report_unprojected(group_id: UUID | str, position: int) -> None:
    """Logs that a policy's coverage is outdated until the event is repaired. Other policies are not affected."""
    log.error("coverage_not_projected", group_id=str(group_id), position=position)


class RemoteFeed:
    """The feed of another server, read from its public listener.

    The token file is read for each connection. TLS is used if the CA of the server's certificate is configured.
    """

    def __init__(self, target: str, token: Path | None = None, authority: Path | None = None) -> None:
        self._target = target
        self._token = token
        self._authority = authority
        self._heard_at = 0.0

    async def messages(self, start: str | None) -> AsyncGenerator[SourceMessage]:
        async with self._channel() as channel:
            begin = start or enrollment_query_service_pb2.FEED_START_SNAPSHOT
            metadata = (("authorization", f"Bearer {self._token.read_text().strip()}"),) if self._token else ()
            async with EnrollmentSubscription(channel, begin, metadata=metadata) as subscription:
                in_snapshot = start is None
                try:
                    async for message in subscription:
                        self._heard_at = asyncio.get_running_loop().time()
                        in_snapshot = in_snapshot and not message.snapshot_complete
                        updates = [Update(0, _of_group(group)) for group in message.groups]
                        for event in message.events:
                            if event.HasField("policy_revision"):
                                revision = event.policy_revision
                                policy = _policy(event.group_id, event.key, revision.revision, revision.periods)
                                updates.append(Update(event.position, policy))
                            elif event.WhichOneof("detail") is None:
                                _report_unprojected(event.group_id, event.position)
                        yield SourceMessage(updates, message.resume_token, message.feed_position, in_snapshot)
                except CallFailed as failed:
                    raise ERRORS.get(failed.reason, DatabaseUnavailable)() from failed

    def _channel(self) -> grpc.aio.Channel:
        if self._authority is None:
            return grpc.aio.insecure_channel(self._target)
        return grpc.aio.secure_channel(self._target, grpc.ssl_channel_credentials(self._authority.read_bytes()))

    @property
    def reads_this_database(self) -> bool:
        return False

    def is_fresh(self) -> bool:
        return asyncio.get_running_loop().time() - self._heard_at < REMOTE_FRESH_SECONDS


class _Trimmed(FeedTrimmed):
    def __init__(self) -> None:
        super().__init__("")


ERRORS = {"FEED_TRIMMED": _Trimmed, "FEED_DIVERGED": FeedDiverged, "TOKEN_INVALID": FeedDiverged}


def _of_group(group: enrollment_group_pb2.EnrollmentGroup) -> PolicyCoverage:
    return _policy(group.group_id, group.key, group.revision, group.periods)


def _policy(
    group_id: str,
    key: enrollment_group_pb2.GroupKey,
    revision: int,
    periods: Iterable[enrollment_group_pb2.EnrollmentPeriod],
) -> PolicyCoverage:
    policy_id, group_key = UUID(group_id), GroupKey(UUID(key.contract_id), UUID(key.primary_id))
    enrolled = [
        Period(
            UUID(period.member_id),
            MEMBERSHIP_TYPES.from_proto(period.membership_type),
            UUID(period.module_id),
            span_from_proto(period.days),
        )
        for period in periods
    ]
    return PolicyCoverage(policy_id, group_key, revision, tuple(runs_of(policy_id, group_key, revision, enrolled)))
