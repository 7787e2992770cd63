"""Change requests that are judged together: neighbours, locks, failures, and what is remembered of groups."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.actors import BEFORE_ACTORS
from domain.catalog.contract import Contract
from domain.enrollment.decisions import (
    Change,
    ChangeProposal,
    CorrectMembershipType,
    Enroll,
    GroupKey,
    Leave,
    Requester,
    RequesterRole,
    Revert,
    ScopedChange,
)
from domain.enrollment.events import EventFilter, FeedPosition
from domain.enrollment.history import RecomputeTrigger
from domain.enrollment.verdicts import Verdict
from domain.errors import (
    ChangeRequestUnknown,
    ContractUnknown,
    MemberErased,
    MemberMerged,
    MemberUnknown,
    RequestIdReused,
    RevisionMismatch,
)
from domain.identity import group_id
from domain.members import Facts, Member, MemberKind
from domain.membership import MembershipType
from operations import auditing, erasing, merging, recomputes
from operations.call import Call
from operations.core import Core, core_on
from operations.group_memory import Recorded
from operations.opening import open_groups
from operations.submitting import Submitted, submit
from server.interceptors.deadlines import Deadline
from server.system import own_call
from server.workers import feed_reader
from storage import enrollment, enrollment_reads, feed, outbox
from storage.contracts import record_contract
from storage.members import MemberChange, record_member, record_new_members
from storage.postgres.bounded_connection import Cursor
from storage.postgres.database import Connection, Database
from storage.postgres.documents import DocumentDamaged
from storage.postgres.locks import Lock, lock
from storage.recomputes import RecomputeCause, due_groups, enqueue_for_contract, enqueue_for_member
from storage.requests import WriteKey
from tests.support.builders import a_contract, a_module, a_rule, a_span, a_version

PRIMARY, PARTNER, CHILD = MembershipType.PRIMARY, MembershipType.PARTNER, MembershipType.CHILD
BASE, PLUS, ADULTS = (uuid4() for _ in range(3))


def a_call() -> Call:
    return replace(own_call("a-test"), method="/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest")


def the_contract() -> Contract:
    """Returns a contract with two modules of one slot and one for adults, with an id of its own."""
    modules = [
        replace(a_module("base", slot="base"), module_id=BASE),
        replace(a_module("plus", slot="base"), module_id=PLUS),
        replace(a_module("adults", rules=(a_rule(),)), module_id=ADULTS),
    ]
    return replace(a_contract(a_version(*modules, max_backdating_days=3650)), contract_id=uuid4())


@dataclass
class Book:
    """A contract with members of whom each can be the primary of a group."""

    database: Database
    core: Core
    contract: Contract = field(default_factory=the_contract)

    async def set_up(self) -> "Book":
        self.contract = claimed(self.contract)
        await self.database.write(lambda tx: record_contract(tx, self.contract, None, BEFORE_ACTORS))
        return self

    async def members(self, count: int) -> list[UUID]:
        new = [Member(uuid4(), MemberKind.PERSON, "", Facts(born_on=date(1980, 5, 1))) for _ in range(count)]
        await self.database.write(lambda tx: record_new_members(tx, new, BEFORE_ACTORS))
        return [member.member_id for member in new]

    def module(self, n: int) -> UUID:
        return self.contract.versions[0].modules[n].module_id

    def enroll(self, member_id: UUID, module: int = 0, first_on: str = "2026-01-01") -> Enroll:
        return Enroll(member_id, PRIMARY, self.module(module), a_span(first_on))

    def proposal(self, primary_id: UUID, *changes: Change, expected: int | None = None) -> ChangeProposal:
        return ChangeProposal(
            GroupKey(self.contract.contract_id, primary_id),
            Requester(RequesterRole.ADMIN, "an-admin", "a test"),
            tuple(map(ScopedChange, changes)),
            accept_consequences=True,
            expected_revision=expected,
        )

    async def submit(self, primary_id: UUID, *changes: Change, core: Core | None = None) -> Submitted:
        proposal = self.proposal(primary_id, *(changes or [self.enroll(primary_id)]))
        return await submit(core or self.core, a_call(), WriteKey(uuid4(), b"a request"), proposal)

    async def stored(self) -> list[tuple[UUID, int]]:
        """Returns the primary and number of every stored revision."""
        async with self.database.reading() as connection:
            cursor = await connection.execute(
                "SELECT primary_id, r.revision FROM enrollment_group g JOIN enrollment_revision r USING (group_key)"
                " WHERE contract_id = %s ORDER BY 1, 2",
                [self.contract.contract_id],
            )
            return list(await cursor.fetchall())

    async def count(self, table: str) -> int:
        async with self.database.reading() as connection:
            row = await (await connection.execute(f"SELECT count(*) FROM {table}")).fetchone()
            assert row is not None
            return int(row[0])


def claimed(contract: Contract) -> Contract:
    """Returns a contract whose modules have ids of their own, because a module belongs to one contract."""
    version = contract.versions[0]
    modules = tuple(replace(module, module_id=uuid4()) for module in version.modules)
    return replace(contract, versions=(replace(version, modules=modules),))


def with_book(url: str, scenario: Callable[[Book], Awaitable[None]]) -> None:
    async def run() -> None:
        async with a_book(url) as book:
            await scenario(book)

    asyncio.run(run())


@asynccontextmanager
async def a_book(url: str) -> AsyncIterator[Book]:
    database = Database(url)
    await database.open()
    try:
        yield await Book(database, core_on(database)).set_up()
    finally:
        await database.close()


async def together(*submits: Awaitable[Submitted]) -> list[Submitted | BaseException]:
    return await asyncio.gather(*submits, return_exceptions=True)


# ------------------------------------------------------------------------------------- neighbours


def test_a_failed_request_stores_nothing_and_the_others_are_stored(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        good = await book.members(5)
        rejected, mismatch, unknown_revert, reused, left, stranger = await book.members(6)
        key = WriteKey(uuid4(), b"first")
        await submit(book.core, a_call(), key, book.proposal(reused, book.enroll(reused)))
        writes, events = await book.count("write_log"), await book.count("event")
        elsewhere = replace(book.proposal(stranger, book.enroll(stranger)), key=GroupKey(uuid4(), stranger))
        cancelled = asyncio.ensure_future(book.submit(left))

        def of(proposal: ChangeProposal, key: WriteKey | None = None) -> Awaitable[Submitted]:
            return submit(book.core, a_call(), key or WriteKey(uuid4(), b"a request"), proposal)

        outcomes = asyncio.gather(
            *(book.submit(member_id) for member_id in good),
            book.submit(rejected, book.enroll(rejected), book.enroll(rejected, first_on="2025-01-01")),
            of(book.proposal(stranger, book.enroll(stranger), book.enroll(uuid4()))),
            of(elsewhere),
            of(book.proposal(mismatch, book.enroll(mismatch), expected=7)),
            of(book.proposal(unknown_revert, Revert(uuid4()))),
            of(book.proposal(reused, book.enroll(reused, 1)), replace(key, fingerprint=b"second")),
            return_exceptions=True,
        )
        await asyncio.sleep(0)
        cancelled.cancel()
        *done, of_rejected, unknown, no_contract, of_mismatch, no_request, of_reused = await outcomes
        assert all(isinstance(each, Submitted) for each in done)
        assert isinstance(of_rejected, Submitted)
        assert of_rejected.change_request.verdict == Verdict.REJECTED
        assert isinstance(unknown, MemberUnknown)
        assert isinstance(no_contract, ContractUnknown)
        assert isinstance(of_mismatch, RevisionMismatch)
        assert isinstance(no_request, ChangeRequestUnknown)
        assert isinstance(of_reused, RequestIdReused)
        assert {primary for primary, _ in await book.stored()} == {*good, reused}
        assert await book.count("change_request") == 1 + len(good) + 1
        assert await book.count("enrollment_group") == 1 + len(good) + 1
        assert await book.count("event") == events + len(good) + 1
        assert await book.count("write_log") == writes + 1  # they were one batch
        async with book.database.reading() as connection:
            cursor = await connection.execute("SELECT outcome, count(*) FROM audit_entry GROUP BY 1")
            assert dict(await cursor.fetchall()) == {"OK": 1 + len(good) + 1, "REVISION_MISMATCH": 1}

    with_book(own_database_url, scenario)


def test_the_write_of_a_caller_who_left_its_batch_is_in_the_audit_log(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        left, stayed = await book.members(2)
        begun, goes_on = asyncio.Event(), asyncio.Event()
        write = book.database.write

        async def paused(work: Callable[[Connection], Awaitable[Any]], *, patient: bool = True, **options: Any) -> Any:
            async def later(tx: Connection) -> Any:
                begun.set()
                await goes_on.wait()
                return await work(tx)

            return await write(work if patient else later, patient=patient, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(book.database, "write", paused)
            call, key = replace(a_call(), call_id="left"), WriteKey(uuid4(), b"a request")
            proposal = book.proposal(left, book.enroll(left))
            leaving = asyncio.ensure_future(submit(book.core, call, key, proposal))
            staying = asyncio.ensure_future(book.submit(stayed))
            await begun.wait()
            leaving.cancel()
            await auditing.enter(book.core, call, auditing.UNFINISHED)
            goes_on.set()
            await staying
        assert await book.stored() == sorted([(left, 1), (stayed, 1)])
        async with book.database.reading() as connection:
            cursor = await connection.execute("SELECT outcome FROM audit_entry WHERE call_id = %s", [call.call_id])
            assert sorted(await cursor.fetchall()) == [("OK",), ("UNFINISHED",)]

    with_book(own_database_url, scenario)


def test_a_request_whose_deadline_passes_while_it_waits_is_not_stored_and_the_others_of_its_batch_are(
    own_database_url: str,
) -> None:
    async def scenario(book: Book) -> None:
        first, second, late, *others = await book.members(6)
        begun, goes_on = asyncio.Semaphore(0), asyncio.Event()
        write, writes = book.database.write, await book.count("write_log")

        async def paused(work: Callable[[Connection], Awaitable[Any]], **options: Any) -> Any:
            begun.release()
            await goes_on.wait()
            return await write(work, **options)

        key = WriteKey(uuid4(), b"late")

        async def submit_late() -> Submitted:
            with Deadline(0.01):
                return await submit(book.core, a_call(), key, book.proposal(late, book.enroll(late)))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(book.database, "write", paused)
            patch.setattr("operations.batches.WAIT_FOR_CONNECTION_SECONDS", 60.0)
            running = []
            for primary in (first, second):  # as many batches as can run concurrently
                running.append(asyncio.ensure_future(book.submit(primary)))
                await begun.acquire()
            waiting = asyncio.gather(*map(book.submit, others))
            with pytest.raises(TimeoutError):
                await submit_late()
            goes_on.set()
            await asyncio.gather(*running, waiting)
        assert await book.stored() == sorted((each, 1) for each in (first, second, *others))
        assert await book.count("write_log") == writes + 3  # the others were one batch
        assert (await submit(book.core, a_call(), key, book.proposal(late, book.enroll(late)))).group.revision == 1

    with_book(own_database_url, scenario)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
def test_a_batch_that_loses_against_another_transaction_is_repeated(own_database_url: str, sqlstate: str) -> None:
    fails_once = (
        "CREATE SEQUENCE attempt; CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('attempt') = 1 THEN RAISE SQLSTATE '{sqlstate}'; END IF; RETURN NULL; END $$;"
        " CREATE TRIGGER fail_once AFTER INSERT ON change_request EXECUTE FUNCTION fail_once()"
    )

    async def scenario(book: Book) -> None:
        members = await book.members(5)
        async with await psycopg.AsyncConnection.connect(own_database_url, autocommit=True) as owner:
            await owner.execute(fails_once)
        writes, keys = await book.count("write_log"), {each: WriteKey(uuid4(), b"a request") for each in members}

        def submit_all() -> Awaitable[list[Submitted | BaseException]]:
            return together(
                *(submit(book.core, a_call(), keys[each], book.proposal(each, book.enroll(each))) for each in members)
            )

        done = await submit_all()
        assert all(isinstance(each, Submitted) for each in done)
        assert await book.stored() == sorted((each, 1) for each in members)
        assert await book.count("write_log") == writes + 1  # the repeated batch, and nobody alone
        assert await book.count("change_request") == await book.count("audit_entry") == len(members)
        assert await submit_all() == done
        for primary in members:
            await assert_remembered(book, primary)

    with_book(own_database_url, scenario)


def test_the_same_request_sent_twice_at_the_same_time_is_stored_once(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        one, other = await book.members(2)
        key = WriteKey(uuid4(), b"same")
        first, second, of_other = await together(
            submit(book.core, a_call(), key, book.proposal(one, book.enroll(one))),
            submit(book.core, a_call(), key, book.proposal(one, book.enroll(one))),
            submit(book.core, a_call(), replace(key, fingerprint=b"x"), book.proposal(other, book.enroll(other))),
        )
        assert first == second
        assert isinstance(first, Submitted)
        assert isinstance(of_other, RequestIdReused)
        assert await book.stored() == [(one, 1)]

    with_book(own_database_url, scenario)


def test_a_request_id_that_was_answered_belongs_to_its_request_in_a_batch_too(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        one, other = await book.members(2)
        key = WriteKey(uuid4(), b"first")
        first = await submit(book.core, a_call(), key, book.proposal(one, book.enroll(one)))

        def again() -> Awaitable[Submitted]:
            return submit(book.core, a_call(), key, book.proposal(one, book.enroll(one)))

        def reused() -> Awaitable[Submitted]:
            proposal = book.proposal(other, book.enroll(other))
            return submit(book.core, a_call(), replace(key, fingerprint=b"second"), proposal)

        repeated, rejected = await together(again(), reused())
        assert (repeated, type(rejected)) == (first, RequestIdReused)
        rejected, repeated = await together(reused(), again())
        assert (repeated, type(rejected)) == (first, RequestIdReused)

    with_book(own_database_url, scenario)


def test_requests_about_one_group_are_judged_in_order(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        (primary,) = await book.members(1)
        changes = [book.enroll(primary, n % 2) for n in range(20)]
        done = await together(*(book.submit(primary, change) for change in changes))
        revisions = [each.change_request.revision for each in done if isinstance(each, Submitted)]
        assert revisions == list(range(1, 21))
        assert await book.stored() == [(primary, n) for n in range(1, 21)]

    with_book(own_database_url, scenario)


def test_two_servers_write_the_same_groups_without_gaps(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        members = await book.members(4)
        async with a_book(own_database_url) as other:
            done = await together(
                *(
                    book.submit(primary, book.enroll(primary, n % 2), core=core)
                    for n in range(6)
                    for primary in members
                    for core in (book.core, other.core)
                )
            )
        assert [each for each in done if not isinstance(each, Submitted)] == []
        for primary in members:
            of_one = [n for member_id, n in await book.stored() if member_id == primary]
            assert of_one == list(range(1, len(of_one) + 1))
            async with book.database.reading() as connection:
                state = await enrollment_reads.read_group(
                    connection, group_id(book.contract.contract_id, primary), None, None
                )
            assert state.revision == len(of_one)
            await assert_remembered(book, primary)

    with_book(own_database_url, scenario)


def test_opening_groups_of_many_contracts_takes_as_many_statements_as_opening_one(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        books = [book, *[await Book(book.database, book.core).set_up() for _ in range(7)]]
        keys = []
        for each in books:
            (primary,) = await each.members(1)
            await each.submit(primary)
            keys.append(GroupKey(each.contract.contract_id, primary))
        core = core_on(book.database)  # remembers no group
        await statements_to_open(core, keys)  # reads the contracts
        assert await statements_to_open(core, keys) == await statements_to_open(core, keys[:1])

    with_book(own_database_url, scenario)


async def statements_to_open(core: Core, keys: Sequence[GroupKey]) -> int:
    """Returns the number of statements that opening locked groups takes."""
    statements = 0

    class Counting(Cursor):
        async def execute(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal statements
            statements += 1
            return await super().execute(*args, **kwargs)

    async def work(tx: Connection) -> None:
        nonlocal statements
        locked = [await enrollment.lock_group(tx, group_id(*key), key) for key in keys]
        before, tx.cursor_factory, statements = tx.cursor_factory, Counting, 0
        try:
            assert len(await open_groups(core, a_call(), tx, locked)) == len(keys)
        finally:
            tx.cursor_factory = before

    await core.database.write(work)
    return statements


# ------------------------------------------------------------------------------------- locks


@pytest.mark.parametrize("kind", ["group", "member", "request"])
def test_a_lock_of_another_server_delays_only_the_requests_that_need_it(own_database_url: str, kind: str) -> None:
    async def scenario(book: Book) -> None:
        held, *others = await book.members(6)
        await book.submit(held)
        key = WriteKey(uuid4(), b"held")
        async with await psycopg.AsyncConnection.connect(own_database_url) as holder:
            if kind == "group":
                await holder.execute("SELECT FROM enrollment_group WHERE primary_id = %s FOR NO KEY UPDATE", [held])
            elif kind == "member":
                await lock(holder, Lock.MEMBER, held)
            else:
                await lock(holder, Lock.REQUEST, key.request_id)
            waiting = asyncio.ensure_future(submit(book.core, a_call(), key, book.proposal(held, book.enroll(held, 1))))
            done = await together(*map(book.submit, others))
            assert all(isinstance(each, Submitted) for each in done)
            assert not waiting.done()
            await holder.rollback()
        assert (await waiting).change_request.revision == 2

    with_book(own_database_url, scenario)


def test_an_amendment_delays_only_the_requests_under_its_contract(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        (primary,) = await book.members(1)
        async with a_book(own_database_url) as other:
            (elsewhere,) = await other.members(1)
            async with await psycopg.AsyncConnection.connect(own_database_url) as holder:
                await lock(holder, Lock.CONTRACT, book.contract.contract_id)
                waiting = asyncio.ensure_future(book.submit(primary))
                done = await other.submit(elsewhere, core=book.core)
                assert done.change_request.revision == 1
                assert not waiting.done()
                await holder.rollback()
            assert (await waiting).change_request.revision == 1

    with_book(own_database_url, scenario)


def test_a_damaged_group_fails_alone(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        damaged, *others = await book.members(5)
        await book.submit(damaged)
        async with await psycopg.AsyncConnection.connect(own_database_url, autocommit=True) as owner:
            await owner.execute("UPDATE change_request SET document = document - 'changes'")
        book.core.groups.forget()
        failed, *done = await together(book.submit(damaged, book.enroll(damaged, 1)), *map(book.submit, others))
        assert isinstance(failed, DocumentDamaged)
        assert all(isinstance(each, Submitted) for each in done)
        assert {primary for primary, _ in await book.stored()} == {damaged, *others}

    with_book(own_database_url, scenario)


def test_a_group_that_another_server_creates_meanwhile_is_judged_again(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        (primary,) = await book.members(1)
        group = group_id(book.contract.contract_id, primary)
        async with await psycopg.AsyncConnection.connect(own_database_url) as other:
            await other.execute(
                "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)"
                " VALUES (%s, %s, %s, clock_timestamp())",
                [group, book.contract.contract_id, primary],
            )
            waiting = asyncio.ensure_future(book.submit(primary))
            await until_somebody_waits(own_database_url)
            await other.commit()
        assert (await waiting).change_request.revision == 1
        assert await book.count("enrollment_group") == 1

    with_book(own_database_url, scenario)


async def until_somebody_waits(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as watcher:
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not (await watcher.execute(waits)).rowcount:  # noqa: ASYNC110 (PostgreSQL doesn't notify about locks)
            await asyncio.sleep(0.01)


# ------------------------------------------------------------------------------------- what is remembered


async def fresh(book: Book, primary_id: UUID) -> Recorded:
    """Returns what a server that remembers nothing opens."""
    core, key = core_on(book.database), GroupKey(book.contract.contract_id, primary_id)

    async def work(tx: Connection) -> Recorded:
        (opened,) = await open_groups(core, a_call(), tx, [await enrollment.lock_group(tx, group_id(*key), key)])
        return opened.recorded

    return await book.database.write(work)


async def remembered(book: Book, primary_id: UUID) -> Recorded:
    key = GroupKey(book.contract.contract_id, primary_id)

    async def work(tx: Connection) -> Recorded:
        (opened,) = await open_groups(book.core, a_call(), tx, [await enrollment.lock_group(tx, group_id(*key), key)])
        return opened.recorded

    return await book.database.write(work)


async def assert_remembered(book: Book, primary_id: UUID) -> None:
    """Asserts that the group is opened as if nothing were remembered of it."""
    mine, loaded = await remembered(book, primary_id), await fresh(book, primary_id)
    assert mine.current == loaded.current
    assert (mine.state, mine.types, mine.enrolled) == (loaded.state, loaded.types, loaded.enrolled)
    assert {key: days for key, days in mine.had.items() if days} == {k: days for k, days in loaded.had.items() if days}
    for name in ("contract", "primary_id", "closed", "aliases"):
        assert getattr(mine.basis, name) == getattr(loaded.basis, name), name
    assert tuple(mine.basis.decisions) == tuple(loaded.basis.decisions)
    assert mine.basis.facts == loaded.basis.facts
    assert mine.basis.membership_types() == loaded.basis.membership_types()


def test_an_erasure_between_two_requests_is_detected(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        primary, child = await book.members(2)
        enroll = Enroll(child, CHILD, book.module(0), a_span("2026-01-01", "2026-01-31"))
        await book.submit(primary, book.enroll(primary), enroll)
        await erasing.erase_member(book.core, a_call(), WriteKey(uuid4(), b"erase"), child, keep_periods=True)
        await assert_remembered(book, primary)
        with pytest.raises(MemberErased):
            await book.submit(primary, Enroll(child, CHILD, book.module(0), a_span("2030-01-01")))

    with_book(own_database_url, scenario)


def test_a_merge_between_two_requests_is_detected(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        primary, child, twin = await book.members(3)
        for member_id, first, last in ((child, "2026-01-01", "2026-06-30"), (twin, "2026-07-01", None)):
            await book.submit(primary, Enroll(member_id, CHILD, book.module(0), a_span(first, last)))
        proposal = merging.MergeProposal(twin, child, "the same person")
        await merging.merge_members(core_on(book.database), a_call(), WriteKey(uuid4(), b"merge"), proposal)
        await assert_remembered(book, primary)
        with pytest.raises(MemberMerged):
            await book.submit(primary, Leave(twin, None, a_span("2030-01-01")))
        left = await book.submit(primary, Leave(child, None, a_span("2030-01-01")))
        assert {period.member_id for period in left.group.periods} == {child}
        await assert_remembered(book, primary)

    with_book(own_database_url, scenario)


@pytest.mark.parametrize("seed", range(3))
def test_cached_groups_equal_loaded_groups(own_database_url: str, seed: int) -> None:
    draw = Random(seed)

    async def scenario(book: Book) -> None:
        primaries, others = await book.members(3), await book.members(3)
        requests: list[UUID] = []
        for _ in range(25):
            primary = draw.choice(primaries)
            done = await together(
                *(book.submit(each, _change(draw, book, each, others, requests)) for each in {primary})
            )
            for each in done:
                if isinstance(each, Submitted):
                    requests.append(each.change_request.change_request_id)
                    async with book.database.reading() as connection:
                        stored = await enrollment_reads.change_request(connection, requests[-1])
                        group = await enrollment_reads.read_group(
                            connection, each.group.group_id, each.change_request.revision, None
                        )
                    assert (each.change_request, each.group) == (stored, group)
            await draw.choice(BETWEEN)(draw, book, primary)
            await assert_remembered(book, primary)
        assert await assert_written_as_read(book) > len(requests) // 2

    with_book(own_database_url, scenario)


async def assert_written_as_read(book: Book) -> int:
    """Asserts that the kept revisions are what the feed's reader would read. Returns how many there are."""
    while await book.database.write(lambda tx: outbox.sequence(tx, 1000)):
        pass
    async with book.database.reading() as connection:
        entries = await feed.entries_after(connection, 0, 1000)
        events = await feed.events_of(connection, entries)
        kept = book.core.feed.written.of(event.head.event_id for event in events)
        again = await feed.events_of(connection, entries, kept)
    assert [event.detail for event in again] == [event.detail for event in events]
    assert [event.head for event in again] == [event.head for event in events]
    return len(kept)


