"""Indexing queued members never replaces the rows of a concurrent write, and does the work in parts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from domain.actors import Actor, ActorKind
from domain.members import Facts, Member, MemberKind
from storage.member_index import index_next, is_complete
from storage.members import MemberChange, StoredMembers, record_member
from storage.postgres.day_types import register_day_types
from storage.postgres.documents import member_to_document
from storage.postgres.locks import Lock, lock
from tests.support.waiting import wait_until_async

Connection = psycopg.AsyncConnection
ADMIN = Actor(ActorKind.ADMIN, "admin")


def run(url: str, work: Callable[[Connection, Connection], Awaitable[None]]) -> None:
    """Runs work with two connections."""

    async def connected() -> None:
        async with (
            await Connection.connect(url, autocommit=True) as one,
            await Connection.connect(url, autocommit=True) as two,
        ):
            register_day_types(one)
            register_day_types(two)
            await asyncio.wait_for(work(one, two), 60)

    asyncio.run(connected())


async def record(tx: Connection, member: Member, actor: Actor) -> None:
    await lock(tx, Lock.MEMBER, member.member_id)
    current = await StoredMembers().recorded(tx, member.member_id)
    await record_member(tx, member, current, MemberChange.RECORD, actor)


async def names(connection: Connection) -> dict[UUID, str]:
    cursor = await connection.execute("SELECT DISTINCT member_id, name FROM member_search")
    return dict(await cursor.fetchall())


async def waits_for_a_lock(connection: Connection) -> bool:
    cursor = await connection.execute("SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
    return await cursor.fetchone() is not None


def test_a_write_that_commits_while_the_member_is_being_indexed_keeps_its_rows(own_database_url: str) -> None:
    before = Member(uuid4(), MemberKind.PERSON, "Anna Before", Facts())
    after = replace(before, display_name="Anna After")

    async def story(one: Connection, two: Connection) -> None:
        async with one.transaction():
            await one.execute(  # as a server that doesn't know the index
                "INSERT INTO member_revision (member_id, revision, recorded_at, document) VALUES (%s, 1, now(), %s)",
                [before.member_id, Jsonb(member_to_document(before))],
            )
        assert not await is_complete(one)
        async with one.transaction():
            await record(one, after, ADMIN)

            async def index() -> None:
                async with two.transaction():
                    assert await index_next(two, 10) == 1

            indexing = asyncio.create_task(index())
            await wait_until_async(lambda: waits_for_a_lock(one), "the worker waits for the member")
        await indexing
        assert await names(one) == {after.member_id: "anna after"}
        assert await is_complete(one)

    run(own_database_url, story)


def test_a_range_is_indexed_in_parts_that_two_servers_share(own_database_url: str) -> None:
    members = [Member(UUID(int=n), MemberKind.PERSON, f"Anna {n}", Facts()) for n in range(1, 8)]

    async def story(one: Connection, two: Connection) -> None:
        async with one.transaction():
            for member in members:
                await record(one, member, ADMIN)
            await one.execute("DELETE FROM member_search")
            await one.execute(
                "INSERT INTO member_to_index (first_id, last_id) VALUES (%s, %s), (%s, %s)",
                [UUID(int=0), UUID(int=5), UUID(int=6), UUID(int=1 << 100)],
            )
        async with one.transaction():
            assert await index_next(one, 3) == 3
            async with two.transaction():
                assert await index_next(two, 10) is None  # the other one has locked both ranges
        async with two.transaction():
            assert await index_next(two, 10) == 4
            assert await index_next(two, 10) is None
        assert await names(one) == {member.member_id: member.display_name.lower() for member in members}

    run(own_database_url, story)
