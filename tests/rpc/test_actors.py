"""Who is recorded as the actor of everything that is recorded, and who can see it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import catalog_service_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as requests_pb
from affilia.premium.v1 import premium_computation_service_pb2 as premiums_pb
from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.type.v1 import actor_pb2
from tests.conftest import ServerProcess
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_entrances import secure
from tests.rpc.test_premiums import entries
from tests.scenarios.enrollment_messages import date
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, decoded, new_id
from tests.support.certificates import Authority
from tests.support.channels import connected_to, patient
from tests.support.guarded import guarded_server
from tests.support.identities import FLAGS, VARIABLES, Metadata, as_, channel_of
from tests.support.insured import Insured
from tests.support.waiting import wait_until

Actor = tuple[str, str, str]
SCOPES = ("members.read", "members.write", "enrollment.read", "enrollment.write", "enrollment.administer")
ADA: Actor = ("ADMIN", "ada", "")


def parts(actor: actor_pb2.Actor) -> Actor:
    """Returns kind, subject and on_behalf_of of an actor."""
    kind = actor_pb2.ActorKind.Name(actor.kind).removeprefix("ACTOR_KIND_")
    return kind, actor.subject, actor.on_behalf_of


class Guarded:
    """A server that requires tokens, and the connection string of its owner."""

    def __init__(self, server: ServerProcess, owner_url: str) -> None:
        self.public: Any = connected_to(server.address)
        self.internal: Any = connected_to(server.internal_address)
        self.owner_url = owner_url

    def family(self, caller: Metadata = (), **ids: Any) -> Family:
        """Returns a family on a channel of a caller, by default an admin's."""
        return Family(channel_of(self.public, caller or as_("admin", "ada")), requester=admin(name=""), **ids)

    def rows(self, table: str, where: str = "TRUE", *values: Any) -> set[Actor]:
        """Returns the actors of rows."""
        with psycopg.connect(self.owner_url) as connection:
            found = connection.execute(f"SELECT actor FROM {table} WHERE {where}", values).fetchall()
        return {(row[0]["kind"], row[0]["subject"], row[0].get("on_behalf_of", "")) for row in found}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, owner_url):
        yield Guarded(server, owner_url)


def member_of(family: Family, member_id: str) -> member_pb2.Member:
    return family.members.GetMember(member_service_pb2.GetMemberRequest(member_id=member_id)).member


def contract_of(family: Family) -> Any:
    return family.catalog.GetContract(catalog_service_pb2.GetContractRequest(contract_id=family.contract_id)).contract


@pytest.mark.parametrize(
    ("caller", "actor"),
    [
        (as_("admin", "ada"), ADA),
        (as_("admin", "ada", on_behalf_of="the auditor"), ("ADMIN", "ada", "the auditor")),
        (as_("service", "hr-feed", *SCOPES), ("SERVICE", "hr-feed", "")),
        (as_("service", "portal", *SCOPES, on_behalf_of="eve"), ("SERVICE", "portal", "eve")),
    ],
)
def test_facts_changes_and_recomputes_are_recorded_with_their_actor(
    guarded: Guarded, caller: Metadata, actor: Actor
) -> None:
    setting_up = guarded.family().set_up()
    family = guarded.family(caller, **setting_up.ids())
    if actor[0] == "SERVICE":
        family.requester = admin(name="a colleague")
    request = family.request(family.enroll(family.base, "2026-01-01"))
    submitted = family.requests.SubmitChangeRequest(request).change_request
    assert parts(submitted.actor) == actor
    got = requests_pb.GetChangeRequestRequest(change_request_id=submitted.change_request_id)
    listed = requests_pb.ListChangeRequestsRequest(group_id=submitted.group_id)
    assert parts(family.requests.GetChangeRequest(got).change_request.actor) == actor
    assert [parts(each.actor) for each in family.requests.ListChangeRequests(listed).change_requests] == [actor]

    assert parts(member_of(family, family.primary).actor) == ADA
    family.born(family.primary, "1981-01-01")
    assert parts(member_of(family, family.primary).actor) == actor

    asked = requests_pb.RequestRecomputeRequest(request_id=new_id(), group_id=submitted.group_id)
    waiting = family.requests.RequestRecompute(asked).recompute
    recomputes = requests_pb.ListRecomputesRequest(group_id=submitted.group_id)
    assert parts(waiting.actor) == actor
    assert {parts(each.actor) for each in family.requests.ListRecomputes(recomputes).recomputes} == {actor}


