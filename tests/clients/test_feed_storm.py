"""Many writers, reconnecting readers and a server that is killed: every reader gets every event once, in order.

AFFILIA_STORM is the number of changes of each writer: 100 by default, 5000 for the real thing.
"""

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import grpc
import psycopg

from affilia_client.feed import EnrollmentSubscription
from domain.enrollment.decisions import GroupKey
from storage.postgres.database import Database
from tests.conftest import ServerProcess
from tests.support.builders import a_contract
from tests.support.feed_writers import Writer
from tests.support.feeds import BEGINNING, CHANGE_REQUEST_REJECTED, SNAPSHOT, Event, Filter

WRITERS, GROUPS, SUBSCRIBERS = 8, 40, 50
CHANGES = int(os.environ.get("AFFILIA_STORM", "100"))
KILLS = 2


@dataclass
class Subscriber:
    """Stores the token of each message with its events, as in one transaction. Disconnects at random."""

    wanted: Filter
    draw: random.Random
    slowness_seconds: float
    start: str | int = BEGINNING
    revisions: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    disconnects: int = 0

    def has(self, last: str) -> bool:
        return bool(last and self.events) and self.events[-1].event_id == last

    async def read(self, address: str, last_of: Callable[[Filter], str]) -> None:
        while not self.has(last_of(self.wanted)):
            async with grpc.aio.insecure_channel(address) as channel:
                subscription = EnrollmentSubscription(
                    channel,
                    self.start,  # type: ignore[arg-type]  # a token or a start
                    self.wanted,
                    max_pause_seconds=0.5,
                )
                async with subscription:
                    leaving = self.draw.randint(1, 40)
                    async for message in subscription:
                        self.revisions |= {group.group_id: group.revision for group in message.groups}
                        self.events += message.events
                        self.start = message.resume_token
                        leaving -= 1
                        if self.has(last_of(self.wanted)) or not leaving:
                            break
                        await asyncio.sleep(self.draw.random() * self.slowness_seconds)
            self.disconnects += 1


async def _kill_now_and_then(
    server: ServerProcess, tmp_path: Path, url: str, writing: "asyncio.Future[list[None]]"
) -> int:
    """Kills the server now and then. The writers are independent of it and keep writing."""
    kills = 0
    while kills < KILLS:
        await asyncio.sleep(0.8 + CHANGES / 250)
        await asyncio.to_thread(server.kill)
        kills += 1
        await asyncio.sleep(0.2)
        started = await asyncio.to_thread(ServerProcess, tmp_path, "--database-url", url, "--listen", server.address)
        server.process = started.process
    await writing
    return kills


def _subscribers(groups: list[GroupKey], draw: random.Random) -> list[Subscriber]:
    contract_ids = [str(groups[0].contract_id)]
    filters = [
        Filter(),
        Filter(contract_ids=contract_ids),
        Filter(primary_ids=[str(groups[3].primary_id)]),
        Filter(member_ids=[str(key.primary_id) for key in groups[5:15]]),
        Filter(types=[CHANGE_REQUEST_REJECTED]),
    ]
    subscribers = [
        Subscriber(filters[n % 5], random.Random(draw.random()), 0.3 if n % 7 == 0 else 0.01)
        for n in range(SUBSCRIBERS)
    ]
    for n in (0, 10, 20, 30):
        subscribers[n].start = SNAPSHOT
    return subscribers


def _expected(feed: list[tuple[str, str, str, str]], wanted: Filter) -> list[str]:
    """Returns the ids of the feed's events that a filter admits, computed without the server's own filter."""
    return [
        event_id
        for event_id, kind, contract_id, primary_id in feed
        if (not wanted.contract_ids or contract_id in wanted.contract_ids)
        and (not wanted.primary_ids or primary_id in wanted.primary_ids)
        and (not wanted.member_ids or primary_id in wanted.member_ids)
        and (not wanted.types or kind == "CHANGE_REQUEST_REJECTED")
    ]


def test_every_subscriber_gets_its_events_in_commit_order(own_database_url: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}, {WRITERS} writers of {CHANGES} changes")
    draw = random.Random(seed)
    contract = a_contract()
    groups = [GroupKey(contract.contract_id, uuid4()) for _ in range(GROUPS)]
    subscribers = _subscribers(groups, draw)

    async def storm() -> int:
        server = await asyncio.to_thread(ServerProcess, tmp_path, "--database-url", own_database_url)
        database = Database(own_database_url, WRITERS + 2)
        await database.open()
        writers = [Writer(groups, contract, random.Random(draw.random())) for _ in range(WRITERS)]
        writing = asyncio.gather(*(writer.write(database, CHANGES) for writer in writers))
        last_of = _LastEvents(own_database_url, WRITERS * CHANGES)
        async with asyncio.TaskGroup() as tasks:
            killing = tasks.create_task(_kill_now_and_then(server, tmp_path, own_database_url, writing))
            for subscriber in subscribers:
                tasks.create_task(subscriber.read(server.address, last_of))
        await database.close()
        await asyncio.to_thread(server.stop)
        return killing.result()

    kills = asyncio.run(asyncio.wait_for(storm(), 300 + CHANGES))
    feed = _feed(own_database_url)
    assert len(feed) == WRITERS * CHANGES
    for subscriber in subscribers:
        got = [event.event_id for event in subscriber.events]
        expected = _expected(feed, subscriber.wanted)
        if subscriber.revisions or len(got) < len(expected):
            # The subscriber started with a snapshot, so it gets only later events.
            assert subscriber in subscribers[0:40:10]
            assert got == expected[len(expected) - len(got) :]
        else:
            assert got == expected
        _revisions_follow(subscriber)
    assert kills == KILLS
    assert sum(subscriber.disconnects for subscriber in subscribers) > SUBSCRIBERS


class _LastEvents:
    """The id of the last event that a filter admits. Empty until all events are in the feed."""

    def __init__(self, url: str, total: int) -> None:
        self._url, self._total = url, total
        self._feed: list[tuple[str, str, str, str]] = []
        self._look_at = 0.0

    def __call__(self, wanted: Filter) -> str:
        now = asyncio.get_running_loop().time()
        if len(self._feed) < self._total and now >= self._look_at:
            self._feed, self._look_at = _feed(self._url), now + 0.5
        return _expected(self._feed, wanted)[-1] if len(self._feed) == self._total else ""


def _feed(url: str) -> list[tuple[str, str, str, str]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT e.event_id, e.kind, g.contract_id, g.primary_id FROM feed_entry f JOIN event e USING (event_key)"
            " JOIN enrollment_group g USING (group_key) ORDER BY f.position"
        ).fetchall()
    return [(str(event_id), kind, str(contract), str(primary)) for event_id, kind, contract, primary in rows]


def _revisions_follow(subscriber: Subscriber) -> None:
    """Asserts that the revisions of each group are consecutive, from the first or from the snapshot's."""
    revisions = dict(subscriber.revisions)
    for event in subscriber.events:
        if event.HasField("policy_revision"):
            assert event.policy_revision.revision == revisions.get(event.group_id, 0) + 1
            revisions[event.group_id] = event.policy_revision.revision
