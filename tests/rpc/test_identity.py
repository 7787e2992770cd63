"""Who can call what: every method of both listeners, by every kind of caller, over the wire."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from affilia.enrollment.v1 import enrollment_query_service_pb2
from domain.identity import group_id
from operations.scopes import SCOPES
from server.services import INTERNAL, PUBLIC
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import admin, decoded, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import as_, bearing, channel_of
from tests.support.insured import Insured

Code = grpc.StatusCode
METHODS = {
    f"/{service.name}/{method.name}": method
    for service in PUBLIC
    for method in descriptor_pool.Default().FindServiceByName(service.name).methods
}
PERMISSIONS = {
    f"/{service.name}/{name}": permission
    for service in (*PUBLIC, *INTERNAL)
    for name, permission in service.permissions.items()
}
BOSS = as_("admin", "ada")
OTHER = new_id()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that requires tokens."""
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _):
        yield server


@pytest.fixture(scope="module")
def insured(guarded: ServerProcess) -> Iterator[Insured]:
    """A covered family, set up by an admin."""
    with (
        connected_to(guarded.address) as public,
        connected_to(guarded.internal_address) as internal,
    ):
        its = Insured(channel_of(public, BOSS), internal)
        its.family.requester = admin(name="ada")
        its.set_up()
        its.submit(its.family.enroll(its.family.base, "2026-01-01"))
        yield its


@pytest.fixture(scope="module")
def public(guarded: ServerProcess) -> Iterator[grpc.Channel]:
    with connected_to(guarded.address) as channel:
        yield channel


