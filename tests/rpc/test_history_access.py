"""Who sees what of a history: admins, services by their scopes, and members."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as requests_pb
from affilia.enrollment.v1 import enrollment_query_service_pb2 as queries_pb
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia.history.v1 import fact_change_pb2, history_entry_pb2
from affilia.history.v1 import history_service_pb2 as pb
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from tests.conftest import ServerProcess
from tests.rpc.test_history_entries import names, of_kind
from tests.support.calls import Failure, Family, decoded, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.history_story import ADMIN, NAME, NOTE, REASON, Story, by_admin, history_of
from tests.support.identities import Metadata, as_, channel_of

Entry = history_entry_pb2.HistoryEntry
ALL_KINDS = {"CHANGE_REQUEST", "FACT", "CONTRACT", "RECOMPUTE", "PREMIUM", "ACCUMULATOR", "RECORD"}
SECRETS = (NAME, "year: 2000", "year: 2015")
"""What only callers who may read members see."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _):
        yield server


@pytest.fixture(scope="module")
def public(guarded: ServerProcess) -> Iterator[grpc.Channel]:
    with connected_to(guarded.address) as channel:
        yield channel


@pytest.fixture(scope="module")
def story(guarded: ServerProcess, public: grpc.Channel) -> Iterator[Story]:
    """A story whose primary has also had a correction of their own birth date, and has made a request themselves."""
    with connected_to(guarded.internal_address) as internal:
        as_admin = channel_of(public, as_("admin", ADMIN))
        told = Story(as_admin, internal, lambda member: channel_of(public, as_("member", member))).tell()
        told.family.born(told.family.primary, "1981-06-01")
        told.wait_until_recomputed()
        yield told


def seen(public: grpc.Channel, who: Metadata, **asked: Any) -> list[Entry]:
    return history_of(channel_of(public, who), **asked)


def denied(public: grpc.Channel, who: Metadata, **asked: Any) -> tuple[Failure, str]:
    stub: Any = HistoryServiceStub(channel_of(public, who))
    with pytest.raises(grpc.RpcError) as raised:
        stub.ListHistory(pb.ListHistoryRequest(**asked))
    error: Any = raised.value
    return decoded(error), error.details()


def nested_actors(entry: Entry) -> list[Any]:
    """Returns the actors within the data of an entry."""
    nested = [entry.change_request.actor] if entry.HasField("change_request") else []
    return nested + ([entry.recompute.recompute.actor] if entry.HasField("recompute") else [])


def test_an_admin_sees_everything(public: grpc.Channel, story: Story) -> None:
    entries = seen(public, as_("admin", ADMIN), member_id=story.family.child)
    assert set(names(entries)) == ALL_KINDS
    assert all(word in str(entries) for word in (*SECRETS, NOTE, REASON))
    assert all(entry.actor.subject for entry in entries)
    assert all(actor == entry.actor for entry in entries for actor in nested_actors(entry))


@pytest.mark.parametrize(
    ("scopes", "hidden", "shows_facts"),
    [
        ([], {"PREMIUM", "ACCUMULATOR"}, False),
        (["members.read"], {"PREMIUM", "ACCUMULATOR"}, True),
        (["premiums.read"], {"ACCUMULATOR"}, False),
        (["eligibility.read"], {"PREMIUM"}, False),
        (["members.read", "premiums.read", "eligibility.read"], set(), True),
        (["members.write", "premiums.write", "claims.write", "catalog.read"], {"PREMIUM", "ACCUMULATOR"}, False),
    ],
)
def test_a_service_sees_what_its_scopes_allow(
    public: grpc.Channel, story: Story, scopes: list[str], hidden: set[str], shows_facts: bool
) -> None:
    service = as_("service", "crm", "enrollment.read", *scopes)
    everything = seen(public, as_("admin", ADMIN), member_id=story.family.child)
    entries = seen(public, service, member_id=story.family.child)
    assert set(names(entries)) == ALL_KINDS - hidden
    shown = [entry.entry_id for entry, name in zip(everything, names(everything), strict=True) if name not in hidden]
    assert [entry.entry_id for entry in entries] == shown
    assert [word in str(entries) for word in SECRETS] == [shows_facts] * len(SECRETS)
    for fact in of_kind(entries, "FACT"):
        assert fact.summary == "Recorded: date of birth."
        kind_only = fact_change_pb2.FactChange(
            member_id=fact.member_id, kind=change_request_pb2.FACT_KIND_DATE_OF_BIRTH
        )
        assert (list(fact.fact.changes) == [kind_only]) is not shows_facts
    for kind in hidden:
        number = history_entry_pb2.HistoryKind.Value(f"HISTORY_KIND_{kind}")
        assert seen(public, service, group_id=story.group_id, kinds=[number]) == []


def test_pages_of_what_a_service_sees_are_complete(public: grpc.Channel, story: Story) -> None:
    service = as_("service", "crm", "enrollment.read")
    entries = seen(public, service, group_id=story.group_id)
    assert seen(public, service, group_id=story.group_id, page_size=2) == entries


