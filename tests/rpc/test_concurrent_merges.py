"""Merges that run at the same time as other writes of the same members, without deadlocks and without losing anything.

These tests run on a server of their own, so that its database's count of deadlocks is only theirs.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.enrollment.v1 import enrollment_group_pb2, enrollment_query_service_pb2
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.support.calls import admin, decoded, new_id
from tests.support.channels import connected_to
from tests.support.doubled import Doubled
from tests.support.insured import Insured

ROUNDS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merges")


@pytest.fixture(scope="module")
def channels(folder: Path) -> Iterator[tuple[Any, Any]]:
    server = ServerProcess(folder)
    with connected_to(server.address) as channel, connected_to(server.internal_address) as internal:
        yield channel, internal
    server.stop()


@pytest.fixture
def doubled(folder: Path, channels: tuple[Any, Any]) -> Iterator[Doubled]:
    before = deadlocks(folder)
    yield Doubled(Insured(*channels)).set_up()
    assert deadlocks(folder) == before


def deadlocks(folder: Path) -> int:
    with psycopg.connect(EmbeddedPostgres(folder).url) as connection:
        row = connection.execute("SELECT sum(deadlocks)::int FROM pg_stat_database").fetchone()
    assert row is not None
    return int(row[0])


def outcomes(*calls: Callable[[], Any]) -> list[str]:
    """Makes calls at the same time. Returns OK or the reason of its failure for each."""

    def outcome(call: Callable[[], Any]) -> str:
        try:
            call()
        except grpc.RpcError as error:
            return decoded(error).reason
        return "OK"

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def in_another_group(doubled: Doubled, primary: str, member_id: str) -> Any:
    """Enrolls a member as a child in the group of another primary."""
    key = enrollment_group_pb2.GroupKey(contract_id=doubled.family.contract_id, primary_id=primary)
    parent = doubled.family.enroll(doubled.family.base, "2026-01-01")
    parent.enroll.member_id = primary
    request = doubled.family.request(parent, doubled.enrolling(member_id, "2026-01-01"), requester=admin(), group=key)
    return doubled.family.requests.SubmitChangeRequest(request, timeout=60)


def members_of(doubled: Doubled, primary: str) -> set[str]:
    key = enrollment_group_pb2.GroupKey(contract_id=doubled.family.contract_id, primary_id=primary)
    request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=key)
    try:
        return {period.member_id for period in doubled.family.queries.GetEnrollmentGroup(request).group.periods}
    except grpc.RpcError:
        return set()


def test_a_member_who_joins_a_group_during_the_merge_is_merged_there_too(doubled: Doubled) -> None:
    for _ in range(ROUNDS):
        double, primaries = doubled.store(new_id()), [doubled.store(new_id()) for _ in range(4)]
        merged, *submitted = outcomes(
            partial(doubled.merge, double, doubled.family.child),
            *(partial(in_another_group, doubled, primary, double) for primary in primaries),
        )
        assert merged == "OK" and set(submitted) <= {"OK", "MEMBER_MERGED"}
        for primary, outcome in zip(primaries, submitted, strict=True):
            expected = {primary, doubled.family.child} if outcome == "OK" else set()
            assert members_of(doubled, primary) == expected


def test_facts_recorded_during_the_merge_are_moved_or_rejected(doubled: Doubled) -> None:
    doubled.insured.enroll("2026-01-01")
    for n in range(ROUNDS):
        double = doubled.store(new_id())
        doubled.enroll(double, "2026-01-01")

        merged, of_double, of_child, of_primary = outcomes(
            partial(doubled.merge, double, doubled.family.child),
            partial(doubled.attribute, double, f"double{n}", "1"),
            partial(doubled.attribute, doubled.family.child, f"child{n}", "1"),
            partial(doubled.attribute, doubled.family.primary, f"primary{n}", "1"),
        )
        assert (merged, of_child, of_primary) == ("OK", "OK", "OK")
        names = {each.name for each in doubled.facts(doubled.family.child).attributes}
        assert f"child{n}" in names and (f"double{n}" in names) == (of_double == "OK")


def test_requests_and_merges_of_one_group_wait_for_each_other(doubled: Doubled) -> None:
    doubled.insured.enroll("2026-01-01")
    doubles = [doubled.store(new_id()) for _ in range(4)]
    for double in doubles:
        doubled.enroll(double, "2026-02-01", "2026-03-31")
    results = outcomes(
        *(partial(doubled.merge, double, doubled.family.child) for double in doubles),
        *(
            partial(doubled.enroll, doubled.family.child, f"2026-{month:02}-01", f"2026-{month:02}-28")
            for month in range(4, 8)
        ),
    )
    assert results == ["OK"] * 8
    assert doubled.periods().keys() == {doubled.family.primary, doubled.family.child}
    assert doubled.periods()[doubled.family.child][0] == ("2026-02-01", "2026-04-28")
    revisions = doubled.family.group().revision
    assert [each.revision for each in doubled.revisions()] in (
        [*range(1, revisions + 1)],
        [*range(revisions, 0, -1)],
    )


def test_merges_in_a_circle_leave_one_record(doubled: Doubled) -> None:
    for _ in range(ROUNDS):
        ring = [doubled.store(new_id()) for _ in range(3)]
        results = outcomes(*(partial(doubled.merge, *pair) for pair in permutations(ring, 2)))
        assert sorted(results) == ["MEMBER_MERGED"] * 4 + ["OK"] * 2
        assert len({doubled.read(member_id).member.member_id for member_id in ring}) == 1


def test_a_request_that_is_sent_twice_concurrently_merges_once(doubled: Doubled) -> None:
    doubled.story()
    request = doubled.request(doubled.double, doubled.family.child)
    before = doubled.family.group().revision
    assert outcomes(*[partial(doubled.members.MergeMembers, request, timeout=60)] * 4) == ["OK"] * 4
    assert doubled.family.group().revision == before + 1


def test_applications_and_reversals_during_the_merge_are_counted_once(doubled: Doubled) -> None:
    doubled.story()
    child, double = doubled.family.child, doubled.double
    merged, reversed_, *_ = outcomes(
        partial(doubled.merge, double, child),
        partial(doubled.insured.reverse, doubled.of_double),
        *[partial(doubled.insured.apply, "2026-05-21", double, physio=1)] * 3,
        *[partial(doubled.insured.apply, "2026-05-21", child, physio=1)] * 3,
    )
    assert (merged, reversed_) == ("OK", "OK")
    lines = doubled.insured.ledger()
    for code, used in (("DEDUCTIBLE", 50_00), ("BENEFIT:PHYSIO", None)):
        total = sum(line.applied for line in lines if line.code == code)
        assert total == doubled.insured.used("2026-05-21", child, code)[0] and used in (None, total)
    assert {line.member_id for line in lines} == {child}
