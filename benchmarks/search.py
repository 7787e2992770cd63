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

import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from benchmarks.figures import Figure, table
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


def measure(members: str = "1000000") -> list[Figure]:
    number = int(members)
    with _book(0) as empty, _book(number) as full:
        sample = random.Random(1).sample(range(min(number, 200_000)), CALLS)
        everybody = list(islice(people.people(number), min(number, 200_000)))
        return [
            *_size(full, number),
            *_searches(full, [everybody[n] for n in sample]),
            *_by_contract(full),
            *_writes_and_reads(empty, full, [everybody[n] for n in sample]),
        ]


@dataclass(frozen=True, slots=True)
class Book:
    members: MemberServiceStub
    health: Any
    contract_id: str
    url: str
    load_seconds: float


@contextmanager
def _book(number: int) -> Iterator[Book]:
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        try:
            migrate(postgres.url)
            began = time.perf_counter()
            contract_id = people.load(postgres.url, number, enrolled_every=ENROLLED_EVERY)
            seconds = time.perf_counter() - began
            server = ServerProcess(Path(folder), "--database-url", postgres.url)
            with connected_to(server.address) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                yield Book(MemberServiceStub(channel), health, str(contract_id), postgres.url, seconds)
            server.stop()
        finally:
            postgres.stop()


def _size(book: Book, number: int) -> list[Figure]:
    with psycopg.connect(book.url) as connection:
        row = connection.execute(
            "SELECT pg_table_size('member_search'), pg_indexes_size('member_search'), count(*),"
            " pg_total_relation_size('member_revision') FROM member_search"
        ).fetchone()
    assert row  # noqa: S101 (a count has a row)
    of_table, indexes, rows, documents = row
    against = f"{rows / number:.1f} rows; table {of_table / number:.0f}, indexes {indexes / number:.0f} bytes"
    families = f"{number} members in families of four, one family in {ENROLLED_EVERY} enrolled"
    per_member = (of_table + indexes) / number
    return [
        Figure(name="search.load", value=book.load_seconds, unit="s", against=families),
        Figure(name="search.index", value=per_member, unit="bytes per member", against=against),
        Figure(name="search.members", value=documents / number, unit="bytes per member", against="without the index"),
    ]


def _searches(book: Book, sample: list[people.Person]) -> list[Figure]:
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
    return [
        figure
        for kind, request in kinds.items()
        for figure in _latency(book, kind, book.members.SearchMembers, [request(one) for one in sample])
    ]


def _by_contract(book: Book) -> list[Figure]:
    requests = [Search(query=name, contract_id=book.contract_id) for name in people.COMMON_FIRST.split()] * 5
    return _latency(book, "first name in a contract", book.members.SearchMembers, requests)


def _two_common_words(one: people.Person) -> Search:
    draw = random.Random(one.number)
    first, last = draw.choice(people.COMMON_FIRST.split()), draw.choice(people.COMMON_LAST.split())
    return Search(query=f"{first} {last}")


def _words(one: people.Person) -> list[str]:
    return normalized_name(one.name).split()


def _date(one: people.Person) -> Any:
    return {"year": one.born_on.year, "month": one.born_on.month, "day": one.born_on.day}


def _latency(book: Book, kind: str, call: Callable[[Any], Any], requests: list[Any]) -> list[Figure]:
    """Returns the latency of searches, compared with that of health checks between them."""
    empty_request = health_pb2.HealthCheckRequest()
    for request in requests[:WARM_UP]:
        call(request)
        book.health.Check(empty_request)
    ours, empty = [], []
    for request in requests:
        ours.append(_milliseconds(partial(call, request)))
        empty.append(_milliseconds(partial(book.health.Check, empty_request)))
    name, against = f"search.by_{kind.replace(', ', '_').replace(' ', '_')}", "a health check between the calls"
    return [
        figure
        for percentile, part in (("p50", 0.5), ("p99", 0.99))
        for figure in (
            Figure(name=f"{name}.{percentile}", value=_percentile(ours, part), unit="ms", client="python"),
            Figure(
                name=f"{name}.{percentile}_factor",
                value=_percentile(ours, part) / _percentile(empty, part),
                unit="x",
                against=against,
                client="python",
            ),
        )
    ]


def _milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


def _writes_and_reads(empty: Book, full: Book, sample: list[people.Person]) -> list[Figure]:
    """Measures each call in the empty and in the full book, after storing the members of the empty one."""
    for one in sample:
        empty.members.UpsertMember(_upsert(str(one.member_id), one.name))
    ids = [str(one.member_id) for one in sample]
    many = member_service_pb2.BatchGetMembersRequest(member_ids=ids[:100])
    calls: dict[str, Callable[[Book], Callable[[int], Any]]] = {
        "upsert_new": lambda book: lambda n: book.members.UpsertMember(_upsert(new_id(), sample[n % CALLS].name)),
        "upsert_renamed": lambda book: (
            lambda n: book.members.UpsertMember(_upsert(ids[n % CALLS], sample[(n + 1) % CALLS].name))
        ),
        "record_facts": lambda book: lambda n: book.members.RecordFacts(_born(ids[n % CALLS], n)),
        "get_member": lambda book: (
            lambda n: book.members.GetMember(member_service_pb2.GetMemberRequest(member_id=ids[n % CALLS]))
        ),
        "batch_get_100": lambda book: lambda _: book.members.BatchGetMembers(many),
    }
    figures = []
    for what, call_of in calls.items():
        (empty_rate, _), (full_rate, full_p99) = (_rate_and_latency(call_of(book)) for book in (empty, full))
        figures += [
            Figure(name=f"search.{what}.rate", value=full_rate, unit="calls/s", client="python"),
            Figure(name=f"search.{what}.p99", value=full_p99, unit="ms", client="python"),
            Figure(
                name=f"search.{what}.ratio",
                value=full_rate / empty_rate,
                unit="x",
                against="an empty book",
                client="python",
            ),
        ]
    return figures


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
    print(table(measure(*sys.argv[1:])))
