"""The access policy: which caller may call which method. A method that isn't listed here is denied.

Admins may call every listed method, services those that their scopes allow, and members those for which a rule in
`ownership.py` finds that the request names only what is theirs. The server itself may call everything.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from google.protobuf import descriptor_pb2, descriptor_pool

from domain.actors import ActorKind
from operations.call import Caller
from operations.core import Core
from operations.scopes import ADMINISTER, FEED, READ, READ_ELIGIBILITY, READ_MEMBERS, READ_PREMIUMS, WRITE
from server.errors import NotAllowed
from server.identity import ownership
from server.methods import HEALTH

MemberRule = Callable[[Core, UUID, Any], Awaitable[bool]]
"""Returns whether everything that a request names is a member's own."""

ScopeRule = Callable[[Any], str | None]
"""Returns the additional scope that a request needs, or None."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may call one method. If `scope` is None, no service may; if `member` is None, no member may."""

    scope: str | None = None
    member: MemberRule | None = None
    also: ScopeRule | None = None
    writes: bool = False
    """Whether the method is a write: every method that the protos don't mark as free of side effects."""
    audited: bool = False
    """Whether every call is recorded in the audit log, even if the method isn't a write."""

    def admits(self, caller: Caller) -> bool:
        """Returns whether the caller may call the method at all, before looking at the request."""
        match caller.kind:
            case ActorKind.SYSTEM | ActorKind.ADMIN:
                return True
            case ActorKind.SERVICE:
                return self.scope is not None and self.scope in caller.scopes
            case ActorKind.MEMBER:
                return self.member is not None

    @property
    def inspected_kinds(self) -> frozenset[ActorKind]:
        """Returns the kinds of callers whose requests are inspected, for authorization or for the audit log."""
        kinds = {ActorKind.MEMBER, ActorKind.ADMIN}
        if self.writes or self.audited or self.also:
            kinds |= {ActorKind.SERVICE, ActorKind.SYSTEM}
        return frozenset(kinds)

    async def allows(self, core: Core, caller: Caller, request: Any) -> bool:
        """Returns whether a caller who may call the method may send this request."""
        if caller.kind is ActorKind.MEMBER:
            return self.member is not None and await self.member(core, caller.member_id, request)
        if caller.kind is ActorKind.SERVICE and self.also is not None:
            scope = self.also(request)
            return scope is None or scope in caller.scopes
        return True


ADMINS_ONLY = Permission()

CATALOG = {
    "PublishContract": ADMINS_ONLY,
    "AddContractVersion": ADMINS_ONLY,
    "AmendContract": ADMINS_ONLY,
    "ValidateContract": ADMINS_ONLY,
    "GetContract": Permission("catalog.read", ownership.contract),
    "ListContracts": Permission("catalog.read"),
    "GetModules": Permission("catalog.read", ownership.modules),
}

MEMBER = {
    "UpsertMember": Permission("members.write"),
    "RecordFacts": Permission("members.write"),
    "GetMember": Permission(READ_MEMBERS, ownership.member),
    "BatchGetMembers": Permission(READ_MEMBERS, ownership.members),
    "ResolveIdentifiers": Permission(READ_MEMBERS),
    "SearchMembers": Permission(READ_MEMBERS),
    "ListMembers": Permission(READ_MEMBERS),
    "EraseMember": ADMINS_ONLY,
    "MergeMembers": ADMINS_ONLY,
}

CHANGE_REQUEST = {
    "SubmitChangeRequest": Permission(WRITE, ownership.proposal, ownership.scope_of_requester),
    "SimulateChangeRequest": Permission(READ, ownership.proposal),
    "GetChangeRequest": Permission(READ, ownership.change_request),
    "ListChangeRequests": Permission(READ, ownership.group),
    "ListAvailableChoices": Permission(READ, ownership.choices),
    "RequestRecompute": Permission(ADMINISTER),
    "GetRecompute": Permission(READ),
    "ListRecomputes": Permission(READ),
}

ENROLLMENT_QUERY = {
    "GetEnrollmentGroup": Permission(READ, ownership.group),
    "ListEnrollmentGroups": Permission(READ, ownership.listed_by_primary),
    "ListRevisions": Permission(READ, ownership.group),
    "DiffRevisions": Permission(READ, ownership.group),
    "WatchEnrollments": Permission(FEED),
}

HISTORY = {
    "ListHistory": Permission(READ, ownership.history),
    "ExplainDifference": Permission(READ, ownership.group),
}

COST_PROVIDER = {
    "GetInsuranceCost": Permission("pricing.read", ownership.cost),
    "BatchGetInsuranceCost": Permission("pricing.read", ownership.costs),
}