def test_a_contract_has_the_actor_of_its_newest_state(guarded: Guarded) -> None:
    family = guarded.family().set_up()
    assert parts(contract_of(family).actor) == ADA
    other = guarded.family(as_("admin", "bob"), **family.ids())
    assert parts(other.amend(other.contract()).actor) == ("ADMIN", "bob", "")
    assert parts(contract_of(family).actor) == ("ADMIN", "bob", "")


def test_a_repeated_write_keeps_its_first_actor(guarded: Guarded) -> None:
    family = guarded.family().set_up()
    colleague = guarded.family(as_("service", "office", *SCOPES), **family.ids())
    request = family.request(family.enroll(family.base, "2026-01-01"), requester=family.primary_as_requester())
    service = guarded.family(as_("service", "portal", *SCOPES), **family.ids())
    first = service.requests.SubmitChangeRequest(request)
    again = colleague.requests.SubmitChangeRequest(request)
    assert parts(again.change_request.actor) == ("SERVICE", "portal", "")
    assert again.change_request == first.change_request

    upsert = member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member_of(family, family.child))
    assert parts(service.members.UpsertMember(upsert).member.actor) == ("SERVICE", "portal", "")
    assert parts(colleague.members.UpsertMember(upsert).member.actor) == ("SERVICE", "portal", "")
    assert parts(member_of(family, family.child).actor) == ("SERVICE", "portal", "")


def test_a_recompute_that_waits_keeps_the_actor_who_caused_it_first(guarded: Guarded) -> None:
    family = guarded.family().set_up()
    group_id = family.submit(family.enroll(family.base, "2026-01-01")).group.group_id
    with psycopg.connect(guarded.owner_url) as connection:
        # As long as the group is locked, no worker can run its recompute.
        connection.execute("SELECT FROM enrollment_group WHERE group_id = %s FOR NO KEY UPDATE", [group_id])
        family.born(family.primary, "1981-01-01")
        guarded.family(as_("admin", "bob"), **family.ids()).born(family.primary, "1982-01-01")
    asked = requests_pb.ListRecomputesRequest(group_id=group_id)

    def done() -> list[Actor]:
        found = family.requests.ListRecomputes(asked).recomputes
        return [parts(r.actor) for r in found if r.state == change_request_pb2.RECOMPUTE_STATE_DONE]

    assert wait_until(done, "the recompute is done") == [ADA]


def test_a_member_sees_only_the_kind_of_other_actors(guarded: Guarded) -> None:
    family = guarded.family().set_up()
    family.submit(family.enroll(family.base, "2026-01-01"))
    mine = guarded.family(as_("member", family.primary), **family.ids())
    mine.requester = change_request_pb2.Requester(role=change_request_pb2.REQUESTER_ROLE_MEMBER)
    own = mine.submit(mine.enroll(mine.plus, "2026-06-01")).change_request
    portal = guarded.family(as_("service", "portal", *SCOPES, on_behalf_of=family.primary), **family.ids())
    portal.submit(portal.enroll(portal.base, "2026-07-01"), requester=portal.primary_as_requester())

    def listed(of: Family) -> list[tuple[Actor, str]]:
        asked = requests_pb.ListChangeRequestsRequest(group_id=own.group_id)
        found = of.requests.ListChangeRequests(asked).change_requests
        return [(parts(each.actor), each.requester.requester_id) for each in found]

    me = family.primary
    assert parts(own.actor) == ("MEMBER", me, "")
    assert listed(mine) == [
        (("ADMIN", "", ""), ""),
        (("MEMBER", me, ""), me),
        (("SERVICE", "", me), me),
    ]
    assert listed(family) == [(ADA, "ada"), (("MEMBER", me, ""), me), (("SERVICE", "portal", me), me)]
    assert parts(member_of(mine, me).actor) == ("ADMIN", "", "")
    assert parts(contract_of(mine).actor) == ("ADMIN", "", "")


