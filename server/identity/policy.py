"""Which caller may call which method. What is not here is denied.

Admins may whatever has a line here, services what their scopes say, members what a rule of `own.py` finds to be
theirs. The system, which is the server itself, may everything.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from google.protobuf import descriptor_pb2, descriptor_pool

from server.errors import NotAllowed
from server.identity import own
from server.identity.scopes import ADMINISTER, FEED, READ, WRITE
from server.interceptors.methods import HEALTH
from server.operations.call import Caller, CallerKind
from server.operations.core import Core

MemberRule = Callable[[Core, UUID, Any], Awaitable[bool]]
"""Whether what a request names is a member's own."""

ScopeRule = Callable[[Any], str | None]
"""Which further scope a request asks for; None: none."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may call one method. `scope` None: no service may."""

    scope: str | None = None
    member: MemberRule | None = None
    also: ScopeRule | None = None

    def opens_to(self, caller: Caller) -> bool:
        """Whether the method is open to such a caller at all, whatever the request says."""
        match caller.kind:
            case CallerKind.SYSTEM | CallerKind.ADMIN:
                return True
            case CallerKind.SERVICE:
                return self.scope is not None and self.scope in caller.scopes
            case CallerKind.MEMBER:
                return self.member is not None

    writes: bool = False
    """Whether the method changes anything: set from the protos, where reads are marked as such."""

    @property
    def asks_of(self) -> frozenset[CallerKind]:
        """Of which callers' requests something is to be known: what they name, or that it goes into the audit log."""
        kinds = {CallerKind.MEMBER, CallerKind.ADMIN}
        if self.writes or self.also:
            kinds |= {CallerKind.SERVICE, CallerKind.SYSTEM}
        return frozenset(kinds)

    async def allows(self, core: Core, caller: Caller, request: Any) -> bool:
        """Whether a caller to whom the method is open may ask this."""
        if caller.kind is CallerKind.MEMBER:
            return self.member is not None and await self.member(core, UUID(caller.subject), request)
        if caller.kind is CallerKind.SERVICE and self.also is not None:
            further = self.also(request)
            return further is None or further in caller.scopes
        return True


ADMINS_ONLY = Permission()

CATALOG = {
    "PublishContract": ADMINS_ONLY,
    "AddContractVersion": ADMINS_ONLY,
    "AmendContract": ADMINS_ONLY,
    "GetContract": Permission("catalog.read", own.contract),
    "ListContracts": Permission("catalog.read"),
    "GetModules": Permission("catalog.read", own.modules),
}

MEMBER = {
    "UpsertMember": Permission("members.write"),
    "RecordFacts": Permission("members.write"),
    "GetMember": Permission("members.read", own.member),
    "ListMembers": Permission("members.read"),
    "EraseMember": ADMINS_ONLY,
}

CHANGE_REQUEST = {
    "SubmitChangeRequest": Permission(WRITE, own.proposal, own.scope_to_ask),
    "SimulateChangeRequest": Permission(READ, own.proposal),
    "GetChangeRequest": Permission(READ, own.change_request),
    "ListChangeRequests": Permission(READ, own.group),
    "ListAvailableChoices": Permission(READ, own.choices),
    "RequestRecompute": Permission(ADMINISTER),
    "ListRecomputes": Permission(READ),
}

ENROLLMENT_QUERY = {
    "GetEnrollmentGroup": Permission(READ, own.group),
    "ListEnrollmentGroups": Permission(READ, own.listed_by_primary),
    "ListRevisions": Permission(READ, own.group),
    "DiffRevisions": Permission(READ, own.group),
    "WatchEnrollments": Permission(FEED),
}

COST_PROVIDER = {
    "GetInsuranceCost": Permission("pricing.read", own.cost),
    "BatchGetInsuranceCost": Permission("pricing.read", own.costs),
}

PREMIUM_COMPUTATION = {
    "PreviewPremiums": Permission("premiums.read", own.policy),
    "ComputePremiums": Permission("premiums.write"),
    "RunPremiums": Permission("premiums.write"),
    "GetPremiumRun": Permission("premiums.read"),
    "StopPremiumRun": Permission("premiums.write"),
    "ListPremiumFailures": Permission("premiums.read"),
    "SetPremiumFollowing": Permission("premiums.write"),
    "ListPremiumEntries": Permission("premiums.read", own.policy),
    "ListUninvoicedPremiums": Permission("premiums.read", own.policy),
    "MarkPremiumsInvoiced": Permission("premiums.write"),
    "AggregatePremiums": Permission("premiums.read"),
}

ELIGIBILITY = "eligibility.read"

ELIGIBILITY_CHECK = {
    "CheckEligibility": Permission(ELIGIBILITY, own.check),
    "BatchCheckEligibility": Permission(ELIGIBILITY, own.checks),
    "CheckCapability": Permission(ELIGIBILITY, own.member),
    "ListCapabilities": Permission(ELIGIBILITY, own.member),
    "GetCoverage": Permission(ELIGIBILITY, own.coverage),
    "GetActiveCoverage": Permission(ELIGIBILITY, own.member),
    "ListMemberCoverage": Permission(ELIGIBILITY, own.member),
    "ListCoverage": ADMINS_ONLY,
    "GetAccumulators": Permission(ELIGIBILITY, own.member),
    "ListAccumulators": Permission(ELIGIBILITY, own.group),
}

ELIGIBILITY_INTERNAL = {
    "GetMemberCoverage": Permission(ELIGIBILITY),
    "ApplyAccumulators": Permission("claims.write"),
    "ReverseAccumulators": Permission("claims.write"),
    "ListAccumulatorApplications": Permission(ELIGIBILITY),
    "RebuildProjection": ADMINS_ONLY,
}

CHANNELZ = "/grpc.channelz.v1.Channelz/"
REFLECTION = ("/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/")


@dataclass(frozen=True, slots=True)
class Policy:
    """The permissions of the methods of one listener, by full name."""

    permissions: Mapping[str, Permission]

    @classmethod
    def of(cls, services: Mapping[str, Mapping[str, Permission]]) -> "Policy":
        """From the permissions of each service, by its full name."""
        return cls(
            {
                f"/{service}/{method}": replace(permission, writes=_writes(service, method))
                for service, permissions in services.items()
                for method, permission in permissions.items()
            }
        )

    @property
    def writes(self) -> frozenset[str]:
        """The methods that change anything."""
        return frozenset(method for method, permission in self.permissions.items() if permission.writes)

    def check(self, method: str, caller: Caller) -> None:
        """Raises NotAllowed where a method is not open to a caller."""
        if not self._opens(method, caller):
            permission = self.permissions.get(method)
            of_service = caller.kind is CallerKind.SERVICE and permission is not None
            raise NotAllowed(permission.scope or "" if of_service and permission else "")

    def _opens(self, method: str, caller: Caller) -> bool:
        """A method without a line never is; health is open to all."""
        if method.startswith(HEALTH):
            return True
        if method.startswith(REFLECTION):
            return True
        if method.startswith(CHANNELZ):
            return ADMINS_ONLY.opens_to(caller)
        permission = self.permissions.get(method)
        return permission is not None and permission.opens_to(caller)


def _writes(service: str, method: str) -> bool:
    try:
        described = descriptor_pool.Default().FindMethodByName(f"{service}.{method}")
    except KeyError:
        return False
    options = described.GetOptions()
    return bool(options.idempotency_level != descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS)