def test_an_erasure_drops_the_revisions_that_the_feed_has_not_published(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        primary, child = await book.members(2)
        enroll = Enroll(child, CHILD, book.module(0), a_span("2026-01-01", "2026-01-31"))
        await book.submit(primary, book.enroll(primary), enroll)
        assert await assert_written_as_read(book) == 1
        book.core.feed.forget()
        assert await assert_written_as_read(book) == 0

    with_book(own_database_url, scenario)


def test_an_erasure_before_the_publication_makes_the_reader_read_again(own_database_url: str) -> None:
    async def scenario(book: Book) -> None:
        (primary,) = await book.members(1)
        async with book.database.reading() as connection:
            head = await feed.read_feed_head(connection)
        tail = book.core.feed
        tail.begin(FeedPosition(head.feed_id, head.position, head.event_id))
        tail.open(EventFilter(member_ids=frozenset([primary])), None)
        await book.submit(primary)
        await book.database.write(lambda tx: outbox.sequence(tx, 1000))
        refreshed = 0

        async def erased(core: Core) -> None:
            nonlocal refreshed
            refreshed += 1
            assert bool(tail.written.of(before)) is (refreshed == 1)
            if refreshed == 1:
                core.lease.forget(core.lease.number + 1, ())
                tail.forget()

        async with book.database.reading() as connection:
            before = [entry.head.event_id for entry in await feed.entries_after(connection, head.position, 10)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feed_reader, "refresh", erased)
            await feed_reader._publish_new(book.core)
        assert refreshed == 2
        assert tail.position == head.position + 1

    with_book(own_database_url, scenario)


def _change(draw: Random, book: Book, primary: UUID, others: Sequence[UUID], requests: Sequence[UUID]) -> Change:
    month, module = draw.randint(1, 12), draw.randrange(3)
    days = a_span(f"2026-{month:02}-01", draw.choice([None, f"2026-{month:02}-28"]))
    other = draw.choice(others)
    choices: list[Change] = [
        Enroll(primary, PRIMARY, book.module(module), days),
        Enroll(other, draw.choice([PARTNER, CHILD]), book.module(module), days),
        Leave(draw.choice([primary, other]), None, days),
        CorrectMembershipType(other, draw.choice([PARTNER, CHILD])),
    ]
    return Revert(draw.choice(requests)) if requests and draw.random() < 0.2 else draw.choice(choices)


async def _nothing(*_: object) -> None:
    """Changes nothing between two requests."""


async def _record_facts(draw: Random, book: Book, primary: UUID) -> None:
    async def work(tx: Connection) -> None:
        await lock(tx, Lock.MEMBER, primary)
        current = await book.core.members.recorded(tx, primary)
        assert current is not None
        born = replace(current.member, facts=Facts(born_on=date(draw.randint(1970, 2020), 1, 1)))
        await enqueue_for_member(tx, primary, RecomputeCause(RecomputeTrigger.FACTS, BEFORE_ACTORS, None), 10)
        await record_member(tx, born, current, MemberChange.FACT, BEFORE_ACTORS)

    await book.database.write(work)


async def _amend(draw: Random, book: Book, _: UUID) -> None:
    async def work(tx: Connection) -> None:
        await lock(tx, Lock.CONTRACT, book.contract.contract_id)
        current = await book.core.contracts.recorded(tx, book.contract.contract_id)
        version = replace(current.contract.versions[0], max_backdating_days=draw.randint(1000, 3000))
        amended = replace(current.contract, versions=(version,))
        cause = RecomputeCause(RecomputeTrigger.CONTRACT, BEFORE_ACTORS, None)
        await enqueue_for_contract(tx, book.contract.contract_id, cause, 10)
        await record_contract(tx, amended, current, BEFORE_ACTORS)

    await book.database.write(work)


async def _recompute(_: Random, book: Book, __: UUID) -> None:
    async with book.database.reading() as connection:
        due = await due_groups(connection, 10)
    await recomputes.recompute_groups(book.core, a_call(), due)


async def _submit_elsewhere(draw: Random, book: Book, primary: UUID) -> None:
    other = core_on(book.database)
    await book.submit(primary, book.enroll(primary, draw.randrange(2)), core=other)


BETWEEN: Sequence[Callable[[Random, Book, UUID], Awaitable[None]]] = (
    _nothing,
    _record_facts,
    _amend,
    _recompute,
    _submit_elsewhere,
)
"""What can happen between two requests."""
