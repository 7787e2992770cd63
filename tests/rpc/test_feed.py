"""WatchEnrollments over the wire: events, start positions, filters, tokens, and how streams end."""

import base64
import time
from pathlib import Path
from uuid import uuid4

import grpc
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_group_pb2, enrollment_query_service_pb2
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from tests.conftest import ServerProcess, a_database
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Failure, Family, admin, decoded
from tests.support.channels import connected_to
from tests.support.feeds import (
    BEGINNING,
    CHANGE_REQUEST_REJECTED,
    NOW,
    POLICY_ACTIVATED,
    POLICY_CHANGED,
    POLICY_TERMINATED,
    SNAPSHOT,
    Event,
    Filter,
    Message,
    events_in,
    everything,
    next_events,
    watch_request,
    watching,
)
from tests.support.waiting import wait_until


def own(family: Family) -> Filter:
    return Filter(contract_ids=[family.contract_id])


def refused(channel: grpc.Channel, start: object, wanted: Filter | None = None) -> Failure:
    """Returns the failure of a stream that is rejected."""
    call = EnrollmentQueryServiceStub(channel).WatchEnrollments(watch_request(start, wanted), timeout=60)
    with pytest.raises(grpc.RpcError) as failed:
        next(iter(call))
    return decoded(failed.value)


def change(family: Family, n: int) -> None:
    """Changes the module of the primary back and forth."""
    family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())


# --------------------------------------------------------------------------------------------- what it reports


def test_every_revision_and_rejection_is_delivered_once_and_in_order(family: Family) -> None:
    with watching(family.channel, NOW, own(family)) as call:
        next(call)
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
        family.submit(family.enroll(family.plus, "2026-06-01"), requester=admin())
        rejected = family.submit(family.enroll(family.base, "1999-01-01")).change_request
        family.submit(family.leave("2026-01-01"), requester=admin())
        events = next_events(call, 4)
    assert [event.type for event in events] == [
        POLICY_ACTIVATED,
        POLICY_CHANGED,
        CHANGE_REQUEST_REJECTED,
        POLICY_TERMINATED,
    ]
    assert [event.policy_revision.revision for event in events] == [1, 2, 0, 3]
    assert events[2].change_request == rejected
    assert rejected.violations
    assert len({event.event_id for event in events}) == 4


def test_an_event_contains_what_the_reads_return(family: Family) -> None:
    with watching(family.channel, NOW, own(family)) as call:
        next(call)
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin("moved in"))
        family.submit(family.enroll(family.plus, "2026-06-01", "2026-08-31"), requester=admin("a better one"))
        first, second = next_events(call, 2)
    for event in (first, second):
        made = event.policy_revision
        group = family.group(revision=made.revision)
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=group.group_id, from_revision=made.revision - 1, to_revision=made.revision
        )
        assert (event.group_id, event.key, event.recorded_at) == (group.group_id, group.key, group.recorded_at)
        assert (made.cause, list(made.periods)) == (group.cause, list(group.periods))
        assert list(made.differences) == list(family.queries.DiffRevisions(request).differences)
    assert second.policy_revision.differences[0].causes[0].requester_reason == "a better one"