def requests_of(insured: Insured) -> dict[str, dict[str, Any]]:
    """Returns a request for every public method, as a member of this family would send it."""
    family = insured.family
    group = str(group_id(UUID(family.contract_id), UUID(family.primary)))
    key = {"contract_id": family.contract_id, "primary_id": family.primary}
    policy = {"group_id": group}
    on, months = date("2026-03-01"), {"first": {"year": 2026, "month": 1}, "last": {"year": 2026, "month": 2}}
    asked: dict[str, Any] = {
        "requester": {"role": "REQUESTER_ROLE_MEMBER", "requester_id": family.primary},
        "group": key,
        "changes": [family.enroll(family.plus, "2026-05-01")],
    }
    about_me, twice = {"member_id": family.primary}, {"request_id": new_id()}
    spain = {"country_code": "ES"}
    change = family.submit(family.enroll(family.base, "2026-01-01")).change_request.change_request_id
    return {
        "PublishContract": {**twice, "contract": family.contract()},
        "AddContractVersion": {**twice, "contract_id": family.contract_id, "version": family.contract().versions[0]},
        "AmendContract": {
            **twice,
            "contract_id": family.contract_id,
            "versions": insured.contract().versions,
            "etag": "old",
        },
        "ValidateContract": {"publish": {"contract": family.contract()}},
        "GetContract": {"contract_id": family.contract_id},
        "GetModules": {"module_ids": [family.base]},
        "UpsertMember": {**twice, "member": {"member_id": family.child, "kind": "MEMBER_KIND_PERSON"}},
        "RecordFacts": {**twice, "member_id": family.child, "birth": {"born_on": date("2015-06-01")}},
        "GetMember": about_me,
        "BatchGetMembers": {"member_ids": [family.primary]},
        "ResolveIdentifiers": {"identifiers": [{"system": "payroll", "value": "7"}]},
        "SearchMembers": {"query": "anna"},
        "EraseMember": {**twice, **about_me},
        "MergeMembers": {
            **twice,
            "from_member_id": family.primary,
            "into_member_id": family.child,
            "reason": "one person, stored twice",
        },
        "SubmitChangeRequest": {**twice, **asked},
        "SimulateChangeRequest": asked,
        "GetChangeRequest": {"change_request_id": change},
        "ListChangeRequests": {"group_id": group},
        "ListAvailableChoices": {"group_id": group, **about_me, "on": on},
        "RequestRecompute": {**twice, "group_id": group},
        "GetRecompute": {"recompute_id": new_id()},
        "ListRecomputes": {"group_id": group},
        "GetEnrollmentGroup": {"group_id": group},
        "ListEnrollmentGroups": {"primary_id": family.primary},
        "ListRevisions": {"group_id": group},
        "DiffRevisions": {"group_id": group, "from_revision": 0, "to_revision": 1},
        "ExplainDifference": {"group_id": group, "revision": 1},
        "WatchEnrollments": {"from": "FEED_START_NOW"},
        "ListHistory": {"group_id": group},
        "GetInsuranceCost": {"inquiry": {"on": on, "policy": policy}},
        "BatchGetInsuranceCost": {"inquiries": [{"on": on, "policy": policy}]},
        "PreviewPremiums": {"policy": policy, "months": months},
        "ComputePremiums": {**twice, "policy": policy, "months": months},
        "RunPremiums": {**twice, "contract_id": family.contract_id, "months": months},
        "GetPremiumRun": {"run_id": new_id()},
        "ListPremiumRuns": {"contract_id": family.contract_id},
        "StopPremiumRun": {"run_id": new_id()},
        "ListPremiumFailures": {"run_id": new_id()},
        "SetPremiumFollowing": {"contract_id": family.contract_id},
        "ListPremiumEntries": {"policy": policy},
        "ListUninvoicedPremiums": {"policy": policy, "up_to": on},
        "MarkPremiumsInvoiced": {**twice, "entry_ids": [new_id()], "debtor": "DEBTOR_PRIMARY", "invoice_id": "1"},
        "AggregatePremiums": {"by": ["PREMIUM_DIMENSION_MONTH"], "months": months},
        "CheckEligibility": {"check": {**about_me, "date": on}},
        "BatchCheckEligibility": {"checks": [{**about_me, "date": on}]},
        "CheckCapability": {**about_me, "capability": "DENTAL", "date": on},
        "ListCapabilities": {**about_me, "date": on},
        "GetCoverage": {"locator": locator_of(insured)},
        "GetActiveCoverage": {**about_me, "date": on},
        "ListMemberCoverage": {**about_me, "days": span("2026-01-01", "2026-12-31")},
        "ListCoverage": {"days": span("2026-01-01", "2026-12-31")},
        "GetAccumulators": {**about_me, "date": on},
        "ListAccumulators": {"group_id": group},
        "ReserveControlNumbers": {**twice, "count": 1},
        "MapLegacyContract": {
            **twice,
            **spain,
            "legacy_contract_id": "17",
            "contract_id": family.contract_id,
            "products": [{"code": "FLEX", "module_id": family.base}],
        },
        "SetMigrationStage": {
            **twice,
            **spain,
            "stage": "MIGRATION_STAGE_DUAL_WRITE",
            "expected_stage": "MIGRATION_STAGE_TRANSLATE",
        },
        "CompareSources": spain,
        "BackfillGroups": {**twice, **spain},
        "ListAuditEntries": {"named_id": group},
    }


def locator_of(insured: Insured) -> str:
    answer = insured.check("2026-03-01")
    return str(answer.records[0].locator)


WHEN_ALLOWED = {
    # These depend on the state, not on the caller.
    "PublishContract": Code.ALREADY_EXISTS,
    "AddContractVersion": Code.ALREADY_EXISTS,
    "AmendContract": Code.ABORTED,
    "EraseMember": Code.FAILED_PRECONDITION,
    "MergeMembers": Code.FAILED_PRECONDITION,
    "GetInsuranceCost": Code.FAILED_PRECONDITION,
    "PreviewPremiums": Code.FAILED_PRECONDITION,
    "ComputePremiums": Code.FAILED_PRECONDITION,
    "MapLegacyContract": Code.FAILED_PRECONDITION,
    "SetMigrationStage": Code.FAILED_PRECONDITION,
    "CompareSources": Code.FAILED_PRECONDITION,
    "BackfillGroups": Code.FAILED_PRECONDITION,
    "GetRecompute": Code.NOT_FOUND,
    "GetPremiumRun": Code.NOT_FOUND,
    "StopPremiumRun": Code.NOT_FOUND,
    "ListPremiumFailures": Code.NOT_FOUND,
    "MarkPremiumsInvoiced": Code.NOT_FOUND,
}


@pytest.fixture(scope="module")
def asked(insured: Insured) -> dict[str, dict[str, Any]]:
    return requests_of(insured)


