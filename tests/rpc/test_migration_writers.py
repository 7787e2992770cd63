"""Many writers of a few groups at once, on two servers and straight in the tables: afterwards both sides agree."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from threading import Event
from typing import Any

import grpc
import psycopg
import pytest

from affilia.enrollment.v1 import change_request_pb2
from tests.conftest import ServerProcess
from tests.support.migration import DUAL_WRITE, READ_CORE, Spain
from tests.support.migration_requests import enroll, leave, requests_of, waiting_recomputes
from tests.support.spanish import FLEX, FLEX_OLD, FLEX_PLUS, SpanishFamily, SpanishServer
from tests.support.waiting import wait_until

GROUPS, REQUESTS, STATEMENTS, NEW_POLICIES = 5, 25, 40, 10
OWNERS = [f"P{n}" for n in range(GROUPS)]
DAYS = ["2026-04-01", "2026-05-01", "2026-06-01", "2026-09-01", "2027-01-01", "2027-07-01"]
REPEATED = (grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


@pytest.fixture
def second_server(spanish_server: SpanishServer) -> Iterator[ServerProcess]:
    running = ServerProcess(spanish_server.data_dir, "--legacy-sources", "ES")
    yield running
    running.stop()


@pytest.fixture
def busy(spain: Spain) -> Spain:
    """Five owners with a child and a partner each, in DUAL_WRITE. The core has none of the groups."""
    for n, owner in enumerate(OWNERS):
        spain.user(f"C{n}", "2015-06-01")
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
        spain.row(f"C{n}", "CHILD", FLEX_OLD, "2024-03-01", owner=owner)
        spain.row(f"S{n}", "PARTNER", FLEX_PLUS, "2025-01-01", "2026-12-31", owner=owner)
    spain.move_to(DUAL_WRITE)
    return spain


class Requests:
    """One caller of a server. Repeats a request that got no answer, and keeps the ids of the acknowledged ones."""

    def __init__(self, spain: Spain, address: str, seed: int) -> None:
        self._spain, self._random = spain, Random(seed)
        self._family = SpanishFamily(spain.channel_to(address))
        self.acknowledged: list[tuple[str, str]] = []

    def run(self) -> None:
        for _ in range(REQUESTS):
            owner = self._random.choice(OWNERS)
            request = self._spain.submit_request(owner, self._change(OWNERS.index(owner)))
            while not self._sent(request):
                pass
            self.acknowledged.append((owner, request.request_id))

    def _sent(self, request: Any) -> bool:
        try:
            self._family.requests.SubmitChangeRequest(request)
        except grpc.RpcError as error:
            if error.code() not in REPEATED:
                raise
            return False
        return True

    def _change(self, n: int) -> Any:
        family = self._spain.family
        who, type_ = self._random.choice([(f"P{n}", "PRIMARY"), (f"C{n}", "CHILD"), (f"S{n}", "PARTNER")])
        module_id = self._random.choice([family.base, family.plus, family.option])
        first, last = sorted(self._random.sample(DAYS, 2))
        if self._random.random() < 0.4:
            return leave(self._spain, who, first, module_id)
        return enroll(self._spain, who, type_, module_id, first, self._random.choice([None, last]))


class Statements:
    """Another program. Counts how often PostgreSQL chose it to end a deadlock, or refused it because of the stage."""

    def __init__(self, spain: Spain, seed: int) -> None:
        self._spain, self._random = spain, Random(seed)
        self.failed = Counter[str]()

    def run(self) -> None:
        with self._spain.server.connect() as connection:
            for _ in range(STATEMENTS):
                try:
                    self._write(connection)
                except (psycopg.errors.DeadlockDetected, psycopg.errors.ObjectNotInPrerequisiteState) as error:
                    self.failed[type(error).__name__] += 1

    def _write(self, connection: psycopg.Connection) -> None:
        n = self._random.randrange(GROUPS)
        policy = "SELECT id FROM legacy_es.es_policy WHERE owner_user_id = %s ORDER BY id DESC LIMIT 1"
        owner, child = self._spain.users[f"P{n}"], self._spain.users[f"C{n}"]
        first, last = sorted(self._random.sample(DAYS, 2))
        match self._random.randrange(4):
            case 0:
                connection.execute(
                    "INSERT INTO legacy_es.es_enrollment (policy_id, user_id, enrollment_type, product_code,"
                    f" start_date, end_date) SELECT ({policy}), %s, 'CHILD', 'FLEX', %s, %s",
                    [owner, child, first, last],
                )
            case 1:
                connection.execute(
                    "UPDATE legacy_es.es_enrollment SET end_date = %s WHERE id = (SELECT max(id)"
                    " FROM legacy_es.es_enrollment WHERE user_id = %s AND start_date < %s)",
                    [last, owner, first],
                )
            case 2:
                with connection.transaction():
                    connection.execute(
                        "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES (17, %s)", [owner]
                    )
                    connection.execute(
                        "INSERT INTO legacy_es.es_enrollment (policy_id, user_id, enrollment_type, product_code,"
                        f" start_date) SELECT ({policy}), %s, 'PRIMARY', 'DENTAL', %s",
                        [owner, owner, first],
                    )
            case _:
                connection.execute(
                    "UPDATE legacy_es.es_enrollment SET is_cancelled = true WHERE id = (SELECT max(id)"
                    " FROM legacy_es.es_enrollment WHERE user_id = %s)",
                    [child],
                )


def test_s6_both_sides_agree_after_eight_writers(busy: Spain, second_server: ServerProcess) -> None:
    addresses = [busy.server.process.address, second_server.address]
    callers = [Requests(busy, addresses[n % 2], n) for n in range(6)]
    programs = [Statements(busy, n) for n in range(2)]
    run_together([*(caller.run for caller in callers), *(program.run for program in programs)])
    assert_agreed(busy, callers)


def test_both_sides_agree_while_stages_facts_and_backfills_change(busy: Spain, second_server: ServerProcess) -> None:
    addresses = [busy.server.process.address, second_server.address]
    callers = [Requests(busy, addresses[n % 2], n) for n in range(4)]
    programs = [Statements(busy, n) for n in range(2)]
    done, random = Event(), Random(0)

    def steps() -> None:
        while not done.is_set():
            busy.move(READ_CORE, expected=DUAL_WRITE, force=True, reason="a test")
            busy.move(DUAL_WRITE, expected=READ_CORE)

    def facts() -> None:
        while not done.is_set():
            who = f"C{random.randrange(GROUPS)}"
            busy.family.store(busy.member(who))
            busy.family.born(busy.member(who), f"2015-06-{random.randint(1, 28):02}")

    def backfills() -> None:
        while not done.is_set():
            last = busy.backfill()[-1]
            assert (last.done, last.failed) == (GROUPS, 0)

    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(other) for other in (steps, facts, backfills)]
        try:
            run_together([*(caller.run for caller in callers), *(program.run for program in programs)])
        finally:
            done.set()
        for other in others:
            other.result()
    assert_agreed(busy, callers)


def test_new_policies_of_both_sides_are_in_agreement(spain: Spain, second_server: ServerProcess) -> None:
    """Their users and policies get ids at the same time: by submits, by lists, and by backfills."""
    spain.move_to(DUAL_WRITE)
    families = [
        SpanishFamily(spain.channel_to(address)) for address in (spain.server.process.address, second_server.address)
    ]
    done = Event()

    def of_the_core(seed: int) -> None:
        for n in range(NEW_POLICIES):
            owner = f"N{seed}/{n}"
            spain.family.store(spain.member(owner))
            families[n % 2].requests.SubmitChangeRequest(spain.submit_request(owner))

    def of_the_tables(seed: int) -> None:
        with spain.server.connect() as connection:
            for n in range(NEW_POLICIES):
                owner, child = f"T{seed}/{n}", f"T{seed}/{n}/C"
                with connection.transaction():
                    for who in (child, owner):
                        connection.execute(
                            "INSERT INTO legacy_es.es_user (global_user_id) VALUES (%s)", [spain.member(who)]
                        )
                    connection.execute(
                        "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id)"
                        " SELECT 17, id FROM legacy_es.es_user WHERE global_user_id = %s",
                        [spain.member(owner)],
                    )
                    connection.execute(
                        "INSERT INTO legacy_es.es_enrollment (policy_id, user_id, enrollment_type, product_code,"
                        " start_date) SELECT p.id, u.id, 'CHILD', 'FLEX', DATE '2024-03-01' FROM legacy_es.es_policy p"
                        " JOIN legacy_es.es_user o ON o.id = p.owner_user_id AND o.global_user_id = %s,"
                        " legacy_es.es_user u WHERE u.global_user_id = %s",
                        [spain.member(owner), spain.member(child)],
                    )
                change = enroll(spain, owner, "PRIMARY", spain.family.base, "2026-05-01")
                if n % 2:
                    families[n % 2].requests.SubmitChangeRequest(spain.submit_request(owner, change))

    def lists() -> None:
        while not done.is_set():
            assert spain.stage == DUAL_WRITE
            assert spain.backfill()[-1].failed == 0

    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(lists)
        try:
            run_together([*(partial(of_the_core, n) for n in range(3)), *(partial(of_the_tables, n) for n in range(3))])
        finally:
            done.set()
        listing.result()
    assert spain.backfill()[-1].groups == 6 * NEW_POLICIES
    assert spain.counts() == {}
    (users,) = spain.tables.execute("SELECT count(*) FROM legacy_es.es_user").fetchone() or (0,)
    assert users == 9 * NEW_POLICIES


def run_together(writers: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(writers)) as pool:
        for running in [pool.submit(writer) for writer in writers]:
            running.result()


def assert_agreed(spain: Spain, callers: list[Requests]) -> None:
    """Backfills, and asserts that nothing differs and that each acknowledged request is stored once."""
    for owner in OWNERS:
        wait_until(lambda owner=owner: waiting_recomputes(spain, owner) == 0, "the recomputes")  # type: ignore[misc]
    last = spain.backfill()[-1]
    assert (last.groups, last.failed) == (GROUPS, 0)
    assert spain.counts() == {}
    acknowledged = [each for caller in callers for each in caller.acknowledged]
    assert len(acknowledged) == REQUESTS * len(callers)
    stored = Counter((owner, each.request_id) for owner in OWNERS for each in all_requests(spain, owner))
    assert {each: stored[each] for each in acknowledged} == dict.fromkeys(acknowledged, 1)
    for owner in OWNERS:
        assert spain.legacy_periods(owner) == spain.core_periods(owner)


def all_requests(spain: Spain, owner: str) -> list[change_request_pb2.ChangeRequest]:
    return requests_of(spain, owner, page_size=1000)
