"""The search index is filled after an upgrade, while servers serve, are killed, and older ones write."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from domain.member_search import index_entries
from storage.postgres.documents import member_from_document
from storage.postgres.migrations import migrate
from tests.conftest import ServerProcess, a_database
from tests.storage.test_upgrades import upgraded_to_just_before
from tests.support.calls import new_id
from tests.support.channels import connected_to
from tests.support.command_line import typed
from tests.support.waiting import wait_until

NUMBER = 4_000
ERASED = UUID(int=(1 << 127) + 7)
NAMES = ("Marie-Claire Dupont", "Jean Martin", "王小明", "", "Zoé Weiß")

OLD_STATE = """
INSERT INTO member_revision (member_id, revision, recorded_at, document)
    SELECT member_id, %(revision)s, now(), jsonb_build_object('member_id', member_id, 'kind', 'PERSON',
        'display_name', name, 'facts', jsonb_build_object('born_on', %(born_on)s::date, 'addresses', '[]'::jsonb,
        'employments', '[]'::jsonb, 'health_regimes', '[]'::jsonb, 'attributes', '[]'::jsonb, 'erased_on', NULL))
    FROM unnest(%(ids)s::uuid[], %(names)s::text[]) AS old (member_id, name)
"""
"""How a server that doesn't know the index stores states of members."""


def write_as_an_older_server(url: str, names: dict[UUID, str], revision: int = 1) -> None:
    with psycopg.connect(url) as connection:
        parameters = {"ids": list(names), "names": list(names.values()), "revision": revision, "born_on": "2014-03-02"}
        connection.execute(OLD_STATE, parameters)


@pytest.fixture
def upgraded_url(postgres_url: str) -> Iterator[str]:
    """A database that was migrated when it had members, of whom one is erased and one had another name before."""
    with a_database(postgres_url, migrated=False) as url:
        upgraded_to_just_before(url, "_member_search.py")
        ids = [UUID(int=(n * 0x9E3779B97F4A7C15F39CC0605CEDC835) & ((1 << 128) - 1)) for n in range(1, NUMBER)]
        names = {member_id: f"{NAMES[n % len(NAMES)]} {n % 100}" for n, member_id in enumerate(ids)}
        write_as_an_older_server(url, names | {ERASED: "Anna Erased"})
        write_as_an_older_server(url, {ids[0]: "Renamed Member"}, revision=2)
        with psycopg.connect(url) as connection:
            connection.execute("SELECT erase_member(%s, current_date, false, 'test')", [ERASED])
        assert migrate(url)
        yield url


def start(folder: Path, url: str, *flags: str) -> ServerProcess:
    return ServerProcess(folder, "--database-url", url, "--log-format", "json", *flags)


def search(server: ServerProcess, query: str) -> member_service_pb2.SearchMembersResponse:
    with connected_to(server.address) as channel:
        return MemberServiceStub(channel).SearchMembers(member_service_pb2.SearchMembersRequest(query=query))


def wait_until_complete(server: ServerProcess) -> None:
    with connected_to(server.address) as channel:
        members = MemberServiceStub(channel)
        request = member_service_pb2.SearchMembersRequest(query="marie")
        wait_until(lambda: members.SearchMembers(request).is_complete, "every member is indexed")


def entries(url: str) -> set[tuple[str, str, UUID]]:
    with psycopg.connect(url) as connection:
        return set(connection.execute("SELECT term, name, member_id FROM member_search").fetchall())


def expected_entries(url: str) -> set[tuple[str, str, UUID]]:
    statement = "SELECT DISTINCT ON (member_id) document FROM member_revision ORDER BY member_id, revision DESC"
    with psycopg.connect(url) as connection:
        members = [member_from_document(document) for (document,) in connection.execute(statement)]
    return {(*entry, member.member_id) for member in members for entry in index_entries(member)}


def queued(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM member_to_index").fetchone()
    assert row
    number: int = row[0]
    return number


def test_existing_members_are_indexed_while_serving(upgraded_url: str, tmp_path: Path) -> None:
    assert queued(upgraded_url) > 1
    assert not entries(upgraded_url)
    server = start(tmp_path, upgraded_url)
    wait_until_complete(server)
    assert entries(upgraded_url) == expected_entries(upgraded_url)
    assert [hit.member.display_name for hit in search(server, "renamed").hits] == ["Renamed Member"]
    assert not search(server, "erased").hits
    wait_until(lambda: "member_indexing_ended" in server.log.read_text(), "the end is logged")
    logged = [json.loads(line) for line in server.log.read_text().splitlines() if "member_indexing" in line]
    assert [line["event"] for line in logged] == ["member_indexing_began", "member_indexing_ended"]
    assert logged[1]["members"] == NUMBER
    assert logged[1]["ranges_left"] == 0
    server.stop()


def test_the_command_line_says_that_the_index_is_still_being_filled(upgraded_url: str, tmp_path: Path) -> None:
    said = "The search index is still being filled."
    with psycopg.connect(upgraded_url) as connection:
        connection.execute("SELECT FROM member_to_index FOR UPDATE")  # no server can work on the queue
        server = start(tmp_path, upgraded_url)
        found = typed(server.address, "find", "marie")
        assert (found.code, said in found.err) == (0, True), found.err
        assert json.loads(typed(server.address, "find", "marie", "--json").out)["is_complete"] is False
        shown = typed(server.address, "member", "show", "nobody of this name")
        assert (shown.code, shown.err.count(said)) == (1, 1), shown.err
        connection.rollback()
    wait_until_complete(server)
    complete = typed(server.address, "find", "marie")
    assert (complete.code, said in complete.err) == (0, False), complete.err
    assert json.loads(typed(server.address, "find", "marie", "--json").out)["is_complete"] is True
    server.stop()


def test_killed_and_concurrent_servers_index_every_member(upgraded_url: str, tmp_path: Path) -> None:
    before = queued(upgraded_url)
    killed, other = start(tmp_path / "one", upgraded_url), start(tmp_path / "two", upgraded_url)
    wait_until(lambda: queued(upgraded_url) < before, "indexing begins")
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait()
    wait_until_complete(other)
    assert entries(upgraded_url) == expected_entries(upgraded_url)
    other.stop()


def test_writes_of_older_servers_are_indexed_and_those_of_new_ones_are_not_queued(
    own_database_url: str, tmp_path: Path
) -> None:
    server, member_id = start(tmp_path, own_database_url), UUID(new_id())
    with connected_to(server.address) as channel:
        member = member_pb2.Member(
            member_id=str(member_id), kind=member_pb2.MEMBER_KIND_PERSON, display_name="Anna First"
        )
        request = member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member)
        MemberServiceStub(channel).UpsertMember(request)
    assert queued(own_database_url) == 0
    assert search(server, "first").is_complete
    write_as_an_older_server(own_database_url, {member_id: "Anna Second"}, revision=2)
    wait_until_complete(server)
    assert [hit.member.display_name for hit in search(server, "second").hits] == ["Anna Second"]
    assert not search(server, "first").hits
    assert entries(own_database_url) == expected_entries(own_database_url)
    server.stop()


def test_a_database_without_members_has_nothing_to_index(own_database_url: str) -> None:
    assert queued(own_database_url) == 0