def test_a_primary_sees_their_group_without_facts_of_others_reasons_of_admins_and_subjects(
    public: grpc.Channel, story: Story
) -> None:
    primary, child = story.family.primary, story.family.child
    entries = seen(public, as_("member", primary), group_id=story.group_id)
    everything = story.history()
    others = {entry.entry_id for entry in everything if child in (entry.fact.member_id, entry.record.member_id)}
    assert others
    assert [e.entry_id for e in entries] == [e.entry_id for e in everything if e.entry_id not in others]
    assert not any(word in str(entries) for word in (*SECRETS, NOTE, REASON, ADMIN))
    actors = [actor for entry in entries for actor in (entry.actor, *nested_actors(entry))]
    assert {(actor.subject, actor.on_behalf_of) for actor in actors} == {("", "")}
    assert [entry.actor.kind for entry in entries] == [e.actor.kind for e in everything if e.entry_id not in others]
    by_admin, by_member = of_kind(entries, "CHANGE_REQUEST")[-1], of_kind(entries, "CHANGE_REQUEST")[0]
    assert by_admin.change_request.requester == change_request_pb2.Requester(
        role=change_request_pb2.REQUESTER_ROLE_ADMIN
    )
    assert by_admin.summary == "Approved: 2 changes for 2 members."
    assert by_member.change_request.requester.requester_id == primary
    (own,) = of_kind(entries, "FACT")
    assert own.fact.member_id == primary
    triggers = [each for entry in of_kind(entries, "RECOMPUTE") for each in entry.recompute.trigger_entry_ids]
    assert own.entry_id in triggers
    assert not any(child in each for each in triggers)


def test_no_other_method_shows_a_member_what_histories_hide(public: grpc.Channel, story: Story) -> None:
    """The words of an admin in lists of requests, single requests and comparisons of revisions."""
    primary = story.family.primary

    def answers(who: Metadata) -> list[Any]:
        requests: Any = ChangeRequestServiceStub(channel_of(public, who))
        queries: Any = EnrollmentQueryServiceStub(channel_of(public, who))
        listed = requests.ListChangeRequests(requests_pb.ListChangeRequestsRequest(group_id=story.group_id))
        one = requests_pb.GetChangeRequestRequest(change_request_id=listed.change_requests[0].change_request_id)
        both = queries_pb.DiffRevisionsRequest(group_id=story.group_id, from_revision=0, to_revision=1)
        return [listed, requests.GetChangeRequest(one), queries.DiffRevisions(both)]

    for shown, hidden in zip(answers(as_("admin", ADMIN)), answers(as_("member", primary)), strict=True):
        assert NOTE in str(shown)
        assert REASON in str(shown)
        assert not any(word in str(hidden) for word in (NOTE, REASON, ADMIN))


def test_a_member_sees_their_own_records_but_no_group_in_which_they_are_not_primary(
    public: grpc.Channel, story: Story
) -> None:
    child = story.family.child
    entries = seen(public, as_("member", child), member_id=child)
    assert set(names(entries)) == {"FACT", "RECORD"}
    assert {entry.member_id for entry in entries} == {child}
    assert [entry.entry_id for entry in entries] == [
        entry.entry_id for entry in story.history(member_id=child) if entry.member_id == child and not entry.group_id
    ]
    primary = story.family.primary
    own = seen(public, as_("member", primary), member_id=primary)
    assert {*names(own)} == ALL_KINDS
    assert child not in {entry.member_id for entry in own}


def test_a_member_who_is_primary_of_one_group_sees_nothing_of_another(public: grpc.Channel, story: Story) -> None:
    """The child of the story has a family under another contract."""
    own = Family(story.channel, primary=story.family.child).set_up()
    own.submit(own.enroll(own.base, "2027-01-01"), requester=by_admin())
    entries = seen(public, as_("member", own.primary), member_id=own.primary)
    assert {entry.contract_id for entry in entries} == {"", own.contract_id}
    assert {entry.group_id for entry in entries} == {"", str(own.group().group_id)}
    assert of_kind(entries, "CHANGE_REQUEST")


@pytest.mark.parametrize("subject", ["group_id", "member_id", "contract_id"])
def test_what_a_member_may_not_see_is_denied_like_what_does_not_exist(
    public: grpc.Channel, story: Story, subject: str
) -> None:
    theirs = {
        "group_id": story.group_id,
        "member_id": story.family.primary,
        "contract_id": story.family.contract_id,
    }
    stranger = as_("member", new_id())
    answers = [denied(public, stranger, **{subject: of}) for of in (theirs[subject], new_id())]
    assert answers[0] == answers[1]
    assert answers[0][0].code == grpc.StatusCode.PERMISSION_DENIED


def test_a_dependant_may_not_see_the_group(public: grpc.Channel, story: Story) -> None:
    for of in (story.group_id, new_id()):
        failure, _ = denied(public, as_("member", story.family.child), group_id=of)
        assert failure.code == grpc.StatusCode.PERMISSION_DENIED


def test_a_service_needs_the_scope_for_groups(public: grpc.Channel, story: Story) -> None:
    scopes = ["members.read", "premiums.read", "eligibility.read", "catalog.read"]
    failure, _ = denied(public, as_("service", "crm", *scopes), group_id=story.group_id)
    assert failure.code == grpc.StatusCode.PERMISSION_DENIED