def test_the_event_of_a_recompute_has_its_cause(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01", child=True), requester=admin())
    with watching(family.channel, NOW, own(family)) as call:
        next(call)
        contract = family.contract()
        contract.versions[0].days.last_on.CopyFrom(date("2027-12-31"))
        family.amend(contract)
        (event,) = next_events(call, 1)
    assert event.type == POLICY_CHANGED
    assert event.policy_revision.cause.recompute_id
    assert event.policy_revision.differences[0].lost[0].first_on == date("2028-01-01")


# ------------------------------------------------------------------------------------------------ from where


def test_a_stream_from_now_omits_earlier_writes(family: Family) -> None:
    for n in range(5):
        change(family, n)
        with watching(family.channel, NOW, own(family)) as call:
            next(call)
            change(family, n + 1)
            assert [e.policy_revision.revision for e in next_events(call, 1)] == [family.group().revision]
        change(family, n)


def test_the_beginning_is_position_1_and_no_position_is_missing(family: Family) -> None:
    change(family, 1)
    with watching(family.channel, NOW, own(family)) as call:
        next(call)
        change(family, 2)
        (last,) = next_events(call, 1)
    events = events_in(everything(family.channel, BEGINNING, last.event_id))
    assert [event.position for event in events] == list(range(1, last.position + 1))


def test_every_resume_token_resumes_right_after_its_message(family: Family) -> None:
    with watching(family.channel, NOW, own(family)) as call:
        start = next(call).resume_token
        for n in range(6):
            change(family, n)
        whole = next_events(call, 6)
    messages = everything(family.channel, start, whole[-1].event_id, own(family))
    assert events_in(messages) == whole
    for i, message in enumerate(messages[:-1]):
        rest = everything(family.channel, message.resume_token, whole[-1].event_id, own(family))
        assert events_in(rest) == events_in(messages[i + 1 :])


def test_changes_follow_a_snapshot_without_gap_or_overlap(family: Family) -> None:
    """While others write, the snapshot plus the changes after it always equals the current state."""
    others = [
        Family(family.channel, contract_id=family.contract_id, base=family.base, plus=family.plus) for _ in range(4)
    ]
    for other in others:
        other.store(other.primary)
        change(other, 0)
    for n in range(12):
        change(others[n % 4], others[n % 4].group().revision)
        with watching(family.channel, SNAPSHOT, own(family)) as call:
            revisions: dict[str, int] = {}
            for message in call:
                revisions |= {group.group_id: group.revision for group in message.groups}
                if message.snapshot_complete:
                    break
            for other in (others[n % 4], others[(n + 1) % 4]):
                change(other, other.group().revision)
            for event in next_events(call, 2):
                assert event.policy_revision.revision == revisions[event.group_id] + 1
                revisions[event.group_id] += 1
        assert revisions == {other.group().group_id: other.group().revision for other in others}


def test_an_interrupted_snapshot_is_resumed(own_database_url: str, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    try:
        with connected_to(server.address) as channel:
            family = Family(channel).set_up()
            for _ in range(450):
                other = Family(channel, contract_id=family.contract_id, base=family.base)
                other.store(other.primary)
                other.submit(other.enroll(family.base, "2026-01-01"), requester=admin())
            with watching(channel, SNAPSHOT) as call:
                whole = [message for message, _ in zip(call, range(3), strict=False)]
            assert [len(message.groups) for message in whole] == [200, 200, 50]
            assert [message.snapshot_complete for message in whole] == [False, False, True]
            change(family, 1)
            with watching(channel, whole[0].resume_token) as call:
                rest: list[Message] = []
                while not (rest and rest[-1].snapshot_complete):
                    rest.append(next(call))
                assert _groups(rest) == _groups(whole[1:])
                assert len(next_events(call, 1)) == 1
    finally:
        server.stop()


def _groups(messages: list[Message]) -> list[enrollment_group_pb2.EnrollmentGroup]:
    return [group for message in messages for group in message.groups]


# ------------------------------------------------------------------------------------------------ to whom


def test_filters_select_exactly_what_they_name(family: Family) -> None:
    other = Family(family.channel).set_up()
    with watching(family.channel, NOW) as call:
        start = next(call).resume_token
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
        other.submit(other.enroll(other.base, "2026-01-01", child=True), requester=admin())
        other.submit(other.enroll(other.base, "1999-01-01"))
        family.submit(family.leave("2026-01-01"), requester=admin())
        while True:
            start_events = next_events(call, 1)
            if any(e.key.contract_id == family.contract_id and e.type == POLICY_TERMINATED for e in start_events):
                break
    del start
    ours = Filter(contract_ids=[family.contract_id, other.contract_id])
    cases: list[tuple[Filter, list[tuple[Family, int]]]] = [
        (Filter(contract_ids=[family.contract_id]), [(family, POLICY_ACTIVATED), (family, POLICY_TERMINATED)]),
        (Filter(primary_ids=[other.primary]), [(other, POLICY_ACTIVATED), (other, CHANGE_REQUEST_REJECTED)]),
        (Filter(member_ids=[other.child]), [(other, POLICY_ACTIVATED)]),
        (Filter(member_ids=[other.child, family.primary], types=[POLICY_TERMINATED]), [(family, POLICY_TERMINATED)]),
        (Filter(contract_ids=ours.contract_ids, types=[CHANGE_REQUEST_REJECTED]), [(other, CHANGE_REQUEST_REJECTED)]),
    ]
    for wanted, expected in cases:
        with watching(family.channel, BEGINNING, wanted) as call:
            got = next_events(call, len(expected))
        assert [(e.key.contract_id, e.type) for e in got] == [(f.contract_id, kind) for f, kind in expected]


def test_a_stream_without_matching_events_still_gets_newer_tokens(family: Family) -> None:
    nobody = Filter(member_ids=[str(uuid4())])
    with watching(family.channel, NOW, nobody, seconds=300) as call:
        tokens = [next(call).resume_token]
        change(family, 1)
        began = time.monotonic()
        message = next(call)
        assert time.monotonic() - began < 60  # every ten seconds; without them, nothing would come
        assert not message.events
        tokens.append(message.resume_token)
    assert tokens[0] != tokens[1]


# ------------------------------------------------------------------------------------------------ tokens


def test_a_damaged_token_is_rejected(family: Family) -> None:
    with watching(family.channel, NOW) as call:
        token = next(call).resume_token
    data = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    data[20] ^= 1
    for damaged in (base64.urlsafe_b64encode(bytes(data)).decode(), token[:-4], token[4:], "x", "%%%", "🦆", " "):
        failure = refused(family.channel, damaged)
        assert failure.code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_token_is_bound_to_its_filter(family: Family) -> None:
    with watching(family.channel, NOW, own(family)) as call:
        token = next(call).resume_token
    failure = refused(family.channel, token)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOKEN_INVALID")
    in_capitals = Filter(contract_ids=[family.contract_id.upper(), family.contract_id])
    with watching(family.channel, token, in_capitals) as call:
        assert next(call).resume_token == token


def test_a_start_is_required(family: Family) -> None:
    call = family.queries.WatchEnrollments(enrollment_query_service_pb2.WatchEnrollmentsRequest())
    with pytest.raises(grpc.RpcError) as failed:
        next(iter(call))
    assert decoded(failed.value).violations == {"start": "must have exactly one of its fields set"}


def test_tokens_of_events_lost_by_a_restore_are_rejected(
    own_database_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """After a backup is restored, positions are used again for other events."""
    server = ServerProcess(tmp_path / "first", "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        ids = Family(channel).set_up().ids()
        change(Family(channel, **ids), 1)
        with watching(channel, BEGINNING) as call:
            kept = [m for m, _ in zip(call, range(2), strict=False)][-1].resume_token
    server.stop()
    with a_database(postgres_url, template=str(conninfo_to_dict(own_database_url)["dbname"])) as backup:
        server = ServerProcess(tmp_path / "first", "--database-url", own_database_url)
        with connected_to(server.address) as channel:
            change(Family(channel, **ids), 2)
            with watching(channel, kept) as call:
                next_events(call, 1)
                change(Family(channel, **ids), 3)
                lost = next(call).resume_token
        server.stop()
        server = ServerProcess(tmp_path / "second", "--database-url", backup)
        with connected_to(server.address) as channel:
            beyond = refused(channel, lost)
            for n in range(2, 6):
                change(Family(channel, **ids), n)
            other_event = refused(channel, lost)
            with watching(channel, kept) as call:
                assert [e.position for e in next_events(call, 4)] == [2, 3, 4, 5]
        server.stop()
    assert {(f.code, f.reason) for f in (beyond, other_event)} == {
        (grpc.StatusCode.FAILED_PRECONDITION, "FEED_DIVERGED")
    }


def test_a_token_of_another_database_is_rejected(family: Family, own_database_url: str, tmp_path: Path) -> None:
    change(family, 1)
    with watching(family.channel, NOW) as call:
        token = next(call).resume_token
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        assert refused(channel, token).reason == "FEED_DIVERGED"
    server.stop()


def test_trimming_is_reported_with_the_oldest_resume_token(own_database_url: str, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        ids = Family(channel).set_up().ids()
        with watching(channel, BEGINNING) as call:
            first = next(call).resume_token
            for n in range(3):
                change(Family(channel, **ids), n)
            next_events(call, 3)
    server.stop()
    with psycopg.connect(own_database_url) as connection:
        connection.execute(
            "UPDATE feed_entry SET appended_at = appended_at - make_interval(days => 40) WHERE position < 3"
        )
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        failure = wait_until(lambda: _refused_or_none(channel, first), "the feed is trimmed")
        assert (failure.code, failure.reason) == (grpc.StatusCode.OUT_OF_RANGE, "FEED_TRIMMED")
        assert refused(channel, BEGINNING).reason == "FEED_TRIMMED"
        with watching(channel, failure.facts["oldest_resume_token"]) as call:
            assert [event.position for event in next_events(call, 1)] == [3]
        with watching(channel, SNAPSHOT) as call:
            assert [group.revision for group in next(call).groups] == [3]
    server.stop()


def _refused_or_none(channel: grpc.Channel, token: str) -> Failure | None:
    call = EnrollmentQueryServiceStub(channel).WatchEnrollments(watch_request(token), timeout=60)
    try:
        next(iter(call))
    except grpc.RpcError as error:
        return decoded(error)
    finally:
        call.cancel()
    return None


# ------------------------------------------------------------------------------------------------ how it ends


def test_a_drain_ends_streams_with_a_last_token_and_a_retryable_status(own_database_url: str, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        nobody = Filter(member_ids=[str(uuid4())])
        with watching(channel, NOW, nobody) as call:
            first = next(call)
            change(family, 1)
            with watching(channel, BEGINNING) as other:
                next_events(other, 1)
            server.process.terminate()
            with pytest.raises(grpc.RpcError) as failed:
                for last in call:
                    assert not last.events
            assert last.resume_token != first.resume_token
    assert (decoded(failed.value).code, decoded(failed.value).reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "SHUTTING_DOWN",
    )
    assert server.process.wait(120) == 0


def test_streams_cancelled_during_a_message_do_not_affect_others(own_database_url: str, tmp_path: Path) -> None:
    """Such a stream ends after its call, and must no longer use the call: that would end the server."""
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        for n in range(20):
            change(family, n)
        for _ in range(100):
            call = EnrollmentQueryServiceStub(channel).WatchEnrollments(watch_request(BEGINNING))
            next(iter(call))
            call.cancel()
        with watching(channel, BEGINNING) as call:
            assert len(next_events(call, 20)) == 20
    assert server.stop() == 0


def test_a_cancelled_stream_does_not_affect_another_one(family: Family) -> None:
    """Another stream with the same filter is not affected."""
    with watching(family.channel, NOW, own(family)) as call:
        next(call)
        with watching(family.channel, NOW, own(family)) as other:
            next(other)
        change(family, 1)
        assert len(next_events(call, 1)) == 1


def revisions(events: list[Event]) -> list[int]:
    return [event.policy_revision.revision for event in events]


def test_all_streams_deliver_the_same_events(family: Family) -> None:
    calls = []
    for _ in range(20):
        call = family.queries.WatchEnrollments(watch_request(NOW, own(family)), timeout=300)
        next(call)
        calls.append(call)
    for n in range(30):
        change(family, n)
    given = [next_events(call, 30) for call in calls]
    assert all(events == given[0] for events in given)
    assert revisions(given[0]) == list(range(1, 31))
    for call in calls:
        call.cancel()


def test_the_type_of_an_event_matches_its_revision(family: Family) -> None:
    with watching(family.channel, NOW, own(family)) as call:
        next(call)
        family.submit(family.enroll(family.base, "2026-01-01", "2026-01-31"), requester=admin())
        family.submit(family.enroll(family.base, "2026-02-01"), requester=admin())
        family.submit(family.leave("2026-03-01"), requester=admin())
        events = next_events(call, 3)
    request = enrollment_query_service_pb2.ListRevisionsRequest(group_id=events[0].group_id)
    words = [
        enrollment_group_pb2.PolicyEvent.Name(revision.event).removeprefix("POLICY_EVENT_")
        for revision in family.queries.ListRevisions(request).revisions
    ]
    assert [
        enrollment_event_pb2.EnrollmentEventType.Name(event.type).removeprefix("ENROLLMENT_EVENT_TYPE_POLICY_")
        for event in events
    ] == words
