"""Merges: what is stored, which writes they reject, and how processes learn of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.actors import Actor, ActorKind
from domain.errors import MemberMerged
from domain.members import Facts, Member, MemberKind
from operations.call import Call, Caller
from operations.core import Core, core_on
from operations.history import refresh
from server.system import system_clock
from storage.members import MemberChange, StoredMembers, record_member
from storage.merges import Merge, add_merge, aliases_of, lock_unmerged, merged_into, reject_merged
from storage.postgres.database import Connection, Database
from storage.postgres.locks import Lock, lock
from tests.support.merging import store_merge

ME = Actor(ActorKind.ADMIN, "ada")


def on_two_servers(url: str, work: Callable[[Core, Core], Awaitable[None]]) -> None:
    """Runs a test with the cores of two servers on one database."""

    async def run() -> None:
        databases = [Database(url), Database(url)]
        for database in databases:
            await database.open()
        cores = [core_on(database) for database in databases]
        for core in cores:
            core.aliases.begin()
        try:
            await work(*cores)
        finally:
            for database in databases:
                await database.close()

    asyncio.run(run())


def a_call() -> Call:
    return Call(
        "1", Caller(ActorKind.ADMIN, "ada"), system_clock, method="/affilia.catalog.v1.MemberService/MergeMembers"
    )


async def merged(core: Core, from_member_id: UUID, into_member_id: UUID) -> None:
    """Stores a merge as an operation does."""
    call = a_call()

    async def work(tx: Connection) -> None:
        call.trail.merge = await add_merge(tx, from_member_id, into_member_id, ME, "a test", {})

    await core.write(call, work)


def test_the_server_that_merges_knows_it_at_once_and_others_from_their_next_look(own_database_url: str) -> None:
    async def work(first: Core, second: Core) -> None:
        a, b, c, d = (uuid4() for _ in range(4))
        await refresh(second)
        assert second.aliases.are_fresh
        await merged(first, a, b)
        assert first.aliases.resolved(a) == b
        assert second.aliases.resolved(a) == a
        await refresh(second)
        assert second.aliases.resolved(a) == b
        await merged(second, b, c)
        await refresh(first)
        for core in (first, second):
            assert [core.aliases.resolved(each) for each in (a, b, c, d)] == [c, c, c, d]
            assert str(a).upper() in core.aliases
        async with first.database.reading() as connection:
            assert await aliases_of(connection, [a, b, c, d]) == {a: c, b: c}
            assert await merged_into(connection, c) == sorted([a, b])

    on_two_servers(own_database_url, work)


def test_a_merge_counts_from_its_instant(own_database_url: str) -> None:
    async def work(first: Core, second: Core) -> None:
        a, b, c = (uuid4() for _ in range(3))
        await merged(first, a, b)
        await merged(first, b, c)
        await refresh(second)
        async with second.database.reading() as connection:
            cursor = await connection.execute("SELECT recorded_at FROM member_merge ORDER BY recorded_at")
            (then,), (now,) = await cursor.fetchall()
        assert second.aliases.into(str(a), then) == str(b)
        assert second.aliases.into(str(a), now) == str(c)
        assert second.aliases.into(str(b), then) is None

    on_two_servers(own_database_url, work)


def test_after_a_restore_only_the_merges_of_the_database_count(own_database_url: str) -> None:
    async def work(first: Core, second: Core) -> None:
        kept, lost, into = uuid4(), uuid4(), uuid4()
        await merged(first, kept, into)
        await merged(first, lost, into)
        with psycopg.connect(own_database_url) as owner:
            owner.execute("DELETE FROM member_merge WHERE from_member_id = %s", [lost])
        for core in (first, second):
            core.forget_history()
            assert not core.aliases.are_fresh
            await refresh(core)
            assert core.aliases.are_fresh
            assert (core.aliases.resolved(kept), core.aliases.resolved(lost)) == (into, lost)

    on_two_servers(own_database_url, work)


def test_merges_are_read_again_if_the_write_log_was_trimmed_meanwhile(own_database_url: str) -> None:
    async def work(first: Core, second: Core) -> None:
        a, b = uuid4(), uuid4()
        await refresh(second)
        await merged(first, a, b)
        with psycopg.connect(own_database_url) as owner:
            owner.execute("INSERT INTO write_log DEFAULT VALUES")
            owner.execute("INSERT INTO write_log DEFAULT VALUES")
            owner.execute("DELETE FROM write_log WHERE write_key < (SELECT max(write_key) FROM write_log)")
        await refresh(second)
        assert second.aliases.resolved(a) == b

    on_two_servers(own_database_url, work)


def test_a_write_with_a_merged_id_waits_for_the_merge_and_is_rejected(own_database_url: str) -> None:
    async def work(first: Core, second: Core) -> None:
        a, b = uuid4(), uuid4()
        holds, go = asyncio.Event(), asyncio.Event()

        async def merge(tx: Connection) -> None:
            await lock(tx, Lock.MEMBER, a, b)
            await add_merge(tx, a, b, ME, "a test", {})
            holds.set()
            await go.wait()

        async def write(tx: Connection) -> None:
            await lock_unmerged(tx, a)

        merging = asyncio.create_task(first.write(a_call(), merge))
        await holds.wait()
        writing = asyncio.create_task(second.write(a_call(), write))
        async with second.database.reading() as connection:
            await reject_merged(connection, [a, b])  # the merge isn't committed yet
        go.set()
        await merging
        with pytest.raises(MemberMerged) as rejected:
            await writing
        assert rejected.value.facts == {"member_id": str(a), "merged_into": str(b)}

    on_two_servers(own_database_url, work)


def test_a_merged_member_leaves_the_search_index_and_lists(own_database_url: str) -> None:
    async def work(first: Core, second: Core) -> None:
        people = [Member(uuid4(), MemberKind.PERSON, f"Anna {n}", Facts()) for n in range(3)]

        async def store(tx: Connection) -> None:
            for member in people:
                await record_member(tx, member, None, MemberChange.RECORD, ME)

        await first.write(a_call(), store)
        store_merge(own_database_url, str(people[0].member_id), str(people[1].member_id))
        async with first.database.reading() as connection:
            cursor = await connection.execute("SELECT DISTINCT member_id FROM member_search")
            indexed = {member_id for (member_id,) in await cursor.fetchall()}
            listed = [each.member.member_id for each in await StoredMembers().listed(connection, None, 10)]
        others = sorted(member.member_id for member in people[1:])
        assert sorted(indexed) == listed == others

    on_two_servers(own_database_url, work)


def test_one_more_merge_changes_nothing_if_it_is_known(own_database_url: str) -> None:
    async def work(first: Core, second: Core) -> None:
        a, b = uuid4(), uuid4()
        await merged(first, a, b)
        async with first.database.reading() as connection:
            cursor: Any = await connection.execute("SELECT recorded_at FROM member_merge")
            ((recorded_at,),) = await cursor.fetchall()
        first.add_merges([Merge(a, b, recorded_at)])
        assert len(first.aliases) == 1

    on_two_servers(own_database_url, work)