def test_premiums_have_the_actor_who_caused_them(guarded: Guarded) -> None:
    family = guarded.family().set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"))
    stub = PremiumComputationServiceStub(family.channel)
    computing = premiums_pb.ComputePremiumsRequest(request_id=new_id(), months=months("2026-01", "2026-02"))
    computing.policy.key.CopyFrom(family.key)
    stub.ComputePremiums(computing)
    assert {parts(entry.actor) for entry in entries(family)} == {ADA}

    first = entries(family)[0].entry_id
    marking = premiums_pb.MarkPremiumsInvoicedRequest(
        request_id=new_id(),
        entry_ids=[first],
        debtor=premium_entry_pb2.DEBTOR_PRIMARY,
        invoice_id="1",
    )
    bobs = PremiumComputationServiceStub(channel_of(guarded.public, as_("admin", "bob")))
    bobs.MarkPremiumsInvoiced(marking)
    keys = "(SELECT stretch_key FROM premium_stretch WHERE contract_id = %s)"
    assert guarded.rows("premium_invoice_mark", f"stretch_key IN {keys}", family.contract_id) == {("ADMIN", "bob", "")}

    run = premiums_pb.RunPremiumsRequest(
        request_id=new_id(), contract_id=family.contract_id, months=months("2026-03", "2026-04")
    )
    *_, last = bobs.RunPremiums(run)
    assert parts(last.run.actor) == ("ADMIN", "bob", "")
    *_, repeated = stub.RunPremiums(run)
    assert repeated.run == last.run
    by_run = ("SYSTEM", "premium-run", "bob")
    assert {parts(entry.actor) for entry in entries(family)} == {ADA, by_run}

    following = premiums_pb.SetPremiumFollowingRequest(contract_id=family.contract_id, following=True)
    stub.SetPremiumFollowing(following)
    eves = guarded.family(as_("admin", "eve"), **family.ids())
    eves.submit(eves.leave("2026-04-01"))
    followed = ("SYSTEM", "premium-following", "eve")
    wait_until(lambda: followed in {parts(entry.actor) for entry in entries(family)}, "the premiums follow")


def test_applications_and_reversals_have_their_actors(guarded: Guarded) -> None:
    insured = Insured(channel_of(guarded.public, as_("admin", "ada")), guarded.internal)
    insured.family.requester = admin(name="")
    insured.set_up().enroll("2026-01-01")
    application_id, _ = insured.apply("2026-03-01", deductible=10_00)
    reversed_ = insured.reverse(application_id)
    loopback = ("SYSTEM", "loopback", "")
    assert [parts(line.actor) for line in reversed_.reversals] == [loopback]
    assert insured.reverse(application_id).reversals == reversed_.reversals
    assert [parts(line.actor) for line in insured.ledger()] == [loopback, loopback]


def test_an_erasure_has_its_actor(guarded: Guarded) -> None:
    family = guarded.family(as_("admin", "ada", on_behalf_of="the member")).set_up()
    family.members.EraseMember(member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=family.child))
    assert guarded.rows("erasure", "member_id = %s", family.child) == {("ADMIN", "ada", "the member")}


@pytest.mark.parametrize("claim", ["x" * 201, "line\nbreak", 7, None, ["eve"], {"sub": "eve"}])
def test_a_token_with_a_malformed_on_behalf_of_is_rejected(guarded: Guarded, claim: Any) -> None:
    family = guarded.family(as_("admin", "ada", on_behalf_of=claim))
    with pytest.raises(grpc.RpcError) as raised:
        contract_of(family)
    assert decoded(raised.value).code == grpc.StatusCode.UNAUTHENTICATED
    assert "on_behalf_of" in str(raised.value)


