"""Which services stand on which listener. A new service is one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from affilia.catalog.v1 import catalog_service_pb2_grpc, member_service_pb2_grpc
from affilia.eligibility.v1 import eligibility_check_service_pb2_grpc, eligibility_internal_service_pb2_grpc
from affilia.enrollment.v1 import change_request_service_pb2_grpc, enrollment_query_service_pb2_grpc
from affilia.premium.v1 import premium_computation_service_pb2_grpc
from affilia.pricing.v1 import cost_provider_service_pb2_grpc
from server.identity import policy
from server.identity.policy import Permission
from server.operations.core import Core
from server.servicers.catalog import CatalogServicer
from server.servicers.change_request import ChangeRequestServicer
from server.servicers.cost_provider import CostProviderServicer
from server.servicers.eligibility_check import EligibilityCheckServicer
from server.servicers.eligibility_internal import EligibilityInternalServicer
from server.servicers.enrollment_query import EnrollmentQueryServicer
from server.servicers.member import MemberServicer
from server.servicers.premium_computation import PremiumComputationServicer
from server.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its full name: its servicer, the generated function that adds it to a server, who may call what."""

    name: str
    servicer: Callable[[Core, Tokens], Any]
    add: Callable[[Any, grpc.aio.Server], None]
    permissions: Mapping[str, Permission]


PUBLIC = (
    Service(
        "affilia.catalog.v1.CatalogService",
        CatalogServicer,
        catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server,
        policy.CATALOG,
    ),
    Service(
        "affilia.catalog.v1.MemberService",
        MemberServicer,
        member_service_pb2_grpc.add_MemberServiceServicer_to_server,
        policy.MEMBER,
    ),
    Service(
        "affilia.enrollment.v1.ChangeRequestService",
        ChangeRequestServicer,
        change_request_service_pb2_grpc.add_ChangeRequestServiceServicer_to_server,
        policy.CHANGE_REQUEST,
    ),
    Service(
        "affilia.enrollment.v1.EnrollmentQueryService",
        EnrollmentQueryServicer,
        enrollment_query_service_pb2_grpc.add_EnrollmentQueryServiceServicer_to_server,
        policy.ENROLLMENT_QUERY,
    ),
    Service(
        "affilia.pricing.v1.CostProviderService",
        CostProviderServicer,
        cost_provider_service_pb2_grpc.add_CostProviderServiceServicer_to_server,
        policy.COST_PROVIDER,
    ),
    Service(
        "affilia.premium.v1.PremiumComputationService",
        PremiumComputationServicer,
        premium_computation_service_pb2_grpc.add_PremiumComputationServiceServicer_to_server,
        policy.PREMIUM_COMPUTATION,
    ),
    Service(
        "affilia.eligibility.v1.EligibilityCheckService",
        EligibilityCheckServicer,
        eligibility_check_service_pb2_grpc.add_EligibilityCheckServiceServicer_to_server,
        policy.ELIGIBILITY_CHECK,
    ),
)

INTERNAL = (
    Service(
        "affilia.eligibility.v1.EligibilityInternalService",
        EligibilityInternalServicer,
        eligibility_internal_service_pb2_grpc.add_EligibilityInternalServiceServicer_to_server,
        policy.ELIGIBILITY_INTERNAL,
    ),
)
"""For callers inside."""
