"""The services of each listener. Add a new service here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from affilia.audit.v1 import audit_service_pb2_grpc
from affilia.catalog.v1 import catalog_service_pb2_grpc, member_service_pb2_grpc
from affilia.eligibility.v1 import eligibility_check_service_pb2_grpc, eligibility_internal_service_pb2_grpc
from affilia.enrollment.v1 import change_request_service_pb2_grpc, enrollment_query_service_pb2_grpc
from affilia.history.v1 import history_service_pb2_grpc
from affilia.migration.v1 import migration_service_pb2_grpc
from affilia.premium.v1 import premium_computation_service_pb2_grpc
from affilia.pricing.v1 import cost_provider_service_pb2_grpc
from operations.core import Core
from server.identity import access_policy
from server.identity.access_policy import Permission
from server.servicers.audit import AuditServicer
from server.servicers.catalog import CatalogServicer
from server.servicers.change_request import ChangeRequestServicer
from server.servicers.cost_provider import CostProviderServicer
from server.servicers.eligibility_check import EligibilityCheckServicer
from server.servicers.eligibility_internal import EligibilityInternalServicer
from server.servicers.enrollment_query import EnrollmentQueryServicer
from server.servicers.history import HistoryServicer
from server.servicers.member import MemberServicer
from server.servicers.migration import MigrationServicer
from server.servicers.premium_computation import PremiumComputationServicer
from server.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its full name, servicer, the generated function that adds it to a server, and its permissions."""

    name: str
    servicer: Callable[[Core, Tokens], Any]
    add: Callable[[Any, Any], None]
    permissions: Mapping[str, Permission]


PUBLIC = (
    Service(
        "affilia.catalog.v1.CatalogService",
        CatalogServicer,
        catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server,
        access_policy.CATALOG,
    ),
    Service(
        "affilia.catalog.v1.MemberService",
        MemberServicer,
        member_service_pb2_grpc.add_MemberServiceServicer_to_server,
        access_policy.MEMBER,
    ),
    Service(
        "affilia.enrollment.v1.ChangeRequestService",
        ChangeRequestServicer,
        change_request_service_pb2_grpc.add_ChangeRequestServiceServicer_to_server,
        access_policy.CHANGE_REQUEST,
    ),
    Service(
        "affilia.enrollment.v1.EnrollmentQueryService",
        EnrollmentQueryServicer,
        enrollment_query_service_pb2_grpc.add_EnrollmentQueryServiceServicer_to_server,
        access_policy.ENROLLMENT_QUERY,
    ),
    Service(
        "affilia.history.v1.HistoryService",
        HistoryServicer,
        history_service_pb2_grpc.add_HistoryServiceServicer_to_server,
        access_policy.HISTORY,
    ),
    Service(
        "affilia.pricing.v1.CostProviderService",
        CostProviderServicer,
        cost_provider_service_pb2_grpc.add_CostProviderServiceServicer_to_server,
        access_policy.COST_PROVIDER,
    ),
    Service(
        "affilia.premium.v1.PremiumComputationService",
        PremiumComputationServicer,
        premium_computation_service_pb2_grpc.add_PremiumComputationServiceServicer_to_server,
        access_policy.PREMIUM_COMPUTATION,
    ),
    Service(
        "affilia.eligibility.v1.EligibilityCheckService",
        EligibilityCheckServicer,
        eligibility_check_service_pb2_grpc.add_EligibilityCheckServiceServicer_to_server,
        access_policy.ELIGIBILITY_CHECK,
    ),
    Service(
        "affilia.migration.v1.MigrationService",
        MigrationServicer,
        migration_service_pb2_grpc.add_MigrationServiceServicer_to_server,
        access_policy.MIGRATION,
    ),
    Service(
        "affilia.audit.v1.AuditService",
        AuditServicer,
        audit_service_pb2_grpc.add_AuditServiceServicer_to_server,
        access_policy.AUDIT,
    ),
)

INTERNAL = (
    Service(
        "affilia.eligibility.v1.EligibilityInternalService",
        EligibilityInternalServicer,
        eligibility_internal_service_pb2_grpc.add_EligibilityInternalServiceServicer_to_server,
        access_policy.ELIGIBILITY_INTERNAL,
    ),
)
"""Services for internal callers."""
