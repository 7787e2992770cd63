"""Groups are read from views that are stored with their revisions, with the same responses as without views."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf import timestamp_pb2

from affilia.enrollment.v1 import enrollment_group_pb2, enrollment_query_service_pb2
from tests.conftest import ServerProcess
from tests.rpc.test_erasure_everywhere import Pair, erase
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, admin, decoded, new_id
from tests.support.channels import connected_to
from tests.support.guarded import application_url

Request = enrollment_query_service_pb2.GetEnrollmentGroupRequest
METHOD = "/affilia.enrollment.v1.EnrollmentQueryService/GetEnrollmentGroup"
SOURCES = enrollment_group_pb2.SourceOfTruth.values()


@pytest.fixture
def pair(tmp_path: Path, own_database_url: str) -> Iterator[Pair]:
    running = Pair(tmp_path, own_database_url)
    yield running
    running.stop()


def answer(channel: Any, request: Request) -> bytes | str:
    """Returns the bytes of a response, or the reason of an error."""
    try:
        return channel.unary_unary(METHOD)(request.SerializeToString(), timeout=60)  # type: ignore[no-any-return]
    except grpc.RpcError as error:
        return decoded(error).reason


def every_kind_of_request(family: Family, revisions: int) -> list[Request]:
    """Returns requests with every combination of fields, also for unknown groups and revisions."""
    group = family.group()
    past = timestamp_pb2.Timestamp(seconds=group.recorded_at.seconds - 3600)
    groups: list[dict[str, Any]] = [
        {"group_id": group.group_id},
        {"group_id": group.group_id.upper()},
        {"key": family.key},
        {"group_id": new_id()},
        {"key": enrollment_group_pb2.GroupKey(contract_id=new_id(), primary_id=family.primary)},
    ]
    states: list[dict[str, Any]] = [
        {}, *({"revision": n} for n in range(revisions + 2)), {"instant": group.recorded_at}, {"instant": past},
    ]  # fmt: skip
    spans: list[dict[str, Any]] = [{}, {"touching": span("2026-01-01", "2026-03-31")}]
    return [
        Request(**named, **state, **touching, source_of_truth=source)
        for named, state, touching, source in product(groups, states, spans, SOURCES)
    ]


def views_of(url: str) -> dict[int, bytes | None]:
    """Returns the stored views of all revisions, by key."""
    with psycopg.connect(url, autocommit=True) as connection:
        return dict(connection.execute("SELECT revision_key, view FROM enrollment_revision").fetchall())


def set_views(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"UPDATE enrollment_revision SET view = {sql}")


def changed_by_requests_and_recomputes(family: Family) -> int:
    """Makes revisions of both causes, with several members, modules and periods. Returns how many there are."""
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-02-01", child=True))
    family.submit(family.enroll(family.plus, "2026-07-01"), family.enroll(family.option, "2026-03-01", "2026-05-31"))
    family.submit(family.leave("2026-04-01", "2026-04-30"))
    family.born(family.primary, "2010-06-01")  # too young for the option
    family.submit(family.enroll(family.base, "2027-02-01"))
    family.submit(family.leave("2026-01-01"))
    return family.group().revision


def test_every_kind_of_request_gets_the_same_response_as_without_views(own_database_url: str, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        revisions = changed_by_requests_and_recomputes(family)
        assert revisions == 6
        stored = views_of(own_database_url)
        assert len(stored) == revisions
        assert all(stored.values())
        requests = every_kind_of_request(family, revisions)
        with_views = [answer(channel, request) for request in requests]
        set_views(own_database_url, "NULL")
        assert [answer(channel, request) for request in requests] == with_views
        assert {"GROUP_UNKNOWN", "REVISION_UNKNOWN", "NO_LEGACY_SOURCE"} <= {*with_views}
        assert sum(isinstance(each, bytes) for each in with_views) > len(requests) / 4
    server.stop()


def test_a_view_of_another_version_is_ignored(own_database_url: str, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        group = family.submit(family.enroll(family.base, "2026-01-01")).group
        set_views(own_database_url, r"'\x01'")
        assert family.group() == enrollment_group_pb2.EnrollmentGroup()  # the stored view is what is returned
        set_views(own_database_url, r"'\xff00'")
        assert family.group() == group
    server.stop()


def test_a_read_after_a_write_returns_its_revision_on_every_server(pair: Pair) -> None:
    family = Family(pair.channels[0]).set_up()
    other = Family(pair.channels[1], **family.ids())
    for n in range(1, 8):
        written = family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())
        assert written.group.revision == n
        assert other.group() == family.group() == written.group


def test_concurrent_reads_get_their_own_answers(pair: Pair) -> None:
    families = [Family(pair.channels[0]).set_up() for _ in range(4)]
    for family in families:
        family.submit(family.enroll(family.base, "2026-01-01"))
        family.submit(family.enroll(family.plus, "2026-07-01"))
    states: list[dict[str, Any]] = [{}, {"revision": 1}, {"revision": 9}]
    requests = [Request(key=family.key, **state) for family in families for state in states]
    requests.append(Request(group_id=new_id()))
    expected = [answer(pair.channels[0], request) for request in requests]
    assert len({*expected}) == 4 * 2 + 2
    with ThreadPoolExecutor(26) as threads:
        for _ in range(10):
            found = list(threads.map(lambda request: answer(pair.channels[0], request), requests * 2))
            assert found == expected * 2


def test_removed_periods_are_removed_from_views(pair: Pair) -> None:
    family = Family(pair.channels[0]).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"))
    family.submit(family.enroll(family.base, "2026-03-17", "2026-05-23", child=True))
    family.submit(family.enroll(family.plus, "2026-06-01"))
    before, alone = views_of(pair.url), family.group(revision=1)
    named = {key for key, view in before.items() if view and family.child.encode() in view}
    assert len(named) == 2
    erase(family, family.child, keep_periods=False)
    after = views_of(pair.url)
    assert {key for key, view in after.items() if view is None} == named
    for key in before.keys() - named:
        assert after[key] == before[key]
    for channel in pair.channels:
        seen = Family(channel, **family.ids())
        assert seen.group(revision=1) == alone
        for revision in (2, 3):
            assert {period.member_id for period in seen.group(revision=revision).periods} == {family.primary}


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM enrollment_period WHERE member_id = %(child)s",
        "UPDATE enrollment_period SET membership_type = 'PARTNER' WHERE member_id = %(child)s",
    ],
)
def test_no_view_survives_a_change_of_its_periods(own_database_url: str, tmp_path: Path, change: Any) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        first = family.submit(family.enroll(family.base, "2026-01-01")).group
        second = family.submit(family.enroll(family.base, "2026-03-17", "2026-05-23", child=True)).group
        with psycopg.connect(own_database_url, autocommit=True) as connection:
            connection.execute(change, {"child": family.child})
        assert [view is None for _, view in sorted(views_of(own_database_url).items())] == [False, True]
        assert family.group(revision=1) == first
        assert family.group() != second
    server.stop()


def test_the_role_of_the_application_cannot_change_views(pair: Pair) -> None:
    family = Family(pair.channels[0]).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"))
    with (
        psycopg.connect(application_url(pair.url), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("UPDATE enrollment_revision SET view = NULL")
