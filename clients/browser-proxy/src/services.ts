// The services that browsers can call: those of Affilia's public listener. Remove what your front end doesn't need.

import type { DescService } from "@bufbuild/protobuf";

import { AuditService } from "./gen/affilia/audit/v1/audit_service_pb.js";
import { CatalogService } from "./gen/affilia/catalog/v1/catalog_service_pb.js";
import { MemberService } from "./gen/affilia/catalog/v1/member_service_pb.js";
import { EligibilityCheckService } from "./gen/affilia/eligibility/v1/eligibility_check_service_pb.js";
import { ChangeRequestService } from "./gen/affilia/enrollment/v1/change_request_service_pb.js";
import { EnrollmentQueryService } from "./gen/affilia/enrollment/v1/enrollment_query_service_pb.js";
import { HistoryService } from "./gen/affilia/history/v1/history_service_pb.js";
import { PremiumComputationService } from "./gen/affilia/premium/v1/premium_computation_service_pb.js";
import { CostProviderService } from "./gen/affilia/pricing/v1/cost_provider_service_pb.js";

export const SERVICES: readonly DescService[] = [
  AuditService,
  CatalogService,
  ChangeRequestService,
  CostProviderService,
  EligibilityCheckService,
  EnrollmentQueryService,
  HistoryService,
  MemberService,
  PremiumComputationService,
];