PREMIUM_COMPUTATION = {
    "PreviewPremiums": Permission(READ_PREMIUMS, ownership.policy),
    "ComputePremiums": Permission("premiums.write"),
    "RunPremiums": Permission("premiums.write"),
    "GetPremiumRun": Permission(READ_PREMIUMS),
    "ListPremiumRuns": Permission(READ_PREMIUMS),
    "StopPremiumRun": Permission("premiums.write"),
    "ListPremiumFailures": Permission(READ_PREMIUMS),
    "SetPremiumFollowing": Permission("premiums.write"),
    "ListPremiumEntries": Permission(READ_PREMIUMS, ownership.policy),
    "ListUninvoicedPremiums": Permission(READ_PREMIUMS, ownership.policy),
    "MarkPremiumsInvoiced": Permission("premiums.write"),
    "AggregatePremiums": Permission(READ_PREMIUMS),
}

ELIGIBILITY_CHECK = {
    "CheckEligibility": Permission(READ_ELIGIBILITY, ownership.check),
    "BatchCheckEligibility": Permission(READ_ELIGIBILITY, ownership.checks),
    "CheckCapability": Permission(READ_ELIGIBILITY, ownership.member),
    "ListCapabilities": Permission(READ_ELIGIBILITY, ownership.member),
    "GetCoverage": Permission(READ_ELIGIBILITY, ownership.coverage),
    "GetActiveCoverage": Permission(READ_ELIGIBILITY, ownership.member),
    "ListMemberCoverage": Permission(READ_ELIGIBILITY, ownership.member),
    "ListCoverage": ADMINS_ONLY,
    "GetAccumulators": Permission(READ_ELIGIBILITY, ownership.member),
    "ListAccumulators": Permission(READ_ELIGIBILITY, ownership.group),
}

ELIGIBILITY_INTERNAL = {
    "GetMemberCoverage": Permission(READ_ELIGIBILITY),
    "ApplyAccumulators": Permission("claims.write"),
    "ReverseAccumulators": Permission("claims.write"),
    "ListAccumulatorApplications": Permission(READ_ELIGIBILITY),
    "RebuildProjection": ADMINS_ONLY,
}

INTERCHANGE = {
    "ReserveControlNumbers": Permission(WRITE),
}

MIGRATION = {
    "ListMigrations": ADMINS_ONLY,
    "MapLegacyContract": ADMINS_ONLY,
    "SetMigrationStage": ADMINS_ONLY,
    "CompareSources": ADMINS_ONLY,
    "BackfillGroups": ADMINS_ONLY,
}

AUDIT = {
    "ListAuditEntries": Permission(audited=True),
}

CHANNELZ = "/grpc.channelz.v1.Channelz/"
REFLECTION = ("/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/")


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """The permissions for the methods of one listener, by full method name."""

    permissions: Mapping[str, Permission]

    @classmethod
    def of(cls, services: Mapping[str, Mapping[str, Permission]]) -> "AccessPolicy":
        """Returns the access policy of services, given their permissions by full service name."""
        return cls(
            {
                f"/{service}/{method}": replace(permission, writes=_writes(service, method))
                for service, permissions in services.items()
                for method, permission in permissions.items()
            }
        )

    def audits(self, method: str, caller: Caller) -> bool:
        """Returns whether a call is audited: writes, reads of the audit log, and all calls by admins are."""
        permission = self.permissions.get(method)
        return caller.kind is ActorKind.ADMIN or (permission is not None and (permission.writes or permission.audited))

    def check(self, method: str, caller: Caller) -> None:
        """Raises NotAllowed if the caller isn't allowed to call the method."""
        if not self._admits(method, caller):
            permission = self.permissions.get(method)
            of_service = caller.kind is ActorKind.SERVICE and permission is not None
            raise NotAllowed(permission.scope or "" if of_service and permission else "")

    def _admits(self, method: str, caller: Caller) -> bool:
        """Returns whether the caller may call the method. Health and reflection are open to all callers."""
        if method.startswith(HEALTH):
            return True
        if method.startswith(REFLECTION):
            return True
        if method.startswith(CHANNELZ):
            return ADMINS_ONLY.admits(caller)
        permission = self.permissions.get(method)
        return permission is not None and permission.admits(caller)


def _writes(service: str, method: str) -> bool:
    try:
        described = descriptor_pool.Default().FindMethodByName(f"{service}.{method}")
    except KeyError:
        return False
    options = described.GetOptions()
    return bool(options.idempotency_level != descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS)