def status(channel: Any, method: str, fields: dict[str, Any], metadata: Any) -> grpc.StatusCode:
    """Returns how a call ends. A stream with a first message counts as OK."""
    described = METHODS[method]
    request: Message = message_factory.GetMessageClass(described.input_type)(**fields)
    send = channel.unary_stream if described.server_streaming else channel.unary_unary
    try:
        answer = send(method)(request.SerializeToString(), metadata=metadata, timeout=60)
        if described.server_streaming:
            next(answer)
            answer.cancel()
    except grpc.RpcError as error:
        return decoded(error).code
    return Code.OK


@pytest.mark.parametrize("method", METHODS)
def test_callers_can_do_exactly_what_the_access_policy_allows(
    public: Any, insured: Insured, asked: dict[str, dict[str, Any]], method: str
) -> None:
    name = method.rpartition("/")[2]
    permission, fields = PERMISSIONS[method], asked.get(name, {})
    allowed, me = WHEN_ALLOWED.get(name, Code.OK), insured.family.primary
    others = [scope for scope in SCOPES if scope != permission.scope]
    mine = [permission.scope] if permission.scope else []

    def ends(metadata: Any) -> grpc.StatusCode:
        if "request_id" in fields:
            fields["request_id"] = new_id()
        return status(public, method, fields, metadata)

    assert ends(()) == Code.UNAUTHENTICATED
    assert ends(as_("admin", "ada", minutes=-5)) == Code.UNAUTHENTICATED
    assert ends(as_("admin", "ada", audience="others")) == Code.UNAUTHENTICATED
    assert ends(as_("admin", "ada", issuer="others")) == Code.UNAUTHENTICATED
    assert ends(as_("admin", "ada", secret="another secret, also long enough")) == Code.UNAUTHENTICATED
    assert ends(as_("member", OTHER)) == Code.PERMISSION_DENIED
    assert ends(as_("member", insured.family.child)) == Code.PERMISSION_DENIED
    assert ends(as_("service", "claims", *others)) == Code.PERMISSION_DENIED
    assert ends(as_("member", me)) == (allowed if permission.member else Code.PERMISSION_DENIED)
    assert ends(as_("service", "claims", *mine)) == (allowed if permission.scope else Code.PERMISSION_DENIED)
    if "requester" in fields:
        fields["requester"] = admin(name="ada")
    assert ends(as_("admin", "ada")) == allowed


def test_every_method_is_in_the_access_policy() -> None:
    for service in (*PUBLIC, *INTERNAL):
        methods = {method.name for method in descriptor_pool.Default().FindServiceByName(service.name).methods}
        assert set(service.permissions) == methods


def test_every_scope_is_used_and_no_method_requires_an_unknown_one() -> None:
    used = {permission.scope for permission in PERMISSIONS.values() if permission.scope}
    assert used == set(SCOPES)


@pytest.mark.parametrize("method", ["/affilia.enrollment.v1.EnrollmentQueryService/Nonsense", "/nobody.Knows/It"])
def test_an_unknown_method_is_unimplemented_only_for_callers_with_a_token(public: Any, method: str) -> None:
    for metadata, expected in (((), Code.UNAUTHENTICATED), (BOSS, Code.UNIMPLEMENTED)):
        with pytest.raises(grpc.RpcError) as raised:
            public.unary_unary(method)(b"", metadata=metadata, timeout=60)
        assert decoded(raised.value).code == expected


@pytest.mark.parametrize("name", INTERNAL[0].permissions)
def test_internal_methods_are_not_on_the_public_listener(public: Any, name: str) -> None:
    for metadata, expected in (((), Code.UNAUTHENTICATED), (BOSS, Code.UNIMPLEMENTED)):
        with pytest.raises(grpc.RpcError) as raised:
            public.unary_unary(f"/{INTERNAL[0].name}/{name}")(b"", metadata=metadata, timeout=60)
        assert decoded(raised.value).code == expected


