"""Batches and snapshots of the feed are split into small messages, each with a token that resumes right after it."""

import asyncio
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from domain.days import Span, to_day
from domain.enrollment.decisions import GroupKey
from domain.enrollment.events import EventFilter, FeedPosition
from domain.enrollment.group import Period
from domain.enrollment.history import GroupState, RevisionCause
from domain.membership import MembershipType
from operations.feed import SnapshotPage
from operations.feed_reads import SharedReads
from operations.feed_tail import EventBatch
from server.mapping.enrollment_event import MAX_MESSAGE_BYTES, FeedMessages, ResumeTokens
from server.tokens import Tokens
from storage.postgres.fair_connections import connection_owner
from storage.sharing.shared_capacity import THE_SERVER

EVERYTHING = EventFilter()
PLACE = FeedPosition(uuid4(), 7, uuid4())


def a_group(number: int, periods: int) -> GroupState:
    days = Span(to_day(date(2026, 1, 1)), to_day(date(2026, 12, 31)))
    enrolled = tuple(Period(uuid4(), MembershipType.PRIMARY, uuid4(), days) for _ in range(periods))
    key = GroupKey(uuid4(), uuid4())
    return GroupState(UUID(int=number), key, 1, RevisionCause(uuid4()), datetime(2026, 1, 1, tzinfo=UTC), enrolled)


@pytest.mark.parametrize("last", [True, False])
def test_a_snapshot_of_large_groups_comes_in_messages_that_each_resume_after_their_last_group(last: bool) -> None:
    groups = [a_group(number, 400) for number in range(1, 41)]
    page = SnapshotPage(groups, PLACE, None if last else groups[-1].group_id, 0)
    tokens = ResumeTokens(Tokens(b"k" * 32), EVERYTHING)
    messages = [pb.WatchEnrollmentsResponse.FromString(data) for data in FeedMessages().of(page, tokens)]

    assert len(messages) > 5
    assert max(message.ByteSize() for message in messages) < MAX_MESSAGE_BYTES * 1.1
    assert [group.group_id for message in messages for group in message.groups] == [str(g.group_id) for g in groups]
    assert [message.snapshot_complete for message in messages] == [False] * (len(messages) - 1) + [last]
    for message in messages[:-1]:
        assert tokens.point_of(message.resume_token).snapshot_after == UUID(message.groups[-1].group_id)
    assert tokens.point_of(messages[-1].resume_token).snapshot_after == page.after


def test_an_empty_snapshot_is_one_message_that_completes_it() -> None:
    tokens = ResumeTokens(Tokens(b"k" * 32), EVERYTHING)
    (data,) = FeedMessages().of(SnapshotPage([], PLACE, None, 0), tokens)
    assert pb.WatchEnrollmentsResponse.FromString(data).snapshot_complete


class Reads:
    """Counts reads, which last until the test lets them end."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.go = asyncio.Event()

    async def read(self) -> EventBatch:
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return EventBatch((), PLACE, EVERYTHING, 0)


def test_streams_waiting_for_the_same_events_share_one_read() -> None:
    async def run() -> None:
        shared, reads = SharedReads(), Reads()
        waiting = [asyncio.create_task(shared.batch((7, EVERYTHING), reads.read)) for _ in range(20)]
        other = asyncio.create_task(shared.batch((8, EVERYTHING), reads.read))
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        reads.go.set()
        batches = await asyncio.gather(*waiting[1:], other)
        assert len({id(batch) for batch in batches}) == 2
        assert (reads.begun, reads.cancelled) == (2, 0)
        await shared.batch((7, EVERYTHING), reads.read)
        assert reads.begun == 3  # what has been read before may no longer be so

    asyncio.run(run())


def test_a_read_for_many_takes_no_connection_from_the_share_of_the_first() -> None:
    async def owner() -> EventBatch:
        owners.append(connection_owner.get())
        return EventBatch((), PLACE, EVERYTHING, 0)

    async def run() -> None:
        connection_owner.set("ann")
        await SharedReads().batch((7, EVERYTHING), owner)
        assert (owners, connection_owner.get()) == ([THE_SERVER], "ann")

    owners: list[str] = []
    asyncio.run(run())


def test_a_read_that_no_stream_waits_for_is_cancelled() -> None:
    async def run() -> None:
        shared, reads = SharedReads(), Reads()
        waiting = [asyncio.create_task(shared.batch((7, EVERYTHING), reads.read)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        late = asyncio.create_task(shared.batch((7, EVERYTHING), reads.read))
        await asyncio.sleep(0)
        reads.go.set()
        assert (await late).after == PLACE  # not drawn into the cancellation of the others
        assert reads.cancelled == 1

    asyncio.run(run())
