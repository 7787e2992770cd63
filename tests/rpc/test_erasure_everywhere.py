"""An erasure reaches every table and the memory of every server, even a stopped one, before it is answered."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_query_service_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, admin, new_id
from tests.support.channels import OPTIONS, connected_to, patient
from tests.support.feeds import BEGINNING, SNAPSHOT, events_in, everything, next_events, watching
from tests.support.guarded import application_url
from tests.support.proxy import BlackHole
from tests.support.searching import tables_with
from tests.support.waiting import wait_until

NAME, NOTE, REASON, REASON_CODE = "Melusine Unverwechselbar", "moved to Hildegard", "Hildegard said so", "REASON-XYZZY"
EMPLOYER, IDENTIFIER, POSTAL_CODE, ATTRIBUTE, SALARY, BORN = (
    "EMPLOYER-ZWIEBEL",
    "PAYROLL-80417",
    "ZZ-98431",
    "leukaemia-trial",
    "4711471",
    "2015-06-01",
)
WORDS = (NAME, NOTE, REASON, REASON_CODE, EMPLOYER, IDENTIFIER, POSTAL_CODE, ATTRIBUTE, SALARY, BORN)
TOLD_BY_FEED = {NOTE, REASON, REASON_CODE}


SMALL_WINDOW = [*OPTIONS, ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
"""Limits what a channel receives ahead of its reader to less than a message of the feed."""


class Pair:
    """Two servers on one database, with the role of the application."""

    def __init__(self, folder: Path, owner_url: str) -> None:
        flags = ("--database-url", application_url(owner_url), "--migration-url", owner_url)
        self.url = owner_url
        self.servers = [ServerProcess(folder / name, *flags) for name in ("one", "other")]
        self.channels = [connected_to(server.address) for server in self.servers]

    def stop(self) -> None:
        for channel in self.channels:
            channel.close()
        for server in self.servers:
            server.stop()


@pytest.fixture
def pair(tmp_path: Path, own_database_url: str) -> Iterator[Pair]:
    running = Pair(tmp_path, own_database_url)
    yield running
    running.stop()


def known_child(channel: grpc.Channel) -> Family:
    """A family whose child was covered in the spring of 2026, with every kind of fact and text."""
    family = Family(channel).set_up()
    member = member_pb2.Member(
        member_id=family.child,
        kind=member_pb2.MEMBER_KIND_PERSON,
        display_name=NAME,
        identifiers=[member_pb2.Identifier(system="payroll", value=IDENTIFIER)],
    )
    family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
    always = span("2020-01-01", None)
    address = member_pb2.Address(days=always, country_code="FR", postal_code=POSTAL_CODE)
    salary = member_pb2.Salary(yearly_minor=int(SALARY), currency_code="EUR")
    employment = member_pb2.Employment(
        days=always, employer_id=EMPLOYER, status=condition_pb2.EMPLOYMENT_STATUS_ACTIVE, salary=salary
    )
    regime = member_pb2.HealthRegimeSpan(days=always, regime=member_pb2.HEALTH_REGIME_ALSACE_MOSELLE)
    attribute = member_pb2.Attribute(days=always, name="study", value=ATTRIBUTE)
    for facts in (
        {"addresses": member_pb2.Addresses(items=[address])},
        {"employments": member_pb2.Employments(items=[employment])},
        {"health_regimes": member_pb2.HealthRegimes(items=[regime])},
        {"attributes": member_pb2.Attributes(items=[attribute])},
    ):
        request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.child, **facts)
        family.members.RecordFacts(request)
    return family


def spring(family: Family) -> change_request_service_pb2.SubmitChangeRequestRequest:
    change = family.enroll(family.base, "2026-03-17", "2026-05-23", child=True)
    change.note, change.reason_code = NOTE, REASON_CODE
    return family.request(family.enroll(family.base, "2026-01-01"), change, requester=admin(REASON))


def rejected(family: Family) -> change_request_service_pb2.SubmitChangeRequestRequest:
    change = family.enroll(family.option, "2026-04-01", "2026-04-30", child=True)
    change.note, change.reason_code = NOTE, REASON_CODE
    return family.request(change, requester=admin(REASON))


def everything_read(channel: grpc.Channel, family: Family, last_event: str, *repeated: Any) -> str:
    """Returns everything that a server reports about a family: its feed from the beginning and as a snapshot, every
    read, and the answers to repeated requests."""
    requests: Any = ChangeRequestServiceStub(channel)
    queries: Any = EnrollmentQueryServiceStub(channel)
    seen = Family(channel, **family.ids())
    group = seen.group()
    listed = requests.ListChangeRequests(
        change_request_service_pb2.ListChangeRequestsRequest(group_id=group.group_id, page_size=1000)
    )
    with watching(channel, SNAPSHOT) as call:
        snapshot = next(message for message in call if message.snapshot_complete)
    answers = [
        *everything(channel, BEGINNING, last_event),
        snapshot,
        group,
        listed,
        *(
            requests.GetChangeRequest(
                change_request_service_pb2.GetChangeRequestRequest(change_request_id=asked.change_request_id)
            )
            for asked in listed.change_requests
        ),
        requests.ListRecomputes(change_request_service_pb2.ListRecomputesRequest(group_id=group.group_id)),
        *(
            queries.DiffRevisions(
                enrollment_query_service_pb2.DiffRevisionsRequest(
                    group_id=group.group_id, from_revision=revision - 1, to_revision=revision
                )
            )
            for revision in range(1, group.revision + 1)
        ),
        *(seen.group(revision=revision) for revision in range(1, group.revision + 1)),
        seen.members.GetMember(member_service_pb2.GetMemberRequest(member_id=family.child)),
        seen.members.ListMembers(member_service_pb2.ListMembersRequest(page_size=1000)),
        *(requests.SubmitChangeRequest(request) for request in repeated),
    ]
    return "\n".join(map(str, answers))


def words_in(text: str) -> set[str]:
    return {word for word in WORDS if word in text}


def erase(family: Family, member_id: str, **how: Any) -> member_service_pb2.EraseMemberResponse:
    request = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=member_id, **how)
    answer: member_service_pb2.EraseMemberResponse = family.members.EraseMember(request, timeout=60)
    return answer


def last_event_of(channel: grpc.Channel, count: int) -> str:
    with watching(channel, BEGINNING) as call:
        return next_events(call, count)[-1].event_id


def test_no_table_and_no_server_returns_erased_text(pair: Pair) -> None:
    family = known_child(pair.channels[0])
    asked = [spring(family), rejected(family)]
    for request in asked:
        family.requests.SubmitChangeRequest(request)
    last = last_event_of(pair.channels[0], 2)
    for channel in pair.channels:
        assert words_in(everything_read(channel, family, last, *asked)) == set(WORDS) - {
            BORN
        }  # which is reported as numbers
    assert set(tables_with(pair.url, *WORDS)) == set(WORDS)
    erase(family, family.child)
    for channel in pair.channels:
        assert words_in(everything_read(channel, family, last, *asked)) == set()
    assert tables_with(pair.url, *WORDS) == {}


def remembered(family: Family, channel: grpc.Channel) -> tuple[str, str]:
    """Returns a token after which a server delivers events, with texts, from memory without asking the database, and
    the id of the last event."""
    with watching(channel, BEGINNING) as call:
        token = next(message.resume_token for message in call if message.events)
    family.requests.SubmitChangeRequest(rejected(family))
    messages = everything(channel, token, last_event_of(channel, 2))
    assert words_in(str(messages)) == TOLD_BY_FEED
    return token, events_in(messages)[-1].event_id


@contextmanager
def cut_off_by(url: str) -> Iterator[tuple[BlackHole, str]]:
    """Yields a proxy to a database that can stop forwarding, and the connection string through it."""
    parts: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(url)
    host, port = parts.get("host", "localhost"), int(parts.get("port") or 5432)
    hole = BlackHole(Path(host, f".s.PGSQL.{port}")) if host.startswith("/") else BlackHole(None, host, port)
    try:
        yield hole, psycopg.conninfo.make_conninfo(url, host="127.0.0.1", port=hole.port, sslmode="disable")
    finally:
        hole.pass_again()
        hole.stop()


def test_a_server_that_was_stopped_during_an_erasure_returns_nothing_erased(pair: Pair) -> None:
    one, other = pair.channels
    family = known_child(one)
    family.requests.SubmitChangeRequest(spring(family))
    token, last = remembered(family, other)
    pair.servers[1].process.send_signal(signal.SIGSTOP)
    try:
        erase(family, family.child)
        with ThreadPoolExecutor() as pool:
            # Sent while the server is stopped: it is among the first things that the server reads when it goes on.
            waiting = pool.submit(everything, other, token, last)
            assert not wait([waiting], timeout=1).done
            pair.servers[1].process.send_signal(signal.SIGCONT)
            assert words_in(str(waiting.result(60))) == set()
    finally:
        pair.servers[1].process.send_signal(signal.SIGCONT)
    assert words_in(everything_read(other, family, last)) == set()


def test_a_server_that_lost_the_database_returns_nothing_from_memory(tmp_path: Path, own_database_url: str) -> None:
    with cut_off_by(own_database_url) as (hole, through):
        role = {"user": "affilia_test_application", "password": "test"}
        application_url(own_database_url)
        at_hole = psycopg.conninfo.make_conninfo(through, **role)
        flags = ("--migration-url", own_database_url, "--database-url")
        servers = [
            ServerProcess(tmp_path / "one", *flags, application_url(own_database_url)),
            ServerProcess(tmp_path / "other", *flags, at_hole),
        ]
        with (
            connected_to(servers[0].address) as one,
            connected_to(servers[1].address) as other,
        ):
            family = known_child(one)
            family.requests.SubmitChangeRequest(spring(family))
            token, last = remembered(family, other)
            hole.swallow()
            erase(family, family.child)
            told_meanwhile = []
            with watching(other, token) as call, pytest.raises(grpc.RpcError) as ended:
                for message in call:
                    told_meanwhile.append(message)
            assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
            assert words_in(str(told_meanwhile)) == set()
            hole.pass_again()
            again = wait_until(
                lambda: everything(other, token, last),
                "the feed is served again",
                retried=[grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED],
            )
            assert words_in(str(again)) == set()
        for server in servers:
            server.stop()


def test_a_slow_reader_is_not_sent_events_that_were_read_before_an_erasure(pair: Pair) -> None:
    """The reader has taken the first of several messages when a member is erased. What was already
    sent arrives, then the stream ends; after resuming from its token, the texts are gone."""
    one, other = pair.channels
    family = known_child(one)
    family.requests.SubmitChangeRequest(spring(family))
    for _ in range(150):
        changes = [family.enroll(family.option, "2026-04-01", "2026-04-30", child=True) for _ in range(20)]
        for change in changes:
            change.note = f"{NOTE} {'x' * 400}"
        family.requests.SubmitChangeRequest(family.request(*changes, requester=admin(REASON)))
    messages = []
    with (
        patient(grpc.insecure_channel(pair.servers[1].address, SMALL_WINDOW)) as narrow,
        watching(narrow, BEGINNING) as call,
    ):
        messages.append(next(message for message in call if message.events))
        erase(family, family.child)
        with pytest.raises(grpc.RpcError) as ended:
            for message in call:
                messages.append(message)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    taken = len(events_in(messages))
    assert taken < 151
    with watching(other, messages[-1].resume_token) as call:
        rest = next_events(call, 151 - taken)
    assert taken + len(rest) == 151
    assert words_in(str(rest)) == set()


def test_an_erasure_does_not_wait_for_a_dead_server(pair: Pair) -> None:
    family = known_child(pair.channels[0])
    family.requests.SubmitChangeRequest(spring(family))
    pair.servers[1].kill()
    assert erase(family, family.child).groups_closed == 1
    with psycopg.connect(pair.url) as connection:
        assert connection.execute("SELECT count(*) FROM server_memory").fetchone() == (2,)


def test_repeating_an_erased_request_returns_it_and_applies_nothing(pair: Pair) -> None:
    family = known_child(pair.channels[0])
    wanted = spring(family)
    first = family.requests.SubmitChangeRequest(wanted)
    erase(family, family.child)
    again = family.requests.SubmitChangeRequest(wanted)
    assert again.change_request.change_request_id == first.change_request.change_request_id
    assert family.group().revision == first.group.revision