@pytest.mark.parametrize("claim", ["", "x" * 200, "Zoë"])
def test_a_token_can_say_on_whose_behalf_the_caller_acts(guarded: Guarded, claim: str) -> None:
    family = guarded.family(as_("admin", "ada", on_behalf_of=claim)).set_up()
    assert parts(contract_of(family).actor) == ("ADMIN", "ada", claim)


def test_a_certificate_acts_under_its_configured_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    at, key_at = authority.sign("affilia")
    identities = {"claims.internal": "eligibility.read claims.write", "ops.internal": "admin"}
    server = ServerProcess(
        tmp_path / "server",
        *FLAGS,
        *("--database-url", "embedded", "--tls-certificate", str(at), "--tls-key", str(key_at)),
        *("--internal-client-ca", str(authority.path), "--internal-identities", json.dumps(identities)),
        environment=VARIABLES,
    )
    try:
        with (
            secure(server.address, authority.pem) as public,
            secure(server.internal_address, authority.pem, authority.sign("claims.internal")) as claims,
            secure(server.internal_address, authority.pem, authority.sign("ops.internal")) as ops,
        ):
            insured = Insured(channel_of(patient(public), as_("admin", "ada")), patient(claims))
            insured.family.requester = admin(name="")
            insured.set_up().enroll("2026-01-01")
            application_id, _ = insured.apply("2026-03-01", deductible=10_00)
            other = Insured(insured.family.channel, patient(ops), **insured.family.ids())
            other.reverse(application_id)
            assert {parts(line.actor) for line in insured.ledger()} == {
                ("SERVICE", "claims.internal", ""),
                ("ADMIN", "ops.internal", ""),
            }
    finally:
        server.stop()


# ------------------------------------------------------------------------------------------------- with --dev


def named(name: str) -> Metadata:
    return (("x-affilia-actor", name),)


def test_callers_of_a_dev_server_are_dev_or_whom_they_name(family: Family) -> None:
    assert parts(member_of(family, family.child).actor) == ("SYSTEM", "dev", "")
    request = family.request(family.enroll(family.base, "2026-01-01"))
    submitted = family.requests.SubmitChangeRequest(request, metadata=named("x" * 200)).change_request
    assert parts(submitted.actor) == ("SYSTEM", "x" * 200, "")


@pytest.mark.parametrize("metadata", [named(""), named("x" * 201), named("eve") + named("ada")])
def test_a_dev_server_rejects_a_malformed_actor(family: Family, metadata: Metadata) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"))
    with pytest.raises(grpc.RpcError) as raised:
        family.requests.SubmitChangeRequest(request, metadata=metadata)
    failure = decoded(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")
    assert set(failure.violations) == {"x-affilia-actor"}


def test_loopback_callers_keep_their_name_on_a_dev_server(server_channel: grpc.Channel, internal: grpc.Channel) -> None:
    insured = Insured(server_channel, internal).set_up()
    insured.enroll("2026-01-01")
    application = insured.application("2026-03-01", deductible=10_00)
    insured.claims.ApplyAccumulators(application, metadata=named("eve"))
    assert [parts(line.actor) for line in insured.ledger()] == [("SYSTEM", "loopback", "")]


def test_a_server_with_authentication_ignores_the_metadata_of_dev_servers(guarded: Guarded) -> None:
    family = guarded.family().set_up()
    request = family.request(family.enroll(family.base, "2026-01-01"))
    for name in ("eve", ""):
        submitted = family.requests.SubmitChangeRequest(request, metadata=named(name)).change_request
        assert parts(submitted.actor) == ADA


def test_a_written_fact_shows_who_recorded_it_as_of_an_instant(family: Family) -> None:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.child)
    request.birth.CopyFrom(member_pb2.Birth(born_on=date("2016-01-01")))
    recorded = family.members.RecordFacts(request, metadata=named("hr-feed"))
    family.born(family.child, "2017-01-01")
    asked = member_service_pb2.GetMemberRequest(member_id=family.child, as_of=recorded.recorded_at)
    assert parts(family.members.GetMember(asked).member.actor) == ("SYSTEM", "hr-feed", "")
    assert parts(member_of(family, family.child).actor) == ("SYSTEM", "dev", "")