def test_health_needs_no_token_and_reflection_does(public: Any) -> None:
    assert public.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60)
    for version in ("v1", "v1alpha"):
        call: Any = public.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.RpcError) as raised:
            list(call(iter([b"\x3a\x00"]), timeout=60))
        assert decoded(raised.value).code == Code.UNAUTHENTICATED
        assert list(call(iter([b"\x3a\x00"]), metadata=as_("member", OTHER), timeout=60))


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", "Basic YWRhOmFkYQ=="),),
        (("authorization", "Bearer "),),
        (*BOSS, *BOSS),
        bearing("a.b.c"),
        bearing("x" * 7_000),
        bearing("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJyb2xlIjoiYWRtaW4ifQ."),
        as_("king", "ada"),
        as_("member", "not-an-id"),
        as_("admin", ""),
    ],
)
def test_invalid_credentials_are_rejected_without_quoting_them(public: Any, metadata: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        public.unary_unary("/affilia.catalog.v1.CatalogService/ListContracts")(b"", metadata=metadata, timeout=60)
    reported = decoded(raised.value)
    assert (reported.code, reported.reason, reported.facts) == (Code.UNAUTHENTICATED, "UNAUTHENTICATED", {})


GROUP = "/affilia.enrollment.v1.EnrollmentQueryService/GetEnrollmentGroup"
SUBMIT = "/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest"


def test_a_member_cannot_find_out_what_else_exists(public: Any, insured: Insured) -> None:
    theirs = str(group_id(UUID(insured.family.contract_id), UUID(insured.family.primary)))
    reported = []
    for of in (theirs, new_id()):
        request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(group_id=of)
        with pytest.raises(grpc.RpcError) as raised:
            public.unary_unary(GROUP)(request.SerializeToString(), metadata=as_("member", OTHER), timeout=60)
        error: Any = raised.value
        reported.append((decoded(error), error.details()))
    assert reported[0] == reported[1]
    assert reported[0][0].code == Code.PERMISSION_DENIED


def test_a_member_can_only_request_for_their_own_group_and_never_as_an_admin(public: Any, insured: Insured) -> None:
    family, me = insured.family, as_("member", insured.family.primary)
    stranger = family.enroll(family.base, "2026-06-01", child=True)

    def ends(**more: Any) -> grpc.StatusCode:
        request = family.request(stranger, **{"requester": family.primary_as_requester(), **more})
        fields = {field.name: value for field, value in request.ListFields()}
        return status(public, SUBMIT, fields, me)

    assert ends() == Code.PERMISSION_DENIED
    family.submit(stranger)
    assert ends() == Code.OK
    assert ends(requester=admin()) == Code.INVALID_ARGUMENT


def test_a_service_needs_a_scope_to_request_as_an_admin(public: Any, insured: Insured) -> None:
    family = insured.family
    request = family.request(family.enroll(family.base, "2026-01-01"), requester=admin())
    fields = {field.name: value for field, value in request.ListFields()}
    assert status(public, SUBMIT, fields, as_("service", "app", "enrollment.write")) == Code.PERMISSION_DENIED
    both = as_("service", "office", "enrollment.write", "enrollment.administer")
    assert status(public, SUBMIT, fields, both) == Code.OK


def test_a_member_cannot_request_under_a_contract_where_they_are_not_primary_yet(public: Any, insured: Insured) -> None:
    elsewhere = Insured(insured.family.channel, insured.family.channel).set_up().family
    me = as_("member", insured.family.primary)
    for contract_id in (elsewhere.contract_id, new_id()):
        key = {"contract_id": contract_id, "primary_id": insured.family.primary}
        on = date("2026-03-01")
        choices = {"key": key, "member_id": insured.family.primary, "on": on}
        asked = {
            "requester": {"role": "REQUESTER_ROLE_MEMBER", "requester_id": insured.family.primary},
            "group": key,
            "changes": [insured.family.enroll(elsewhere.base, "2027-01-01")],
        }
        service = "/affilia.enrollment.v1.ChangeRequestService/"
        assert status(public, f"{service}ListAvailableChoices", choices, me) == Code.PERMISSION_DENIED
        assert status(public, f"{service}SimulateChangeRequest", asked, me) == Code.PERMISSION_DENIED
        submit = {**asked, "request_id": new_id()}
        assert status(public, f"{service}SubmitChangeRequest", submit, me) == Code.PERMISSION_DENIED
        assert status(public, GROUP, {"key": key}, me) == Code.PERMISSION_DENIED
