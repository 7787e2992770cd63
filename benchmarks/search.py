"""Measures searches, writes and reads of members in a large book, and the size of the search index.

Each is compared with an empty call and with an empty book in the same run. `python -m benchmarks.search 10000000`
measures with ten million members.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from benchmarks.running import calls_per_second
from domain.names import normalized_name
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import migrate
from tests.conftest import ServerProcess
from tests.support import people
from tests.support.calls import new_id
from tests.support.channels import connected_to

CALLS = 300
WARM_UP = 30
CALLERS = 4
ENROLLED_EVERY = 50
Search = member_service_pb2.SearchMembersRequest


def measure(members: str = "1000000") -> None:
    number = int(members)
    print(f"{number} members in families of four, one family in {ENROLLED_EVERY} enrolled; {CALLS} calls of each kind")
    with _book(0) as empty, _book(number) as full:
        sample = random.Random(1).sample(range(min(number, 200_000)), CALLS)
        everybody = list(islice(people.people(number), min(number, 200_000)))
        _searches(full, [everybody[n] for n in sample])
        _by_contract(full)
        _writes_and_reads(empty, full, [everybody[n] for n in sample])


@dataclass(frozen=True, slots=True)
class Book:
    members: MemberServiceStub
    health: Any
    contract_id: str


@contextmanager
def _book(number: int) -> Iterator[Book]:
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        try:
            migrate(postgres.url)
            began = time.perf_counter()
            contract_id = people.load(postgres.url, number, enrolled_every=ENROLLED_EVERY)
            if number:
                print(f"loaded in {time.perf_counter() - began:.0f} s", flush=True)
                _print_size(postgres.url, number)
            server = ServerProcess(Path(folder), "--database-url", postgres.url)
            with connected_to(server.address) as channel:
                yield Book(MemberServiceStub(channel), health_pb2_grpc.HealthStub(channel), str(contract_id))
            server.stop()
        finally:
            postgres.stop()


def _print_size(url: str, number: int) -> None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pg_table_size('member_search'), pg_indexes_size('member_search'), count(*),"
            " pg_total_relation_size('member_revision') FROM member_search"
        ).fetchone()
    assert row  # noqa: S101 (a count has a row)
    table, indexes, rows, documents = row
    print(
        f"search index: {(table + indexes) / number:.0f} bytes per member ({rows / number:.1f} rows; table"
        f" {table / number:.0f}, indexes {indexes / number:.0f}); the members themselves: {documents / number:.0f}"
    )


def _searches(book: Book, sample: list[people.Person]) -> None:
    kinds: dict[str, Callable[[people.Person], Search]] = {
        "half a name": lambda one: Search(query=_words(one)[0][: max(2, len(_words(one)[0]) // 2)]),
        "first name": lambda one: Search(query=_words(one)[0]),
        "last name": lambda one: Search(query=_words(one)[-1]),
        "full name": lambda one: Search(query=one.name),
        "beginnings of two words": lambda one: Search(query=f"{_words(one)[-1][:3]} {_words(one)[0][:2]}"),
        "two common words": _two_common_words,
        "one letter": lambda one: Search(query=_words(one)[0][0]),
        "two letters, one each": lambda one: Search(query=f"{_words(one)[0][0]} {_words(one)[-1][0]}"),
        "identifier": lambda one: Search(query=f"E{one.number:09}"),
        "identifier with its system": lambda one: Search(
            identifier=member_service_pb2.IdentifierFilter(system="payroll", value=f"E{one.number:09}")
        ),
        "member id": lambda one: Search(query=str(one.member_id)),
        "date of birth": lambda one: Search(born_on=_date(one)),
        "date of birth and first name": lambda one: Search(query=_words(one)[0], born_on=_date(one)),
        "no match": lambda one: Search(query=f"{_words(one)[0]}xyz {_words(one)[-1]}"),
    }
    for kind, request in kinds.items():
        requests = [request(one) for one in sample]
        _report(book, f"search by {kind}", book.members.SearchMembers, requests)


def _by_contract(book: Book) -> None:
    requests = [Search(query=name, contract_id=book.contract_id) for name in people.COMMON_FIRST.split()] * 5
    _report(book, "search by first name in a contract", book.members.SearchMembers, requests)


def _two_common_words(one: people.Person) -> Search:
    draw = random.Random(one.number)
    first, last = draw.choice(people.COMMON_FIRST.split()), draw.choice(people.COMMON_LAST.split())
    return Search(query=f"{first} {last}")


def _words(one: people.Person) -> list[str]:
    return normalized_name(one.name).split()


def _date(one: people.Person) -> Any:
    return {"year": one.born_on.year, "month": one.born_on.month, "day": one.born_on.day}


def _report(book: Book, what: str, call: Callable[[Any], Any], requests: list[Any]) -> None:
    """Prints the latency of calls, and of the empty calls between them."""
    empty_request = health_pb2.HealthCheckRequest()
    for request in requests[:WARM_UP]:
        call(request)
        book.health.Check(empty_request)
    ours, empty = [], []
    for request in requests:
        ours.append(_milliseconds(partial(call, request)))
        empty.append(_milliseconds(partial(book.health.Check, empty_request)))
    median, late = _percentile(ours, 0.5), _percentile(ours, 0.99)
    empty_median, empty_late = _percentile(empty, 0.5), _percentile(empty, 0.99)
    print(
        f"{what}: p50 {median:.1f} ms, p99 {late:.1f} ms; the empty call {empty_median:.2f} and {empty_late:.2f} ms:"
        f" {median / empty_median:.1f} and {late / empty_late:.1f} x",
        flush=True,
    )


def _milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


def _writes_and_reads(empty: Book, full: Book, sample: list[people.Person]) -> None:
    """Measures each call in the empty and in the full book, after storing the members of the empty one."""
    for one in sample:
        empty.members.UpsertMember(_upsert(str(one.member_id), one.name))
    ids = [str(one.member_id) for one in sample]
    many = member_service_pb2.BatchGetMembersRequest(member_ids=ids[:100])
    calls: dict[str, Callable[[Book], Callable[[int], Any]]] = {
        "UpsertMember of a new member": lambda book: (
            lambda n: book.members.UpsertMember(_upsert(new_id(), sample[n % CALLS].name))
        ),
        "UpsertMember with another name": lambda book: (
            lambda n: book.members.UpsertMember(_upsert(ids[n % CALLS], sample[(n + 1) % CALLS].name))
        ),
        "RecordFacts": lambda book: lambda n: book.members.RecordFacts(_born(ids[n % CALLS], n)),
        "GetMember": lambda book: (
            lambda n: book.members.GetMember(member_service_pb2.GetMemberRequest(member_id=ids[n % CALLS]))
        ),
        "BatchGetMembers of 100": lambda book: lambda _: book.members.BatchGetMembers(many),
    }
    for what, call_of in calls.items():
        try:
            figures = [_rate_and_latency(call_of(book)) for book in (empty, full)]
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            print(f"{what}: not implemented")
            continue
        (empty_rate, empty_late), (full_rate, full_late) = figures
        print(
            f"{what}: {full_rate:.0f}/s, p99 {full_late:.1f} ms; in an empty book {empty_rate:.0f}/s,"
            f" {empty_late:.1f} ms: {full_rate / empty_rate:.2f} of the rate",
            flush=True,
        )


def _rate_and_latency(call: Callable[[int], Any]) -> tuple[float, float]:
    numbers = iter(range(10_000_000))
    latencies: list[float] = []
    rate = calls_per_second(lambda _: latencies.append(_milliseconds(lambda: call(next(numbers)))), CALLERS)
    return rate, _percentile(latencies, 0.99)


def _upsert(member_id: str, name: str) -> member_service_pb2.UpsertMemberRequest:
    member = member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name)
    return member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member)


def _born(member_id: str, n: int) -> member_service_pb2.RecordFactsRequest:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=member_id)
    request.birth.born_on.year, request.birth.born_on.month, request.birth.born_on.day = 1950 + n % 50, 1, 1 + n % 28
    return request


if __name__ == "__main__":
    measure(*sys.argv[1:])
