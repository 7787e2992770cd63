"""Written by `python -m tools.client_stubs write` from the protos; never edited."""
# ruff: noqa: ASYNC109 (a deadline is sent along, which asyncio.timeout cannot do)

from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TypedDict

import grpc
from google.protobuf import timestamp_pb2
from google.type import date_pb2

from affilia.audit.v1 import audit_service_pb2
from affilia.catalog.v1 import (
    catalog_service_pb2,
    condition_pb2,
    contract_pb2,
    member_pb2,
    member_service_pb2,
    pricing_pb2,
)
from affilia.eligibility.v1 import (
    accumulator_pb2,
    coverage_pb2,
    eligibility_check_service_pb2,
    eligibility_internal_service_pb2,
)
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_event_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.history.v1 import history_entry_pb2, history_service_pb2
from affilia.interchange.v1 import interchange_service_pb2
from affilia.migration.v1 import migration_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2, premium_entry_pb2
from affilia.pricing.v1 import cost_provider_service_pb2, insurance_cost_pb2
from affilia.type.v1 import actor_pb2, date_span_pb2, membership_type_pb2, year_month_pb2
from affilia_client.async_calling import AsyncCaller
from affilia_client.calling import Caller
from affilia_client.connection import Interceptor
from affilia_client.money import Money
from affilia_client.values import Days

class AccumulatorAmountFields(TypedDict, total=False):
    """The fields of affilia.eligibility.v1.AccumulatorAmount."""

    code: str
    amount: int

class ActorFields(TypedDict, total=False):
    """The fields of affilia.type.v1.Actor."""

    kind: actor_pb2.ActorKind.ValueType | str
    subject: str
    on_behalf_of: str

class AddContractVersionRequestFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AddContractVersionRequest."""

    request_id: str
    contract_id: str
    version: contract_pb2.ContractVersion | ContractVersionFields | None
    etag: str

class AddressFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Address."""

    days: date_span_pb2.DateSpan | Days | None
    country_code: str
    postal_code: str

class AddressesFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Addresses."""

    items: Iterable[member_pb2.Address | AddressFields] | None

class AgeConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AgeCondition."""

    subject: condition_pb2.Subject.ValueType | str
    min_years: int
    max_years: int
    lasts_until: condition_pb2.AgeEnd.ValueType | str
    begins: condition_pb2.CalendarStart.ValueType | str

class AgeGridPriceFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AgeGridPrice."""

    standard: Iterable[pricing_pb2.AgeGridRow | AgeGridRowFields] | None
    alsace_moselle: Iterable[pricing_pb2.AgeGridRow | AgeGridRowFields] | None

class AgeGridRowFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AgeGridRow."""

    beneficiary_types: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None
    min_age: int
    max_age: int
    monthly_minor: int | Decimal | Money

class AgeGridSchemeFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AgeGridScheme."""

    ...

class AliveConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AliveCondition."""

    subject: condition_pb2.Subject.ValueType | str

class AmendContractRequestFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AmendContractRequest."""

    request_id: str
    contract_id: str
    versions: Iterable[contract_pb2.ContractVersion | ContractVersionFields] | None
    etag: str

class AttributeConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.AttributeCondition."""

    subject: condition_pb2.Subject.ValueType | str
    name: str
    values: Iterable[str] | None
    lasts_until: condition_pb2.CalendarEnd.ValueType | str

class AttributeFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Attribute."""

    days: date_span_pb2.DateSpan | Days | None
    name: str
    value: str

class AttributesFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Attributes."""

    items: Iterable[member_pb2.Attribute | AttributeFields] | None

class BeneficiarySpecFields(TypedDict, total=False):
    """The fields of affilia.pricing.v1.BeneficiarySpec."""

    beneficiary_type: membership_type_pb2.MembershipType.ValueType | str
    age: int
    date_of_birth: date_pb2.Date | date | None
    regime: member_pb2.HealthRegime.ValueType | str
    module_ids: Iterable[str] | None
    enrollment_id: str

class BirthFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Birth."""

    born_on: date_pb2.Date | date | None

class ClearedDaysFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.ClearedDays."""

    days: date_span_pb2.DateSpan | Days | None
    name: str

class ConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Condition."""

    all_of: condition_pb2.ConditionList | ConditionListFields | None
    any_of: condition_pb2.ConditionList | ConditionListFields | None
    negation: condition_pb2.Condition | ConditionFields | None
    age: condition_pb2.AgeCondition | AgeConditionFields | None
    salary: condition_pb2.SalaryCondition | SalaryConditionFields | None
    employment: condition_pb2.EmploymentCondition | EmploymentConditionFields | None
    tenure: condition_pb2.TenureCondition | TenureConditionFields | None
    residence: condition_pb2.ResidenceCondition | ResidenceConditionFields | None
    attribute: condition_pb2.AttributeCondition | AttributeConditionFields | None
    enrolled_on: condition_pb2.EnrolledOnCondition | EnrolledOnConditionFields | None
    alive: condition_pb2.AliveCondition | AliveConditionFields | None

class ConditionListFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.ConditionList."""

    conditions: Iterable[condition_pb2.Condition | ConditionFields] | None

class ConsequenceFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.Consequence."""

    member_id: str
    module_id: str
    days: date_span_pb2.DateSpan | Days | None

class ContractFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Contract."""

    contract_id: str
    display_name: str
    country_code: str
    currency_code: str
    time_zone: str
    sponsor_id: str
    term_start: contract_pb2.TermStart | TermStartFields | None
    versions: Iterable[contract_pb2.ContractVersion | ContractVersionFields] | None
    etag: str
    recorded_at: timestamp_pb2.Timestamp | datetime | None
    actor: actor_pb2.Actor | ActorFields | None

class ContractQuoteFields(TypedDict, total=False):
    """The fields of affilia.pricing.v1.ContractQuote."""

    contract_id: str
    beneficiaries: Iterable[insurance_cost_pb2.BeneficiarySpec | BeneficiarySpecFields] | None

class ContractVersionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.ContractVersion."""

    days: date_span_pb2.DateSpan | Days | None
    max_backdating_days: int
    rules: Iterable[condition_pb2.Rule | RuleFields] | None
    modules: Iterable[contract_pb2.Module | ModuleFields] | None
    pricing: pricing_pb2.VersionPricing | VersionPricingFields | None
    engine_parameters: pricing_pb2.EngineParameters | EngineParametersFields | None

class CorrectMembershipTypeFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.CorrectMembershipType."""

    member_id: str
    membership_type: membership_type_pb2.MembershipType.ValueType | str

class CostInquiryFields(TypedDict, total=False):
    """The fields of affilia.pricing.v1.CostInquiry."""

    on: date_pb2.Date | date | None
    policy: insurance_cost_pb2.Policy | PolicyFields | None
    policy_quote: insurance_cost_pb2.PolicyQuote | PolicyQuoteFields | None
    contract_quote: insurance_cost_pb2.ContractQuote | ContractQuoteFields | None
    rounding: pricing_pb2.RoundingStrategy.ValueType | str

class DeathFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Death."""

    died_on: date_pb2.Date | date | None

class DiscountFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Discount."""

    discount_id: str
    percent_bp: int
    flat_minor: int | Decimal | Money
    beneficiary_types: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None
    days: date_span_pb2.DateSpan | Days | None

class EligibilityCheckFields(TypedDict, total=False):
    """The fields of affilia.eligibility.v1.EligibilityCheck."""

    member_id: str
    date: date_pb2.Date | date | None
    module_id: str
    capability: str

class EmploymentConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.EmploymentCondition."""

    subject: condition_pb2.Subject.ValueType | str
    statuses: Iterable[condition_pb2.EmploymentStatus.ValueType | str] | None
    same_sponsor: bool
    lasts_until: condition_pb2.CalendarEnd.ValueType | str

class EmploymentFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Employment."""

    days: date_span_pb2.DateSpan | Days | None
    employer_id: str
    status: condition_pb2.EmploymentStatus.ValueType | str
    salary: member_pb2.Salary | SalaryFields | None

class EmploymentsFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Employments."""

    items: Iterable[member_pb2.Employment | EmploymentFields] | None

class EngineParametersFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.EngineParameters."""

    age_strategy: pricing_pb2.AgeStrategy.ValueType | str
    rounding: pricing_pb2.RoundingStrategy.ValueType | str
    prorata: pricing_pb2.ProrataStrategy.ValueType | str
    default_age_child: int
    default_age_other: int
    age_normalization: pricing_pb2.AgeNormalization.ValueType | str
    cut_off_day: int

class EnrollFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.Enroll."""

    member_id: str
    membership_type: membership_type_pb2.MembershipType.ValueType | str
    module_id: str
    days: date_span_pb2.DateSpan | Days | None

class EnrolledOnConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.EnrolledOnCondition."""

    subject: condition_pb2.Subject.ValueType | str
    module_ids: Iterable[str] | None

class EnrollmentFilterFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.EnrollmentFilter."""

    contract_ids: Iterable[str] | None
    primary_ids: Iterable[str] | None
    member_ids: Iterable[str] | None
    types: Iterable[enrollment_event_pb2.EnrollmentEventType.ValueType | str] | None

class EnrollmentIdsFields(TypedDict, total=False):
    """The fields of affilia.premium.v1.EnrollmentIds."""

    enrollment_ids: Iterable[str] | None

class FamilyTierPriceFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.FamilyTierPrice."""

    single_minor: int | Decimal | Money
    family_minor: int | Decimal | Money
    couple_minor: int | Decimal | Money
    single_with_children_minor: int | Decimal | Money

class FamilyTierSchemeFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.FamilyTierScheme."""

    ...

class GroupKeyFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.GroupKey."""

    contract_id: str
    primary_id: str

class HealthRegimeSpanFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.HealthRegimeSpan."""

    days: date_span_pb2.DateSpan | Days | None
    regime: member_pb2.HealthRegime.ValueType | str

class HealthRegimesFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.HealthRegimes."""

    items: Iterable[member_pb2.HealthRegimeSpan | HealthRegimeSpanFields] | None

class IdentifierFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Identifier."""

    system: str
    value: str

class IdentifierFilterFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.IdentifierFilter."""

    system: str
    value: str

class LeaveFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.Leave."""

    member_id: str
    module_id: str
    days: date_span_pb2.DateSpan | Days | None

class LegacyProductFields(TypedDict, total=False):
    """The fields of affilia.migration.v1.LegacyProduct."""

    code: str
    module_id: str

class LimitFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Limit."""

    kind: contract_pb2.LimitKind.ValueType | str
    benefit: str
    unit: contract_pb2.LimitUnit.ValueType | str
    individual_amount: int
    family_amount: int

class MemberFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Member."""

    member_id: str
    kind: member_pb2.MemberKind.ValueType | str
    display_name: str
    recorded_at: timestamp_pb2.Timestamp | datetime | None
    erased_on: date_pb2.Date | date | None
    identifiers: Iterable[member_pb2.Identifier | IdentifierFields] | None
    etag: str
    actor: actor_pb2.Actor | ActorFields | None

class MembershipFeeFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.MembershipFee."""

    beneficiary_types: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None
    monthly_minor: int | Decimal | Money

class ModuleFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Module."""

    module_id: str
    display_name: str
    slot: str
    service_type: contract_pb2.ServiceType.ValueType | str
    membership_types: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None
    commitment_months: int
    rules: Iterable[condition_pb2.Rule | RuleFields] | None
    capabilities: Iterable[str] | None
    limits: Iterable[contract_pb2.Limit | LimitFields] | None
    network_tier: str
    pricing: pricing_pb2.ModulePricing | ModulePricingFields | None

class ModulePricingFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.ModulePricing."""

    age_grid: pricing_pb2.AgeGridPrice | AgeGridPriceFields | None
    static_table: pricing_pb2.StaticTablePrice | StaticTablePriceFields | None
    family_tier: pricing_pb2.FamilyTierPrice | FamilyTierPriceFields | None
    free_children_from_rank: int
    membership_fees: Iterable[pricing_pb2.MembershipFee | MembershipFeeFields] | None
    social_fund_rates: Iterable[pricing_pb2.SocialFundRate | SocialFundRateFields] | None
    participations: Iterable[pricing_pb2.Participation | ParticipationFields] | None
    discounts: Iterable[pricing_pb2.Discount | DiscountFields] | None
    taxes: Iterable[pricing_pb2.Tax | TaxFields] | None

class ParticipationFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Participation."""

    beneficiary_types: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None
    company_share_bp: int
    company_cap_minor: int | Decimal | Money
    company_flat_minor: int | Decimal | Money
    remainder_payer: pricing_pb2.RemainderPayer.ValueType | str
    collection_method: pricing_pb2.CollectionMethod.ValueType | str

class PolicyFields(TypedDict, total=False):
    """The fields of affilia.pricing.v1.Policy."""

    group_id: str
    key: enrollment_group_pb2.GroupKey | GroupKeyFields | None

class PolicyQuoteFields(TypedDict, total=False):
    """The fields of affilia.pricing.v1.PolicyQuote."""

    policy: insurance_cost_pb2.Policy | PolicyFields | None
    beneficiaries: Iterable[insurance_cost_pb2.BeneficiarySpec | BeneficiarySpecFields] | None

class PublishContractRequestFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.PublishContractRequest."""

    request_id: str
    contract: contract_pb2.Contract | ContractFields | None

class RequesterFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.Requester."""

    role: change_request_pb2.RequesterRole.ValueType | str
    requester_id: str
    reason: str

class ResidenceConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.ResidenceCondition."""

    subject: condition_pb2.Subject.ValueType | str
    country_codes: Iterable[str] | None
    postal_prefixes: Iterable[str] | None
    lasts_until: condition_pb2.CalendarEnd.ValueType | str

class RevertFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.Revert."""

    change_request_id: str

class RuleFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Rule."""

    code: str
    description: str
    applies_to: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None
    condition: condition_pb2.Condition | ConditionFields | None

class SalaryConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.SalaryCondition."""

    subject: condition_pb2.Subject.ValueType | str
    min_minor: int | Decimal | Money
    max_minor: int | Decimal | Money
    same_sponsor: bool
    lasts_until: condition_pb2.CalendarEnd.ValueType | str

class SalaryFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Salary."""

    yearly_minor: int | Decimal | Money
    currency_code: str

class ScopedChangeFields(TypedDict, total=False):
    """The fields of affilia.enrollment.v1.ScopedChange."""

    enroll: change_request_pb2.Enroll | EnrollFields | None
    leave: change_request_pb2.Leave | LeaveFields | None
    revert: change_request_pb2.Revert | RevertFields | None
    correct_membership_type: change_request_pb2.CorrectMembershipType | CorrectMembershipTypeFields | None
    reason_code: str
    note: str

class SocialFundRateFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.SocialFundRate."""

    beneficiary_types: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None
    rate_bp: int

class StaticTablePriceFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.StaticTablePrice."""

    product_type: str

class StaticTableRowFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.StaticTableRow."""

    product_type: str
    min_age: int
    max_age: int
    monthly_minor: int | Decimal | Money

class StaticTableSchemeFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.StaticTableScheme."""

    rows: Iterable[pricing_pb2.StaticTableRow | StaticTableRowFields] | None

class TaxFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.Tax."""

    code: str
    rate_bp: int
    base: pricing_pb2.TaxBase.ValueType | str
    beneficiary_types: Iterable[membership_type_pb2.MembershipType.ValueType | str] | None

class TenureConditionFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.TenureCondition."""

    subject: condition_pb2.Subject.ValueType | str
    min_days: int
    same_sponsor: bool
    begins: condition_pb2.CalendarStart.ValueType | str

class TermStartFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.TermStart."""

    month: int
    day: int

class VersionPricingFields(TypedDict, total=False):
    """The fields of affilia.catalog.v1.VersionPricing."""

    age_grid: pricing_pb2.AgeGridScheme | AgeGridSchemeFields | None
    static_table: pricing_pb2.StaticTableScheme | StaticTableSchemeFields | None
    family_tier: pricing_pb2.FamilyTierScheme | FamilyTierSchemeFields | None

class EnrollmentQueryService:
    """Reads enrollments as of now, as of a revision, or as of an instant. Responses as of the past never change.
    No read takes a lock that writes wait for. A read as of an instant in the very recent past waits for the
    writes that were under way at that instant.
    """
    def __init__(self, caller: Caller) -> None: ...
    def get_enrollment_group(
        self,
        request: enrollment_query_service_pb2.GetEnrollmentGroupRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | Days | None = ...,
        consistency_token: str = ...,
        source_of_truth: enrollment_group_pb2.SourceOfTruth.ValueType | str = ...,
    ) -> enrollment_query_service_pb2.GetEnrollmentGroupResponse:
        """Returns one group. A group exists from its first stored request on, or if legacy tables that answer have it.
        A server with legacy sources can take up to a second to find out that an id is unknown.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; FAILED_PRECONDITION/NO_LEGACY_SOURCE,
        LEGACY_HAS_NO_HISTORY; INVALID_ARGUMENT.
        """
    def list_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        source_of_truth: enrollment_group_pb2.SourceOfTruth.ValueType | str = ...,
    ) -> enrollment_query_service_pb2.ListEnrollmentGroupsResponse:
        """Lists the groups of a contract, of a primary, or of a member (as the primary, or named in an approved
        request), in order of group_id. As of a past revision or instant, groups that didn't have it yet are
        omitted. In legacy tables, a member belongs to the groups that they own and to those with a row of theirs.
        Errors: FAILED_PRECONDITION/NO_LEGACY_SOURCE, LEGACY_HAS_NO_HISTORY; INVALID_ARGUMENT.
        """
    def all_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        source_of_truth: enrollment_group_pb2.SourceOfTruth.ValueType | str = ...,
    ) -> Generator[enrollment_group_pb2.EnrollmentGroup]:
        """The groups of all pages of `list_enrollment_groups`, one after the other."""
    def list_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.ListRevisionsResponse:
        """Lists the revisions of a group with their causes, oldest first.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[enrollment_group_pb2.Revision]:
        """The revisions of all pages of `list_revisions`, one after the other."""
    def diff_revisions(
        self,
        request: enrollment_query_service_pb2.DiffRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        from_revision: int = ...,
        to_revision: int = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.DiffRevisionsResponse:
        """Returns the differences between two revisions of a group, in order of member_id and module_id. Enrollments
        without a difference are omitted.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """
    def watch_enrollments(
        self,
        request: enrollment_query_service_pb2.WatchEnrollmentsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        from_: enrollment_query_service_pb2.FeedStart.ValueType | str = ...,
        resume_token: str = ...,
        filter: enrollment_event_pb2.EnrollmentFilter | EnrollmentFilterFields | None = ...,
    ) -> Generator[enrollment_query_service_pb2.WatchEnrollmentsResponse]:
        """Streams the change feed: every revision, rejected request and failed recompute. The order is the same for
        all readers, and events of one group are in the order of its revisions. No event is omitted, and a reader
        that resumes from a token receives only the events after it. The stream doesn't end on its own. The first
        message is sent immediately, usually without events; the stream contains everything recorded after it. While
        nothing matches, the server sends a message without events and with a newer token at least every 10 s. A
        consumer that receives nothing for 20 s should cancel and resume. A consumer that stores a message's token
        in the same transaction as the effects of the message processes every event exactly once. A consumer that
        stores it afterwards can receive events again, and can recognize them by their event_id.
        Errors: OUT_OF_RANGE/FEED_TRIMMED: the events after the token, or the first events ever, are no longer kept;
        FAILED_PRECONDITION/FEED_DIVERGED: the token belongs to another history, for example because a backup was
        restored: start with a snapshot; INVALID_ARGUMENT/TOKEN_INVALID: the token is damaged, or belongs to another
        filter. Resume if the stream ends with UNAVAILABLE (the server is shutting down or lost its database),
        UNAUTHENTICATED (resume with a new access token) or RESOURCE_EXHAUSTED/CONSUMER_TOO_SLOW (no message was
        read for 18 s; if the reader still doesn't read, the server closes its connection a few seconds later).
        FEED_TRIMMED and FEED_DIVERGED can also end an open stream.
        """

class AsyncEnrollmentQueryService:
    """Reads enrollments as of now, as of a revision, or as of an instant. Responses as of the past never change.
    No read takes a lock that writes wait for. A read as of an instant in the very recent past waits for the
    writes that were under way at that instant.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def get_enrollment_group(
        self,
        request: enrollment_query_service_pb2.GetEnrollmentGroupRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | Days | None = ...,
        consistency_token: str = ...,
        source_of_truth: enrollment_group_pb2.SourceOfTruth.ValueType | str = ...,
    ) -> enrollment_query_service_pb2.GetEnrollmentGroupResponse:
        """Returns one group. A group exists from its first stored request on, or if legacy tables that answer have it.
        A server with legacy sources can take up to a second to find out that an id is unknown.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; FAILED_PRECONDITION/NO_LEGACY_SOURCE,
        LEGACY_HAS_NO_HISTORY; INVALID_ARGUMENT.
        """
    async def list_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        source_of_truth: enrollment_group_pb2.SourceOfTruth.ValueType | str = ...,
    ) -> enrollment_query_service_pb2.ListEnrollmentGroupsResponse:
        """Lists the groups of a contract, of a primary, or of a member (as the primary, or named in an approved
        request), in order of group_id. As of a past revision or instant, groups that didn't have it yet are
        omitted. In legacy tables, a member belongs to the groups that they own and to those with a row of theirs.
        Errors: FAILED_PRECONDITION/NO_LEGACY_SOURCE, LEGACY_HAS_NO_HISTORY; INVALID_ARGUMENT.
        """
    def all_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        source_of_truth: enrollment_group_pb2.SourceOfTruth.ValueType | str = ...,
    ) -> AsyncGenerator[enrollment_group_pb2.EnrollmentGroup]:
        """The groups of all pages of `list_enrollment_groups`, one after the other."""
    async def list_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.ListRevisionsResponse:
        """Lists the revisions of a group with their causes, oldest first.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[enrollment_group_pb2.Revision]:
        """The revisions of all pages of `list_revisions`, one after the other."""
    async def diff_revisions(
        self,
        request: enrollment_query_service_pb2.DiffRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        from_revision: int = ...,
        to_revision: int = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.DiffRevisionsResponse:
        """Returns the differences between two revisions of a group, in order of member_id and module_id. Enrollments
        without a difference are omitted.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """
    def watch_enrollments(
        self,
        request: enrollment_query_service_pb2.WatchEnrollmentsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        from_: enrollment_query_service_pb2.FeedStart.ValueType | str = ...,
        resume_token: str = ...,
        filter: enrollment_event_pb2.EnrollmentFilter | EnrollmentFilterFields | None = ...,
    ) -> AsyncGenerator[enrollment_query_service_pb2.WatchEnrollmentsResponse]:
        """Streams the change feed: every revision, rejected request and failed recompute. The order is the same for
        all readers, and events of one group are in the order of its revisions. No event is omitted, and a reader
        that resumes from a token receives only the events after it. The stream doesn't end on its own. The first
        message is sent immediately, usually without events; the stream contains everything recorded after it. While
        nothing matches, the server sends a message without events and with a newer token at least every 10 s. A
        consumer that receives nothing for 20 s should cancel and resume. A consumer that stores a message's token
        in the same transaction as the effects of the message processes every event exactly once. A consumer that
        stores it afterwards can receive events again, and can recognize them by their event_id.
        Errors: OUT_OF_RANGE/FEED_TRIMMED: the events after the token, or the first events ever, are no longer kept;
        FAILED_PRECONDITION/FEED_DIVERGED: the token belongs to another history, for example because a backup was
        restored: start with a snapshot; INVALID_ARGUMENT/TOKEN_INVALID: the token is damaged, or belongs to another
        filter. Resume if the stream ends with UNAVAILABLE (the server is shutting down or lost its database),
        UNAUTHENTICATED (resume with a new access token) or RESOURCE_EXHAUSTED/CONSUMER_TOO_SLOW (no message was
        read for 18 s; if the reader still doesn't read, the server closes its connection a few seconds later).
        FEED_TRIMMED and FEED_DIVERGED can also end an open stream.
        """

class ChangeRequestService:
    """Accepts change requests from members and admins and records them permanently."""
    def __init__(self, caller: Caller) -> None: ...
    def submit_change_request(
        self,
        request: change_request_service_pb2.SubmitChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        requester: change_request_pb2.Requester | RequesterFields | None = ...,
        group: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange | ScopedChangeFields] | None = ...,
        expected_revision: int = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
        accepted_consequences: Iterable[change_request_pb2.Consequence | ConsequenceFields] | None = ...,
    ) -> change_request_service_pb2.SubmitChangeRequestResponse:
        """Judges a request and, if no rule rejects it, carries it out. A rejection is a normal response, not an error:
        the request is stored with its violations.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED, MEMBER_MERGED; ALREADY_EXISTS/REQUEST_ID_REUSED;
        ABORTED/REVISION_MISMATCH. In a country that is being migrated (affilia.migration.v1), also
        FAILED_PRECONDITION/MIGRATION_STAGE in the stage TRANSLATE, and LEGACY_CANNOT_HOLD if the legacy tables have
        no place for the change, or if a row has a product that isn't mapped. After an error, nothing is stored.
        Safe to retry with the same request_id.
        """
    def simulate_change_request(
        self,
        request: change_request_service_pb2.SimulateChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        requester: change_request_pb2.Requester | RequesterFields | None = ...,
        group: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange | ScopedChangeFields] | None = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
        consistency_token: str = ...,
        cost_on: date_pb2.Date | date | None = ...,
        accepted_consequences: Iterable[change_request_pb2.Consequence | ConsequenceFields] | None = ...,
    ) -> change_request_service_pb2.SimulateChangeRequestResponse:
        """Returns the verdict that SubmitChangeRequest would return, with the resulting periods and cost. Stores
        nothing. If legacy tables answer for the group, it is judged as if it were aligned with them now, even in
        the stage TRANSLATE. If it can't be aligned because a row has a product that isn't mapped, the call fails
        with LEGACY_CANNOT_HOLD.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED, MEMBER_MERGED, LEGACY_CANNOT_HOLD.
        """
    def list_available_choices(
        self,
        request: change_request_service_pb2.ListAvailableChoicesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        member_id: str = ...,
        membership_type: membership_type_pb2.MembershipType.ValueType | str = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListAvailableChoicesResponse:
        """Lists every module of the contract version in force on a day, in the contract's order: whether the member is
        enrolled in it, whether they could be, and if not, why. Returns all modules (at most 200) in one page. Empty
        outside the contract's days. Backdating limits, commitments and consequences are not considered. The group
        need not exist yet.
        Errors: INVALID_ARGUMENT; NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED, LEGACY_CANNOT_HOLD (as SimulateChangeRequest).
        """
    def get_change_request(
        self,
        request: change_request_service_pb2.GetChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        change_request_id: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.GetChangeRequestResponse:
        """Returns a stored change request with its verdict.
        Errors: NOT_FOUND/CHANGE_REQUEST_UNKNOWN; INVALID_ARGUMENT.
        """
    def list_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        verdict: change_request_pb2.Verdict.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        contract_id: str = ...,
    ) -> change_request_service_pb2.ListChangeRequestsResponse:
        """Lists approved and rejected change requests: those of one group in the order in which they were judged, or
        those of all groups, newest first.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        verdict: change_request_pb2.Verdict.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        contract_id: str = ...,
    ) -> Generator[change_request_pb2.ChangeRequest]:
        """The change_requests of all pages of `list_change_requests`, one after the other."""
    def request_recompute(
        self,
        request: change_request_service_pb2.RequestRecomputeRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        group_id: str = ...,
        contract_id: str = ...,
        dry_run: bool = ...,
    ) -> change_request_service_pb2.RequestRecomputeResponse:
        """Enqueues a recompute of a group, or of every group of a contract. Returns immediately; ListRecomputes
        reports the outcome. A dry run (of one group) reports what would change and stores nothing.
        Errors: NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry with the same request_id.
        """
    def get_recompute(
        self,
        request: change_request_service_pb2.GetRecomputeRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        recompute_id: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.GetRecomputeResponse:
        """Returns a recompute.
        Errors: NOT_FOUND/RECOMPUTE_UNKNOWN; INVALID_ARGUMENT.
        """
    def list_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType | str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        requested_from: timestamp_pb2.Timestamp | datetime | None = ...,
        requested_before: timestamp_pb2.Timestamp | datetime | None = ...,
    ) -> change_request_service_pb2.ListRecomputesResponse:
        """Lists the recomputes of a group, of a contract's groups, or of all groups, in the order in which they were
        requested, and counts the waiting and the failed ones.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType | str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        requested_from: timestamp_pb2.Timestamp | datetime | None = ...,
        requested_before: timestamp_pb2.Timestamp | datetime | None = ...,
    ) -> Generator[change_request_pb2.Recompute]:
        """The recomputes of all pages of `list_recomputes`, one after the other."""

class AsyncChangeRequestService:
    """Accepts change requests from members and admins and records them permanently."""
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def submit_change_request(
        self,
        request: change_request_service_pb2.SubmitChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        requester: change_request_pb2.Requester | RequesterFields | None = ...,
        group: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange | ScopedChangeFields] | None = ...,
        expected_revision: int = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
        accepted_consequences: Iterable[change_request_pb2.Consequence | ConsequenceFields] | None = ...,
    ) -> change_request_service_pb2.SubmitChangeRequestResponse:
        """Judges a request and, if no rule rejects it, carries it out. A rejection is a normal response, not an error:
        the request is stored with its violations.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED, MEMBER_MERGED; ALREADY_EXISTS/REQUEST_ID_REUSED;
        ABORTED/REVISION_MISMATCH. In a country that is being migrated (affilia.migration.v1), also
        FAILED_PRECONDITION/MIGRATION_STAGE in the stage TRANSLATE, and LEGACY_CANNOT_HOLD if the legacy tables have
        no place for the change, or if a row has a product that isn't mapped. After an error, nothing is stored.
        Safe to retry with the same request_id.
        """
    async def simulate_change_request(
        self,
        request: change_request_service_pb2.SimulateChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        requester: change_request_pb2.Requester | RequesterFields | None = ...,
        group: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange | ScopedChangeFields] | None = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
        consistency_token: str = ...,
        cost_on: date_pb2.Date | date | None = ...,
        accepted_consequences: Iterable[change_request_pb2.Consequence | ConsequenceFields] | None = ...,
    ) -> change_request_service_pb2.SimulateChangeRequestResponse:
        """Returns the verdict that SubmitChangeRequest would return, with the resulting periods and cost. Stores
        nothing. If legacy tables answer for the group, it is judged as if it were aligned with them now, even in
        the stage TRANSLATE. If it can't be aligned because a row has a product that isn't mapped, the call fails
        with LEGACY_CANNOT_HOLD.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED, MEMBER_MERGED, LEGACY_CANNOT_HOLD.
        """
    async def list_available_choices(
        self,
        request: change_request_service_pb2.ListAvailableChoicesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | GroupKeyFields | None = ...,
        member_id: str = ...,
        membership_type: membership_type_pb2.MembershipType.ValueType | str = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListAvailableChoicesResponse:
        """Lists every module of the contract version in force on a day, in the contract's order: whether the member is
        enrolled in it, whether they could be, and if not, why. Returns all modules (at most 200) in one page. Empty
        outside the contract's days. Backdating limits, commitments and consequences are not considered. The group
        need not exist yet.
        Errors: INVALID_ARGUMENT; NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED, LEGACY_CANNOT_HOLD (as SimulateChangeRequest).
        """
    async def get_change_request(
        self,
        request: change_request_service_pb2.GetChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        change_request_id: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.GetChangeRequestResponse:
        """Returns a stored change request with its verdict.
        Errors: NOT_FOUND/CHANGE_REQUEST_UNKNOWN; INVALID_ARGUMENT.
        """
    async def list_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        verdict: change_request_pb2.Verdict.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        contract_id: str = ...,
    ) -> change_request_service_pb2.ListChangeRequestsResponse:
        """Lists approved and rejected change requests: those of one group in the order in which they were judged, or
        those of all groups, newest first.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        verdict: change_request_pb2.Verdict.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        contract_id: str = ...,
    ) -> AsyncGenerator[change_request_pb2.ChangeRequest]:
        """The change_requests of all pages of `list_change_requests`, one after the other."""
    async def request_recompute(
        self,
        request: change_request_service_pb2.RequestRecomputeRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        group_id: str = ...,
        contract_id: str = ...,
        dry_run: bool = ...,
    ) -> change_request_service_pb2.RequestRecomputeResponse:
        """Enqueues a recompute of a group, or of every group of a contract. Returns immediately; ListRecomputes
        reports the outcome. A dry run (of one group) reports what would change and stores nothing.
        Errors: NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry with the same request_id.
        """
    async def get_recompute(
        self,
        request: change_request_service_pb2.GetRecomputeRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        recompute_id: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.GetRecomputeResponse:
        """Returns a recompute.
        Errors: NOT_FOUND/RECOMPUTE_UNKNOWN; INVALID_ARGUMENT.
        """
    async def list_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType | str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        requested_from: timestamp_pb2.Timestamp | datetime | None = ...,
        requested_before: timestamp_pb2.Timestamp | datetime | None = ...,
    ) -> change_request_service_pb2.ListRecomputesResponse:
        """Lists the recomputes of a group, of a contract's groups, or of all groups, in the order in which they were
        requested, and counts the waiting and the failed ones.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType | str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        requested_from: timestamp_pb2.Timestamp | datetime | None = ...,
        requested_before: timestamp_pb2.Timestamp | datetime | None = ...,
    ) -> AsyncGenerator[change_request_pb2.Recompute]:
        """The recomputes of all pages of `list_recomputes`, one after the other."""

class HistoryService:
    """Reports who changed what, when and why. It reads the recorded states themselves, not a separate log that
    could differ from them.
    """
    def __init__(self, caller: Caller) -> None: ...
    def list_history(
        self,
        request: history_service_pb2.ListHistoryRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        contract_id: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        kinds: Iterable[history_entry_pb2.HistoryKind.ValueType | str] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> history_service_pb2.ListHistoryResponse:
        """Lists everything recorded about a group, a member or a contract, newest first. A member's history covers
        their facts and every group to which they belong or belonged. A group's history includes the facts of its
        members since they joined it, and the changes of its contract. A contract's history covers only the contract
        itself. Entries that the caller may not read are omitted: services need the scope `premiums.read` for
        PREMIUM and `eligibility.read` for ACCUMULATOR. Without `members.read`, they see the kinds of recorded
        facts, but no days, values or names. Members can list their own history and that of their own group. They
        don't see facts of other members, notes and reasons of admins, or subjects of actors.
        Errors: NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_history(
        self,
        request: history_service_pb2.ListHistoryRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        contract_id: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        kinds: Iterable[history_entry_pb2.HistoryKind.ValueType | str] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[history_entry_pb2.HistoryEntry]:
        """The entries of all pages of `list_history`, one after the other."""
    def explain_difference(
        self,
        request: history_service_pb2.ExplainDifferenceRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        revision: int = ...,
        member_id: str = ...,
        module_id: str = ...,
        consistency_token: str = ...,
    ) -> history_service_pb2.ExplainDifferenceResponse:
        """Explains how a revision of a group differs from the previous one: for each run of days that an enrollment
        gained or lost, the inputs that made the difference, and for lost days also the rules that exclude them.
        Admins and services with the scope `members.read` see all facts; members see only their own. Other callers,
        and members for facts of others, see only the kinds of facts and the codes of rules. Members can explain
        revisions of their own group. They don't see subjects of actors.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """

class AsyncHistoryService:
    """Reports who changed what, when and why. It reads the recorded states themselves, not a separate log that
    could differ from them.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def list_history(
        self,
        request: history_service_pb2.ListHistoryRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        contract_id: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        kinds: Iterable[history_entry_pb2.HistoryKind.ValueType | str] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> history_service_pb2.ListHistoryResponse:
        """Lists everything recorded about a group, a member or a contract, newest first. A member's history covers
        their facts and every group to which they belong or belonged. A group's history includes the facts of its
        members since they joined it, and the changes of its contract. A contract's history covers only the contract
        itself. Entries that the caller may not read are omitted: services need the scope `premiums.read` for
        PREMIUM and `eligibility.read` for ACCUMULATOR. Without `members.read`, they see the kinds of recorded
        facts, but no days, values or names. Members can list their own history and that of their own group. They
        don't see facts of other members, notes and reasons of admins, or subjects of actors.
        Errors: NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_history(
        self,
        request: history_service_pb2.ListHistoryRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        contract_id: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        kinds: Iterable[history_entry_pb2.HistoryKind.ValueType | str] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[history_entry_pb2.HistoryEntry]:
        """The entries of all pages of `list_history`, one after the other."""
    async def explain_difference(
        self,
        request: history_service_pb2.ExplainDifferenceRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        revision: int = ...,
        member_id: str = ...,
        module_id: str = ...,
        consistency_token: str = ...,
    ) -> history_service_pb2.ExplainDifferenceResponse:
        """Explains how a revision of a group differs from the previous one: for each run of days that an enrollment
        gained or lost, the inputs that made the difference, and for lost days also the rules that exclude them.
        Admins and services with the scope `members.read` see all facts; members see only their own. Other callers,
        and members for facts of others, see only the kinds of facts and the codes of rules. Members can explain
        revisions of their own group. They don't see subjects of actors.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """

class EligibilityCheckService:
    """Reports whether members are covered, and how much of their limits is used. The service follows enrollment
    through the change feed, usually within milliseconds of a change. Pass the consistency_token of a write to
    make sure that a response reflects it.
    """
    def __init__(self, caller: Caller) -> None: ...
    def check_eligibility(
        self,
        request: eligibility_check_service_pb2.CheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        check: eligibility_check_service_pb2.EligibilityCheck | EligibilityCheckFields | None = ...,
        consistency_token: str = ...,
        explain: bool = ...,
    ) -> eligibility_check_service_pb2.CheckEligibilityResponse:
        """Checks whether a member is covered on a day, or today. An unknown member is reported as not covered.
        Errors: UNAVAILABLE/PROJECTION_BEHIND; DEADLINE_EXCEEDED if the server doesn't see the token's write in
        time; INVALID_ARGUMENT/CAPABILITY_UNKNOWN if no version of the member's contracts lists the capability;
        INVALID_ARGUMENT.
        """
    def batch_check_eligibility(
        self,
        request: eligibility_check_service_pb2.BatchCheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        checks: Iterable[eligibility_check_service_pb2.EligibilityCheck | EligibilityCheckFields] | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.BatchCheckEligibilityResponse:
        """Performs up to 1000 checks and returns their results in the same order. A check that is malformed or has an
        unknown capability fails on its own.
        Errors: as CheckEligibility.
        """
    def check_capability(
        self,
        request: eligibility_check_service_pb2.CheckCapabilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        capability: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.CheckCapabilityResponse:
        """Reports whether any coverage of a member includes a capability on a day, and on which days around it that
        stays so.
        Errors: as CheckEligibility.
        """
    def list_capabilities(
        self,
        request: eligibility_check_service_pb2.ListCapabilitiesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCapabilitiesResponse:
        """Lists the capabilities of all coverage of a member on a day, in alphabetical order.
        Errors: as CheckEligibility.
        """
    def get_coverage(
        self,
        request: eligibility_check_service_pb2.GetCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        locator: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetCoverageResponse:
        """Returns a coverage record by its locator. Records of terms that start more than a year from now are not
        found yet. Records from legacy tables are found once the core has their group; their locators stay the same.
        Errors: NOT_FOUND/COVERAGE_UNKNOWN; otherwise as CheckEligibility.
        """
    def get_active_coverage(
        self,
        request: eligibility_check_service_pb2.GetActiveCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetActiveCoverageResponse:
        """Lists a member's coverage records on a day, in order of payment.
        Errors: as CheckEligibility.
        """
    def list_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListMemberCoverageResponse:
        """Lists a member's coverage records that have a day within a span, in order of first day.
        Errors: as CheckEligibility.
        """
    def all_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_member_coverage`, one after the other."""
    def list_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCoverageResponse:
        """Lists the coverage records of many members that have a day within a span, in order of policy, member and
        first day. For admins.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT.
        """
    def all_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_coverage`, one after the other."""
    def get_accumulators(
        self,
        request: eligibility_check_service_pb2.GetAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetAccumulatorsResponse:
        """Returns a member's accumulators for the limits in force on a day, under every policy that covers the member
        on that day. In order of policy and code.
        Errors: as CheckEligibility.
        """
    def list_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListAccumulatorsResponse:
        """Lists everything ever used under a policy, in order of term, code and member, with the family's total before
        its members'.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[eligibility_check_service_pb2.AccumulatorBalance]:
        """The balances of all pages of `list_accumulators`, one after the other."""

class AsyncEligibilityCheckService:
    """Reports whether members are covered, and how much of their limits is used. The service follows enrollment
    through the change feed, usually within milliseconds of a change. Pass the consistency_token of a write to
    make sure that a response reflects it.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def check_eligibility(
        self,
        request: eligibility_check_service_pb2.CheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        check: eligibility_check_service_pb2.EligibilityCheck | EligibilityCheckFields | None = ...,
        consistency_token: str = ...,
        explain: bool = ...,
    ) -> eligibility_check_service_pb2.CheckEligibilityResponse:
        """Checks whether a member is covered on a day, or today. An unknown member is reported as not covered.
        Errors: UNAVAILABLE/PROJECTION_BEHIND; DEADLINE_EXCEEDED if the server doesn't see the token's write in
        time; INVALID_ARGUMENT/CAPABILITY_UNKNOWN if no version of the member's contracts lists the capability;
        INVALID_ARGUMENT.
        """
    async def batch_check_eligibility(
        self,
        request: eligibility_check_service_pb2.BatchCheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        checks: Iterable[eligibility_check_service_pb2.EligibilityCheck | EligibilityCheckFields] | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.BatchCheckEligibilityResponse:
        """Performs up to 1000 checks and returns their results in the same order. A check that is malformed or has an
        unknown capability fails on its own.
        Errors: as CheckEligibility.
        """
    async def check_capability(
        self,
        request: eligibility_check_service_pb2.CheckCapabilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        capability: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.CheckCapabilityResponse:
        """Reports whether any coverage of a member includes a capability on a day, and on which days around it that
        stays so.
        Errors: as CheckEligibility.
        """
    async def list_capabilities(
        self,
        request: eligibility_check_service_pb2.ListCapabilitiesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCapabilitiesResponse:
        """Lists the capabilities of all coverage of a member on a day, in alphabetical order.
        Errors: as CheckEligibility.
        """
    async def get_coverage(
        self,
        request: eligibility_check_service_pb2.GetCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        locator: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetCoverageResponse:
        """Returns a coverage record by its locator. Records of terms that start more than a year from now are not
        found yet. Records from legacy tables are found once the core has their group; their locators stay the same.
        Errors: NOT_FOUND/COVERAGE_UNKNOWN; otherwise as CheckEligibility.
        """
    async def get_active_coverage(
        self,
        request: eligibility_check_service_pb2.GetActiveCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetActiveCoverageResponse:
        """Lists a member's coverage records on a day, in order of payment.
        Errors: as CheckEligibility.
        """
    async def list_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListMemberCoverageResponse:
        """Lists a member's coverage records that have a day within a span, in order of first day.
        Errors: as CheckEligibility.
        """
    def all_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_member_coverage`, one after the other."""
    async def list_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCoverageResponse:
        """Lists the coverage records of many members that have a day within a span, in order of policy, member and
        first day. For admins.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT.
        """
    def all_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | Days | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_coverage`, one after the other."""
    async def get_accumulators(
        self,
        request: eligibility_check_service_pb2.GetAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetAccumulatorsResponse:
        """Returns a member's accumulators for the limits in force on a day, under every policy that covers the member
        on that day. In order of policy and code.
        Errors: as CheckEligibility.
        """
    async def list_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListAccumulatorsResponse:
        """Lists everything ever used under a policy, in order of term, code and member, with the family's total before
        its members'.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[eligibility_check_service_pb2.AccumulatorBalance]:
        """The balances of all pages of `list_accumulators`, one after the other."""

class EligibilityInternalService:
    """Coverage and limits for claims and care systems, on the internal listener only."""
    def __init__(self, caller: Caller) -> None: ...
    def get_member_coverage(
        self,
        request: eligibility_internal_service_pb2.GetMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.GetMemberCoverageResponse:
        """Returns a member's coverage records on a day, in order of payment, with their accumulators.
        Errors: as EligibilityCheckService.CheckEligibility.
        """
    def apply_accumulators(
        self,
        request: eligibility_internal_service_pb2.ApplyAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        application_id: str = ...,
        member_id: str = ...,
        group_id: str = ...,
        service_date: date_pb2.Date | date | None = ...,
        amounts: Iterable[accumulator_pb2.AccumulatorAmount | AccumulatorAmountFields] | None = ...,
        excess: eligibility_internal_service_pb2.ExcessHandling.ValueType | str = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ApplyAccumulatorsResponse:
        """Applies amounts to a member's limits, each up to what is left of its limit; the rest is returned as excess.
        After an error, nothing is applied. Repeating an application returns the same response and applies nothing
        more.
        Errors: FAILED_PRECONDITION/NOT_COVERED, ACCUMULATOR_NOT_IN_FORCE, LIMIT_REACHED (with REJECT),
        MEMBER_MERGED; ALREADY_EXISTS/APPLICATION_ID_REUSED; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT. Safe
        to repeat with the same application_id.
        """
    def reverse_accumulators(
        self,
        request: eligibility_internal_service_pb2.ReverseAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        application_id: str = ...,
    ) -> eligibility_internal_service_pb2.ReverseAccumulatorsResponse:
        """Reverses exactly what an application applied, and returns the later applications with an excess that could
        be applied now. Repeating a reversal returns the same response and reverses nothing more.
        Errors: NOT_FOUND/APPLICATION_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    def list_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ListAccumulatorApplicationsResponse:
        """Lists the ledger of applications of a policy or a member, in the order in which they were recorded.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[accumulator_pb2.AccumulatorApplication]:
        """The applications of all pages of `list_accumulator_applications`, one after the other."""
    def rebuild_projection(
        self,
        request: eligibility_internal_service_pb2.RebuildProjectionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
    ) -> eligibility_internal_service_pb2.RebuildProjectionResponse:
        """Rebuilds the coverage projection beside the current one, then switches to it. Checks are answered
        throughout. The usage of limits doesn't change. Admins only.
        Errors: UNAVAILABLE.
        """

class AsyncEligibilityInternalService:
    """Coverage and limits for claims and care systems, on the internal listener only."""
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def get_member_coverage(
        self,
        request: eligibility_internal_service_pb2.GetMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.GetMemberCoverageResponse:
        """Returns a member's coverage records on a day, in order of payment, with their accumulators.
        Errors: as EligibilityCheckService.CheckEligibility.
        """
    async def apply_accumulators(
        self,
        request: eligibility_internal_service_pb2.ApplyAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        application_id: str = ...,
        member_id: str = ...,
        group_id: str = ...,
        service_date: date_pb2.Date | date | None = ...,
        amounts: Iterable[accumulator_pb2.AccumulatorAmount | AccumulatorAmountFields] | None = ...,
        excess: eligibility_internal_service_pb2.ExcessHandling.ValueType | str = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ApplyAccumulatorsResponse:
        """Applies amounts to a member's limits, each up to what is left of its limit; the rest is returned as excess.
        After an error, nothing is applied. Repeating an application returns the same response and applies nothing
        more.
        Errors: FAILED_PRECONDITION/NOT_COVERED, ACCUMULATOR_NOT_IN_FORCE, LIMIT_REACHED (with REJECT),
        MEMBER_MERGED; ALREADY_EXISTS/APPLICATION_ID_REUSED; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT. Safe
        to repeat with the same application_id.
        """
    async def reverse_accumulators(
        self,
        request: eligibility_internal_service_pb2.ReverseAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        application_id: str = ...,
    ) -> eligibility_internal_service_pb2.ReverseAccumulatorsResponse:
        """Reverses exactly what an application applied, and returns the later applications with an excess that could
        be applied now. Repeating a reversal returns the same response and reverses nothing more.
        Errors: NOT_FOUND/APPLICATION_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    async def list_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ListAccumulatorApplicationsResponse:
        """Lists the ledger of applications of a policy or a member, in the order in which they were recorded.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[accumulator_pb2.AccumulatorApplication]:
        """The applications of all pages of `list_accumulator_applications`, one after the other."""
    async def rebuild_projection(
        self,
        request: eligibility_internal_service_pb2.RebuildProjectionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
    ) -> eligibility_internal_service_pb2.RebuildProjectionResponse:
        """Rebuilds the coverage projection beside the current one, then switches to it. Checks are answered
        throughout. The usage of limits doesn't change. Admins only.
        Errors: UNAVAILABLE.
        """

class CostProviderService:
    """Computes the monthly cost of coverage to the minor unit, and how it is split between payers. If a price is
    missing, the call fails; the service never estimates.
    """
    def __init__(self, caller: Caller) -> None: ...
    def get_insurance_cost(
        self,
        request: cost_provider_service_pb2.GetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        inquiry: insurance_cost_pb2.CostInquiry | CostInquiryFields | None = ...,
        consistency_token: str = ...,
        view: insurance_cost_pb2.CostView.ValueType | str = ...,
    ) -> cost_provider_service_pb2.GetInsuranceCostResponse:
        """Returns the monthly cost for one inquiry. A policy for which legacy tables answer is priced as if it were
        aligned with them now; if a row has a product that isn't mapped, the call fails with LEGACY_CANNOT_HOLD.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED,
        NO_CONTRACT_VERSION, MODULE_NOT_IN_VERSION, NOBODY_COVERED, NO_MODULES, PRICE_MISSING,
        ENGINE_PARAMETER_MISSING, AMOUNT_TOO_LARGE, LEGACY_CANNOT_HOLD; INVALID_ARGUMENT.
        """
    def batch_get_insurance_cost(
        self,
        request: cost_provider_service_pb2.BatchGetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        inquiries: Iterable[insurance_cost_pb2.CostInquiry | CostInquiryFields] | None = ...,
        consistency_token: str = ...,
        view: insurance_cost_pb2.CostView.ValueType | str = ...,
    ) -> cost_provider_service_pb2.BatchGetInsuranceCostResponse:
        """Returns the monthly costs for up to 1000 inquiries, in the same order. An inquiry that is malformed or can't
        be priced fails on its own. All inquiries see the same state of contracts, members and groups. All results
        together have at most 3 MiB. If complete results don't fit, those from the first one that doesn't fit are
        short: costs are BASIC, and errors have at most one field violation.
        Errors: INVALID_ARGUMENT if the list itself is invalid; errors of an inquiry are in its result.
        """

class AsyncCostProviderService:
    """Computes the monthly cost of coverage to the minor unit, and how it is split between payers. If a price is
    missing, the call fails; the service never estimates.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def get_insurance_cost(
        self,
        request: cost_provider_service_pb2.GetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        inquiry: insurance_cost_pb2.CostInquiry | CostInquiryFields | None = ...,
        consistency_token: str = ...,
        view: insurance_cost_pb2.CostView.ValueType | str = ...,
    ) -> cost_provider_service_pb2.GetInsuranceCostResponse:
        """Returns the monthly cost for one inquiry. A policy for which legacy tables answer is priced as if it were
        aligned with them now; if a row has a product that isn't mapped, the call fails with LEGACY_CANNOT_HOLD.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED,
        NO_CONTRACT_VERSION, MODULE_NOT_IN_VERSION, NOBODY_COVERED, NO_MODULES, PRICE_MISSING,
        ENGINE_PARAMETER_MISSING, AMOUNT_TOO_LARGE, LEGACY_CANNOT_HOLD; INVALID_ARGUMENT.
        """
    async def batch_get_insurance_cost(
        self,
        request: cost_provider_service_pb2.BatchGetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        inquiries: Iterable[insurance_cost_pb2.CostInquiry | CostInquiryFields] | None = ...,
        consistency_token: str = ...,
        view: insurance_cost_pb2.CostView.ValueType | str = ...,
    ) -> cost_provider_service_pb2.BatchGetInsuranceCostResponse:
        """Returns the monthly costs for up to 1000 inquiries, in the same order. An inquiry that is malformed or can't
        be priced fails on its own. All inquiries see the same state of contracts, members and groups. All results
        together have at most 3 MiB. If complete results don't fit, those from the first one that doesn't fit are
        short: costs are BASIC, and errors have at most one field violation.
        Errors: INVALID_ARGUMENT if the list itself is invalid; errors of an inquiry are in its result.
        """

class PremiumComputationService:
    """Computes what policies owe, records it in an append-only ledger, and provides it for invoicing. If the past
    changes, computing the months again cancels entries that are no longer correct and adds new ones. Invoiced
    entries stay invoiced, and the difference is part of the next invoice.
    """
    def __init__(self, caller: Caller) -> None: ...
    def preview_premiums(
        self,
        request: premium_computation_service_pb2.PreviewPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        parameters: pricing_pb2.EngineParameters | EngineParametersFields | None = ...,
        consistency_token: str = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> premium_computation_service_pb2.PreviewPremiumsResponse:
        """Computes months of a policy and compares them with the ledger. Stores nothing. If the response would have
        more than 3 MiB, it ends with an earlier month (see `next_month`). A policy for which legacy tables answer
        is computed as if it were aligned with them now; if a row has a product that isn't mapped, the call fails
        with LEGACY_CANNOT_HOLD.
        Errors: NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED, NO_CONTRACT_VERSION, PRICE_MISSING,
        MODULE_NOT_IN_VERSION, ENGINE_PARAMETER_MISSING, AMOUNT_TOO_LARGE, LEGACY_CANNOT_HOLD; INVALID_ARGUMENT.
        """
    def compute_premiums(
        self,
        request: premium_computation_service_pb2.ComputePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        parameters: pricing_pb2.EngineParameters | EngineParametersFields | None = ...,
    ) -> premium_computation_service_pb2.ComputePremiumsResponse:
        """Computes months of a policy and updates the ledger to match, in one transaction. If a recompute of the
        policy is waiting, it runs first. Computing the same months again without a change adds nothing.
        Errors: as PreviewPremiums; FAILED_PRECONDITION/MEMBER_MERGED, MIGRATION_STAGE while legacy tables answer
        for the policy; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to retry with the same request_id.
        """
    def run_premiums(
        self,
        request: premium_computation_service_pb2.RunPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        parameters: pricing_pb2.EngineParameters | EngineParametersFields | None = ...,
    ) -> Generator[premium_computation_service_pb2.RunPremiumsResponse]:
        """Computes all policies of one contract or of all contracts, each like ComputePremiums, and streams progress
        until the run is done or stopped. The run uses all servers of the database, and continues if the caller
        disconnects or a server fails. Sending the same request again (same request_id) follows the run, or resumes
        it if it was stopped; finished work is not repeated. A policy that can't be computed is reported and
        skipped.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT. Safe to retry with
        the same request_id.
        """
    def get_premium_run(
        self,
        request: premium_computation_service_pb2.GetPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        run_id: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.GetPremiumRunResponse:
        """Returns a premium run with its progress.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT.
        """
    def list_premium_runs(
        self,
        request: premium_computation_service_pb2.ListPremiumRunsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        state: premium_computation_service_pb2.PremiumRunState.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumRunsResponse:
        """Lists premium runs, newest first.
        Errors: INVALID_ARGUMENT.
        """
    def all_premium_runs(
        self,
        request: premium_computation_service_pb2.ListPremiumRunsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        state: premium_computation_service_pb2.PremiumRunState.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[premium_computation_service_pb2.PremiumRun]:
        """The runs of all pages of `list_premium_runs`, one after the other."""
    def stop_premium_run(
        self,
        request: premium_computation_service_pb2.StopPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        run_id: str = ...,
    ) -> premium_computation_service_pb2.StopPremiumRunResponse:
        """Stops a run: policies that are being computed are finished, and no others are started. A run that has
        already ended doesn't change.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    def list_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumFailuresResponse:
        """Lists the policies that a run skipped, or that following a contract skipped, in order of group_id.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN, CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[premium_computation_service_pb2.PremiumFailure]:
        """The failures of all pages of `list_premium_failures`, one after the other."""
    def set_premium_following(
        self,
        request: premium_computation_service_pb2.SetPremiumFollowingRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        following: bool = ...,
    ) -> premium_computation_service_pb2.SetPremiumFollowingResponse:
        """Turns following on or off for a contract. If it is on, months that were computed before are recomputed
        automatically when something that their amounts depend on changes: days, membership types, dates of birth,
        the primary's health regime, or the contract's prices, discounts, taxes and engine parameters. Only policies
        that the change can affect are recomputed, starting with the first month whose amount can change. Until
        then, `stale_from` reports that month. A policy that can't be computed is listed by ListPremiumFailures, and
        is tried again after its next change. Following uses the parameters of the contract and its country. Turning
        it on also recomputes everything that is stale already.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; FAILED_PRECONDITION/MIGRATION_STAGE: it can't be turned on while legacy
        tables answer for the contract; INVALID_ARGUMENT. Safe to repeat.
        """
    def list_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | EnrollmentIdsFields | None = ...,
        contract_id: str = ...,
        invoice_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        explain: bool = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> premium_computation_service_pb2.ListPremiumEntriesResponse:
        """Lists the premium entries of a policy, of given enrollments, of a contract, or of an invoice, in the order
        in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | EnrollmentIdsFields | None = ...,
        contract_id: str = ...,
        invoice_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        explain: bool = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> Generator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_premium_entries`, one after the other."""
    def list_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType | str = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> premium_computation_service_pb2.ListUninvoicedPremiumsResponse:
        """Lists the entries of months that end on or before a day and that have components not yet invoiced to a
        debtor: live and cancelled entries as well as offsets. An entry and its offset are omitted if nothing of
        either was invoiced to the debtor. In the order in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType | str = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> Generator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_uninvoiced_premiums`, one after the other."""
    def mark_premiums_invoiced(
        self,
        request: premium_computation_service_pb2.MarkPremiumsInvoicedRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        entry_ids: Iterable[str] | None = ...,
        debtor: premium_entry_pb2.Debtor.ValueType | str = ...,
        invoice_id: str = ...,
    ) -> premium_computation_service_pb2.MarkPremiumsInvoicedResponse:
        """Records an invoice on those components of the given entries that are billed to a debtor, in one transaction.
        Components that are already on this invoice don't change.
        Errors: NOT_FOUND/PREMIUM_ENTRY_UNKNOWN; FAILED_PRECONDITION/ALREADY_INVOICED (a component is on another
        invoice), MIGRATION_STAGE while legacy tables answer for a policy; ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry with the same request_id.
        """
    def aggregate_premiums(
        self,
        request: premium_computation_service_pb2.AggregatePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        by: Iterable[premium_computation_service_pb2.PremiumDimension.ValueType | str] | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        contract_ids: Iterable[str] | None = ...,
        group_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> premium_computation_service_pb2.AggregatePremiumsResponse:
        """Returns sums of the amounts owed, over all entries including offsets, in pages. In order of their values and
        currency; sums of 0 are omitted. Each page is computed when it is requested, so read all pages while nothing
        is recorded, or ask for fewer sums, if they must add up.
        Errors: FAILED_PRECONDITION/AMOUNT_TOO_LARGE (a sum doesn't fit in 64 bits); INVALID_ARGUMENT.
        """
    def aggregate_all_premiums(
        self,
        request: premium_computation_service_pb2.AggregatePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        by: Iterable[premium_computation_service_pb2.PremiumDimension.ValueType | str] | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        contract_ids: Iterable[str] | None = ...,
        group_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> Generator[premium_computation_service_pb2.PremiumSum]:
        """The sums of all pages of `aggregate_premiums`, one after the other."""

class AsyncPremiumComputationService:
    """Computes what policies owe, records it in an append-only ledger, and provides it for invoicing. If the past
    changes, computing the months again cancels entries that are no longer correct and adds new ones. Invoiced
    entries stay invoiced, and the difference is part of the next invoice.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def preview_premiums(
        self,
        request: premium_computation_service_pb2.PreviewPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        parameters: pricing_pb2.EngineParameters | EngineParametersFields | None = ...,
        consistency_token: str = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> premium_computation_service_pb2.PreviewPremiumsResponse:
        """Computes months of a policy and compares them with the ledger. Stores nothing. If the response would have
        more than 3 MiB, it ends with an earlier month (see `next_month`). A policy for which legacy tables answer
        is computed as if it were aligned with them now; if a row has a product that isn't mapped, the call fails
        with LEGACY_CANNOT_HOLD.
        Errors: NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED, NO_CONTRACT_VERSION, PRICE_MISSING,
        MODULE_NOT_IN_VERSION, ENGINE_PARAMETER_MISSING, AMOUNT_TOO_LARGE, LEGACY_CANNOT_HOLD; INVALID_ARGUMENT.
        """
    async def compute_premiums(
        self,
        request: premium_computation_service_pb2.ComputePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        parameters: pricing_pb2.EngineParameters | EngineParametersFields | None = ...,
    ) -> premium_computation_service_pb2.ComputePremiumsResponse:
        """Computes months of a policy and updates the ledger to match, in one transaction. If a recompute of the
        policy is waiting, it runs first. Computing the same months again without a change adds nothing.
        Errors: as PreviewPremiums; FAILED_PRECONDITION/MEMBER_MERGED, MIGRATION_STAGE while legacy tables answer
        for the policy; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to retry with the same request_id.
        """
    def run_premiums(
        self,
        request: premium_computation_service_pb2.RunPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        parameters: pricing_pb2.EngineParameters | EngineParametersFields | None = ...,
    ) -> AsyncGenerator[premium_computation_service_pb2.RunPremiumsResponse]:
        """Computes all policies of one contract or of all contracts, each like ComputePremiums, and streams progress
        until the run is done or stopped. The run uses all servers of the database, and continues if the caller
        disconnects or a server fails. Sending the same request again (same request_id) follows the run, or resumes
        it if it was stopped; finished work is not repeated. A policy that can't be computed is reported and
        skipped.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT. Safe to retry with
        the same request_id.
        """
    async def get_premium_run(
        self,
        request: premium_computation_service_pb2.GetPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        run_id: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.GetPremiumRunResponse:
        """Returns a premium run with its progress.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT.
        """
    async def list_premium_runs(
        self,
        request: premium_computation_service_pb2.ListPremiumRunsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        state: premium_computation_service_pb2.PremiumRunState.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumRunsResponse:
        """Lists premium runs, newest first.
        Errors: INVALID_ARGUMENT.
        """
    def all_premium_runs(
        self,
        request: premium_computation_service_pb2.ListPremiumRunsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        state: premium_computation_service_pb2.PremiumRunState.ValueType | str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[premium_computation_service_pb2.PremiumRun]:
        """The runs of all pages of `list_premium_runs`, one after the other."""
    async def stop_premium_run(
        self,
        request: premium_computation_service_pb2.StopPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        run_id: str = ...,
    ) -> premium_computation_service_pb2.StopPremiumRunResponse:
        """Stops a run: policies that are being computed are finished, and no others are started. A run that has
        already ended doesn't change.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    async def list_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumFailuresResponse:
        """Lists the policies that a run skipped, or that following a contract skipped, in order of group_id.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN, CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[premium_computation_service_pb2.PremiumFailure]:
        """The failures of all pages of `list_premium_failures`, one after the other."""
    async def set_premium_following(
        self,
        request: premium_computation_service_pb2.SetPremiumFollowingRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        following: bool = ...,
    ) -> premium_computation_service_pb2.SetPremiumFollowingResponse:
        """Turns following on or off for a contract. If it is on, months that were computed before are recomputed
        automatically when something that their amounts depend on changes: days, membership types, dates of birth,
        the primary's health regime, or the contract's prices, discounts, taxes and engine parameters. Only policies
        that the change can affect are recomputed, starting with the first month whose amount can change. Until
        then, `stale_from` reports that month. A policy that can't be computed is listed by ListPremiumFailures, and
        is tried again after its next change. Following uses the parameters of the contract and its country. Turning
        it on also recomputes everything that is stale already.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; FAILED_PRECONDITION/MIGRATION_STAGE: it can't be turned on while legacy
        tables answer for the contract; INVALID_ARGUMENT. Safe to repeat.
        """
    async def list_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | EnrollmentIdsFields | None = ...,
        contract_id: str = ...,
        invoice_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        explain: bool = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> premium_computation_service_pb2.ListPremiumEntriesResponse:
        """Lists the premium entries of a policy, of given enrollments, of a contract, or of an invoice, in the order
        in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | EnrollmentIdsFields | None = ...,
        contract_id: str = ...,
        invoice_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        explain: bool = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> AsyncGenerator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_premium_entries`, one after the other."""
    async def list_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType | str = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> premium_computation_service_pb2.ListUninvoicedPremiumsResponse:
        """Lists the entries of months that end on or before a day and that have components not yet invoiced to a
        debtor: live and cancelled entries as well as offsets. An entry and its offset are omitted if nothing of
        either was invoiced to the debtor. In the order in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        policy: insurance_cost_pb2.Policy | PolicyFields | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType | str = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
        view: premium_entry_pb2.PremiumView.ValueType | str = ...,
    ) -> AsyncGenerator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_uninvoiced_premiums`, one after the other."""
    async def mark_premiums_invoiced(
        self,
        request: premium_computation_service_pb2.MarkPremiumsInvoicedRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        entry_ids: Iterable[str] | None = ...,
        debtor: premium_entry_pb2.Debtor.ValueType | str = ...,
        invoice_id: str = ...,
    ) -> premium_computation_service_pb2.MarkPremiumsInvoicedResponse:
        """Records an invoice on those components of the given entries that are billed to a debtor, in one transaction.
        Components that are already on this invoice don't change.
        Errors: NOT_FOUND/PREMIUM_ENTRY_UNKNOWN; FAILED_PRECONDITION/ALREADY_INVOICED (a component is on another
        invoice), MIGRATION_STAGE while legacy tables answer for a policy; ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry with the same request_id.
        """
    async def aggregate_premiums(
        self,
        request: premium_computation_service_pb2.AggregatePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        by: Iterable[premium_computation_service_pb2.PremiumDimension.ValueType | str] | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        contract_ids: Iterable[str] | None = ...,
        group_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> premium_computation_service_pb2.AggregatePremiumsResponse:
        """Returns sums of the amounts owed, over all entries including offsets, in pages. In order of their values and
        currency; sums of 0 are omitted. Each page is computed when it is requested, so read all pages while nothing
        is recorded, or ask for fewer sums, if they must add up.
        Errors: FAILED_PRECONDITION/AMOUNT_TOO_LARGE (a sum doesn't fit in 64 bits); INVALID_ARGUMENT.
        """
    def aggregate_all_premiums(
        self,
        request: premium_computation_service_pb2.AggregatePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        by: Iterable[premium_computation_service_pb2.PremiumDimension.ValueType | str] | None = ...,
        months: year_month_pb2.MonthSpan | tuple[date, date] | None = ...,
        contract_ids: Iterable[str] | None = ...,
        group_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> AsyncGenerator[premium_computation_service_pb2.PremiumSum]:
        """The sums of all pages of `aggregate_premiums`, one after the other."""

class CatalogService:
    """Stores contracts with their versions and modules. This is the built-in source of contracts; a deployment can
    replace it by another implementation of the same domain interface.
    """
    def __init__(self, caller: Caller) -> None: ...
    def publish_contract(
        self,
        request: catalog_service_pb2.PublishContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        contract: contract_pb2.Contract | ContractFields | None = ...,
    ) -> catalog_service_pb2.PublishContractResponse:
        """Stores a new contract with its versions.
        Errors: INVALID_ARGUMENT with every field violation (malformed fields first, then inconsistencies in the
        contract, such as overlapping price rows, unknown modules, or a negation over an enrollment);
        ALREADY_EXISTS/CONTRACT_EXISTS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN. Safe to retry
        with the same request_id.
        """
    def add_contract_version(
        self,
        request: catalog_service_pb2.AddContractVersionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        version: contract_pb2.ContractVersion | ContractVersionFields | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AddContractVersionResponse:
        """Adds a version after the last one. If the last version is open-ended, it ends on the day before the new one
        starts. Every group of the contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN;
        ALREADY_EXISTS/VERSION_OVERLAPS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN;
        FAILED_PRECONDITION/SLOT_CHANGED; ABORTED/ETAG_MISMATCH. Safe to retry with the same request_id.
        """
    def amend_contract(
        self,
        request: catalog_service_pb2.AmendContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        versions: Iterable[contract_pb2.ContractVersion | ContractVersionFields] | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AmendContractResponse:
        """Replaces all versions of a contract with a new list, in one transaction. Earlier states of the contract can
        still be read as of their instants. Every group of the contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN; ABORTED/ETAG_MISMATCH;
        FAILED_PRECONDITION/SLOT_CHANGED if a module would move to another slot; ALREADY_EXISTS/REQUEST_ID_REUSED,
        ALREADY_EXISTS/MODULE_TAKEN. Safe to retry with the same request_id.
        """
    def validate_contract(
        self,
        request: catalog_service_pb2.ValidateContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        publish: catalog_service_pb2.PublishContractRequest | PublishContractRequestFields | None = ...,
        add_version: catalog_service_pb2.AddContractVersionRequest | AddContractVersionRequestFields | None = ...,
        amend: catalog_service_pb2.AmendContractRequest | AmendContractRequestFields | None = ...,
    ) -> catalog_service_pb2.ValidateContractResponse:
        """Returns all errors and warnings that PublishContract, AddContractVersion or AmendContract would return now,
        without storing anything. Errors that these calls report as their status are returned as `errors`, so a
        contract with errors doesn't fail this call. Allowed for callers who may publish contracts.
        Errors: INVALID_ARGUMENT if `publication` is unset.
        """
    def get_contract(
        self,
        request: catalog_service_pb2.GetContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        contract_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetContractResponse:
        """Returns a contract in its current state, or as it was recorded at an instant.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN (including a contract that didn't exist at that instant);
        INVALID_ARGUMENT.
        """
    def list_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.ListContractsResponse:
        """Lists contracts in their current state, in order of contract_id.
        Errors: INVALID_ARGUMENT.
        """
    def all_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[contract_pb2.Contract]:
        """The contracts of all pages of `list_contracts`, one after the other."""
    def get_modules(
        self,
        request: catalog_service_pb2.GetModulesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        module_ids: Iterable[str] | None = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetModulesResponse:
        """Returns the modules with the given ids, in the order of the request: their names, service types, prices and
        contracts.
        Errors: NOT_FOUND/MODULE_UNKNOWN; INVALID_ARGUMENT.
        """

class AsyncCatalogService:
    """Stores contracts with their versions and modules. This is the built-in source of contracts; a deployment can
    replace it by another implementation of the same domain interface.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def publish_contract(
        self,
        request: catalog_service_pb2.PublishContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        contract: contract_pb2.Contract | ContractFields | None = ...,
    ) -> catalog_service_pb2.PublishContractResponse:
        """Stores a new contract with its versions.
        Errors: INVALID_ARGUMENT with every field violation (malformed fields first, then inconsistencies in the
        contract, such as overlapping price rows, unknown modules, or a negation over an enrollment);
        ALREADY_EXISTS/CONTRACT_EXISTS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN. Safe to retry
        with the same request_id.
        """
    async def add_contract_version(
        self,
        request: catalog_service_pb2.AddContractVersionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        version: contract_pb2.ContractVersion | ContractVersionFields | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AddContractVersionResponse:
        """Adds a version after the last one. If the last version is open-ended, it ends on the day before the new one
        starts. Every group of the contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN;
        ALREADY_EXISTS/VERSION_OVERLAPS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN;
        FAILED_PRECONDITION/SLOT_CHANGED; ABORTED/ETAG_MISMATCH. Safe to retry with the same request_id.
        """
    async def amend_contract(
        self,
        request: catalog_service_pb2.AmendContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        versions: Iterable[contract_pb2.ContractVersion | ContractVersionFields] | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AmendContractResponse:
        """Replaces all versions of a contract with a new list, in one transaction. Earlier states of the contract can
        still be read as of their instants. Every group of the contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN; ABORTED/ETAG_MISMATCH;
        FAILED_PRECONDITION/SLOT_CHANGED if a module would move to another slot; ALREADY_EXISTS/REQUEST_ID_REUSED,
        ALREADY_EXISTS/MODULE_TAKEN. Safe to retry with the same request_id.
        """
    async def validate_contract(
        self,
        request: catalog_service_pb2.ValidateContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        publish: catalog_service_pb2.PublishContractRequest | PublishContractRequestFields | None = ...,
        add_version: catalog_service_pb2.AddContractVersionRequest | AddContractVersionRequestFields | None = ...,
        amend: catalog_service_pb2.AmendContractRequest | AmendContractRequestFields | None = ...,
    ) -> catalog_service_pb2.ValidateContractResponse:
        """Returns all errors and warnings that PublishContract, AddContractVersion or AmendContract would return now,
        without storing anything. Errors that these calls report as their status are returned as `errors`, so a
        contract with errors doesn't fail this call. Allowed for callers who may publish contracts.
        Errors: INVALID_ARGUMENT if `publication` is unset.
        """
    async def get_contract(
        self,
        request: catalog_service_pb2.GetContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        contract_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetContractResponse:
        """Returns a contract in its current state, or as it was recorded at an instant.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN (including a contract that didn't exist at that instant);
        INVALID_ARGUMENT.
        """
    async def list_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.ListContractsResponse:
        """Lists contracts in their current state, in order of contract_id.
        Errors: INVALID_ARGUMENT.
        """
    def all_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[contract_pb2.Contract]:
        """The contracts of all pages of `list_contracts`, one after the other."""
    async def get_modules(
        self,
        request: catalog_service_pb2.GetModulesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        module_ids: Iterable[str] | None = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetModulesResponse:
        """Returns the modules with the given ids, in the order of the request: their names, service types, prices and
        contracts.
        Errors: NOT_FOUND/MODULE_UNKNOWN; INVALID_ARGUMENT.
        """

class MemberService:
    """Stores members and their facts. This is the built-in source of facts; a deployment can replace it by another
    implementation of the same domain interface.
    """
    def __init__(self, caller: Caller) -> None: ...
    def upsert_member(
        self,
        request: member_service_pb2.UpsertMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        member: member_pb2.Member | MemberFields | None = ...,
        etag: str = ...,
    ) -> member_service_pb2.UpsertMemberResponse:
        """Creates a member, or replaces the kind, name and identifiers of the stored one. The facts don't change.
        Errors: INVALID_ARGUMENT; ALREADY_EXISTS/REQUEST_ID_REUSED; ALREADY_EXISTS/IDENTIFIER_TAKEN;
        ABORTED/ETAG_MISMATCH; FAILED_PRECONDITION/MEMBER_ERASED or MEMBER_MERGED. Safe to retry with the same
        request_id.
        """
    def record_facts(
        self,
        request: member_service_pb2.RecordFactsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        member_id: str = ...,
        birth: member_pb2.Birth | BirthFields | None = ...,
        addresses: member_pb2.Addresses | AddressesFields | None = ...,
        employments: member_pb2.Employments | EmploymentsFields | None = ...,
        health_regimes: member_pb2.HealthRegimes | HealthRegimesFields | None = ...,
        attributes: member_pb2.Attributes | AttributesFields | None = ...,
        death: member_pb2.Death | DeathFields | None = ...,
        etag: str = ...,
        spans: bool = ...,
        cleared: Iterable[member_service_pb2.ClearedDays | ClearedDaysFields] | None = ...,
    ) -> member_service_pb2.RecordFactsResponse:
        """Replaces the facts of one kind about one member: all of them (an empty list deletes them) or, if `spans` is
        set, only those on the given days. Earlier states can still be read as of their instants. Every group to
        which the member belongs is recomputed. Every successful call records a state with a new etag, even if no
        fact changes.
        Errors: INVALID_ARGUMENT (including overlapping spans); NOT_FOUND/MEMBER_UNKNOWN;
        ALREADY_EXISTS/REQUEST_ID_REUSED; ABORTED/ETAG_MISMATCH; FAILED_PRECONDITION/MEMBER_ERASED or MEMBER_MERGED.
        Safe to retry with the same request_id.
        """
    def get_member(
        self,
        request: member_service_pb2.GetMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.GetMemberResponse:
        """Returns a member with all facts, in the current state or as recorded at an instant.
        Errors: NOT_FOUND/MEMBER_UNKNOWN (including a member that didn't exist at that instant); INVALID_ARGUMENT.
        """
    def batch_get_members(
        self,
        request: member_service_pb2.BatchGetMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        member_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.BatchGetMembersResponse:
        """Returns up to 1000 members with all facts, in the order of the request.
        Errors: INVALID_ARGUMENT. Members that don't exist are reported in the response.
        """
    def resolve_identifiers(
        self,
        request: member_service_pb2.ResolveIdentifiersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        identifiers: Iterable[member_pb2.Identifier | IdentifierFields] | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.ResolveIdentifiersResponse:
        """Returns the member to whom each of up to 1000 identifiers belongs, as of the call, without the delay of a
        search index. After a merge, the identifiers of both records belong to the remaining member. Erased members
        have none.
        Errors: INVALID_ARGUMENT. Identifiers that belong to nobody are reported in the response.
        """
    def search_members(
        self,
        request: member_service_pb2.SearchMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        query: str = ...,
        born_on: date_pb2.Date | date | None = ...,
        identifier: member_service_pb2.IdentifierFilter | IdentifierFilterFields | None = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.SearchMembersResponse:
        """Finds members by name, date of birth, identifier or id. Members who match by an identifier or an id come
        first, then those whose whole name is the query, then all others. Each of these three parts is in order of
        name, regardless of case, accents and punctuation, then of member_id. Erased members are found only by id.
        The id of a merged member finds the member into whom they were merged.
        Errors: INVALID_ARGUMENT, including when the query has no letters or digits, when it has more than 10 words,
        and when more than 5000 members match by identifiers or group ids.
        """
    def search_all_members(
        self,
        request: member_service_pb2.SearchMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        query: str = ...,
        born_on: date_pb2.Date | date | None = ...,
        identifier: member_service_pb2.IdentifierFilter | IdentifierFilterFields | None = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[member_service_pb2.MemberHit]:
        """The hits of all pages of `search_members`, one after the other."""
    def list_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.ListMembersResponse:
        """Lists members without their facts, in order of member_id. Members who were merged into others are omitted.
        Errors: INVALID_ARGUMENT.
        """
    def all_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[member_pb2.Member]:
        """The members of all pages of `list_members`, one after the other."""
    def erase_member(
        self,
        request: member_service_pb2.EraseMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        member_id: str = ...,
        keep_periods: bool = ...,
    ) -> member_service_pb2.EraseMemberResponse:
        """Erases the personal data of a member from every recorded state: name, identifiers, date of birth, addresses,
        employments, regimes and custom facts, and the notes, reasons and reason codes of change requests that name
        the member or belong to a group whose primary is the member. The identifiers can then be given to other
        members. Can't be undone. Admins only. Records that were merged into the member are erased, too. Ids,
        premiums and applications stay, because other members' histories and accounts depend on them. So do
        enrollment periods, unless keep_periods is false. Remaining periods can reveal facts: coverage that ended at
        an age limit reveals a birthday. The past of the member's groups, before today, is closed: it can be read
        but no longer changed. Premiums that were computed for the member are updated first. When the call returns,
        no server reports the erased data any longer, whether from the database or from memory.
        Errors: NOT_FOUND/MEMBER_UNKNOWN; FAILED_PRECONDITION/MEMBER_STILL_COVERED (today or later), MEMBER_MERGED,
        PERIODS_IN_USE, MIGRATION_STAGE (the member is in the legacy tables of a country that isn't RETIRED), or the
        reason why existing premiums can't be updated (PRICE_MISSING and others); ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry: erasing an erased member again keeps the first erasure day.
        """
    def merge_members(
        self,
        request: member_service_pb2.MergeMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        from_member_id: str = ...,
        into_member_id: str = ...,
        reason: str = ...,
        keep: member_service_pb2.KeptFacts.ValueType | str = ...,
    ) -> member_service_pb2.MergeMembersResponse:
        """Merges two records of one person, in one transaction. Can't be undone. Admins only. From then on,
        from_member_id is another id of into_member_id: approved requests that name it are read as naming
        into_member_id, in the same order. Identifiers, facts of kinds that into_member_id doesn't have, and the
        usage of limits are moved. Each custom fact is a kind of its own. The name stays that of into_member_id.
        Applications to limits stay as they were recorded and count towards into_member_id's usage, even beyond a
        limit. The groups concerned are recomputed in the same transaction. Premiums are not; the next computation
        of them adds offsets. Reads with from_member_id return into_member_id's data; writes that name it fail with
        FAILED_PRECONDITION/MEMBER_MERGED.
        Errors: INVALID_ARGUMENT, including when both ids are equal, when both records have different facts of one
        kind and `keep` is not set, and when the member would have more than 20 identifiers or 500 custom facts;
        NOT_FOUND/MEMBER_UNKNOWN; FAILED_PRECONDITION/MERGE_NOT_POSSIBLE if from_member_id is the primary of a group
        with an approved request, if one of them is a person and the other a pet, if one of them was erased, or if
        they have different membership types in one group (correct one of them first);
        FAILED_PRECONDITION/MEMBER_MERGED if one of them was merged before, or MIGRATION_STAGE if one of them is in
        the legacy tables of a country that isn't RETIRED; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to retry with the
        same request_id.
        """

class AsyncMemberService:
    """Stores members and their facts. This is the built-in source of facts; a deployment can replace it by another
    implementation of the same domain interface.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def upsert_member(
        self,
        request: member_service_pb2.UpsertMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        member: member_pb2.Member | MemberFields | None = ...,
        etag: str = ...,
    ) -> member_service_pb2.UpsertMemberResponse:
        """Creates a member, or replaces the kind, name and identifiers of the stored one. The facts don't change.
        Errors: INVALID_ARGUMENT; ALREADY_EXISTS/REQUEST_ID_REUSED; ALREADY_EXISTS/IDENTIFIER_TAKEN;
        ABORTED/ETAG_MISMATCH; FAILED_PRECONDITION/MEMBER_ERASED or MEMBER_MERGED. Safe to retry with the same
        request_id.
        """
    async def record_facts(
        self,
        request: member_service_pb2.RecordFactsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        member_id: str = ...,
        birth: member_pb2.Birth | BirthFields | None = ...,
        addresses: member_pb2.Addresses | AddressesFields | None = ...,
        employments: member_pb2.Employments | EmploymentsFields | None = ...,
        health_regimes: member_pb2.HealthRegimes | HealthRegimesFields | None = ...,
        attributes: member_pb2.Attributes | AttributesFields | None = ...,
        death: member_pb2.Death | DeathFields | None = ...,
        etag: str = ...,
        spans: bool = ...,
        cleared: Iterable[member_service_pb2.ClearedDays | ClearedDaysFields] | None = ...,
    ) -> member_service_pb2.RecordFactsResponse:
        """Replaces the facts of one kind about one member: all of them (an empty list deletes them) or, if `spans` is
        set, only those on the given days. Earlier states can still be read as of their instants. Every group to
        which the member belongs is recomputed. Every successful call records a state with a new etag, even if no
        fact changes.
        Errors: INVALID_ARGUMENT (including overlapping spans); NOT_FOUND/MEMBER_UNKNOWN;
        ALREADY_EXISTS/REQUEST_ID_REUSED; ABORTED/ETAG_MISMATCH; FAILED_PRECONDITION/MEMBER_ERASED or MEMBER_MERGED.
        Safe to retry with the same request_id.
        """
    async def get_member(
        self,
        request: member_service_pb2.GetMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.GetMemberResponse:
        """Returns a member with all facts, in the current state or as recorded at an instant.
        Errors: NOT_FOUND/MEMBER_UNKNOWN (including a member that didn't exist at that instant); INVALID_ARGUMENT.
        """
    async def batch_get_members(
        self,
        request: member_service_pb2.BatchGetMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        member_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.BatchGetMembersResponse:
        """Returns up to 1000 members with all facts, in the order of the request.
        Errors: INVALID_ARGUMENT. Members that don't exist are reported in the response.
        """
    async def resolve_identifiers(
        self,
        request: member_service_pb2.ResolveIdentifiersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        identifiers: Iterable[member_pb2.Identifier | IdentifierFields] | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.ResolveIdentifiersResponse:
        """Returns the member to whom each of up to 1000 identifiers belongs, as of the call, without the delay of a
        search index. After a merge, the identifiers of both records belong to the remaining member. Erased members
        have none.
        Errors: INVALID_ARGUMENT. Identifiers that belong to nobody are reported in the response.
        """
    async def search_members(
        self,
        request: member_service_pb2.SearchMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        query: str = ...,
        born_on: date_pb2.Date | date | None = ...,
        identifier: member_service_pb2.IdentifierFilter | IdentifierFilterFields | None = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.SearchMembersResponse:
        """Finds members by name, date of birth, identifier or id. Members who match by an identifier or an id come
        first, then those whose whole name is the query, then all others. Each of these three parts is in order of
        name, regardless of case, accents and punctuation, then of member_id. Erased members are found only by id.
        The id of a merged member finds the member into whom they were merged.
        Errors: INVALID_ARGUMENT, including when the query has no letters or digits, when it has more than 10 words,
        and when more than 5000 members match by identifiers or group ids.
        """
    def search_all_members(
        self,
        request: member_service_pb2.SearchMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        query: str = ...,
        born_on: date_pb2.Date | date | None = ...,
        identifier: member_service_pb2.IdentifierFilter | IdentifierFilterFields | None = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[member_service_pb2.MemberHit]:
        """The hits of all pages of `search_members`, one after the other."""
    async def list_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.ListMembersResponse:
        """Lists members without their facts, in order of member_id. Members who were merged into others are omitted.
        Errors: INVALID_ARGUMENT.
        """
    def all_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[member_pb2.Member]:
        """The members of all pages of `list_members`, one after the other."""
    async def erase_member(
        self,
        request: member_service_pb2.EraseMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        member_id: str = ...,
        keep_periods: bool = ...,
    ) -> member_service_pb2.EraseMemberResponse:
        """Erases the personal data of a member from every recorded state: name, identifiers, date of birth, addresses,
        employments, regimes and custom facts, and the notes, reasons and reason codes of change requests that name
        the member or belong to a group whose primary is the member. The identifiers can then be given to other
        members. Can't be undone. Admins only. Records that were merged into the member are erased, too. Ids,
        premiums and applications stay, because other members' histories and accounts depend on them. So do
        enrollment periods, unless keep_periods is false. Remaining periods can reveal facts: coverage that ended at
        an age limit reveals a birthday. The past of the member's groups, before today, is closed: it can be read
        but no longer changed. Premiums that were computed for the member are updated first. When the call returns,
        no server reports the erased data any longer, whether from the database or from memory.
        Errors: NOT_FOUND/MEMBER_UNKNOWN; FAILED_PRECONDITION/MEMBER_STILL_COVERED (today or later), MEMBER_MERGED,
        PERIODS_IN_USE, MIGRATION_STAGE (the member is in the legacy tables of a country that isn't RETIRED), or the
        reason why existing premiums can't be updated (PRICE_MISSING and others); ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry: erasing an erased member again keeps the first erasure day.
        """
    async def merge_members(
        self,
        request: member_service_pb2.MergeMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        from_member_id: str = ...,
        into_member_id: str = ...,
        reason: str = ...,
        keep: member_service_pb2.KeptFacts.ValueType | str = ...,
    ) -> member_service_pb2.MergeMembersResponse:
        """Merges two records of one person, in one transaction. Can't be undone. Admins only. From then on,
        from_member_id is another id of into_member_id: approved requests that name it are read as naming
        into_member_id, in the same order. Identifiers, facts of kinds that into_member_id doesn't have, and the
        usage of limits are moved. Each custom fact is a kind of its own. The name stays that of into_member_id.
        Applications to limits stay as they were recorded and count towards into_member_id's usage, even beyond a
        limit. The groups concerned are recomputed in the same transaction. Premiums are not; the next computation
        of them adds offsets. Reads with from_member_id return into_member_id's data; writes that name it fail with
        FAILED_PRECONDITION/MEMBER_MERGED.
        Errors: INVALID_ARGUMENT, including when both ids are equal, when both records have different facts of one
        kind and `keep` is not set, and when the member would have more than 20 identifiers or 500 custom facts;
        NOT_FOUND/MEMBER_UNKNOWN; FAILED_PRECONDITION/MERGE_NOT_POSSIBLE if from_member_id is the primary of a group
        with an approved request, if one of them is a person and the other a pet, if one of them was erased, or if
        they have different membership types in one group (correct one of them first);
        FAILED_PRECONDITION/MEMBER_MERGED if one of them was merged before, or MIGRATION_STAGE if one of them is in
        the legacy tables of a country that isn't RETIRED; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to retry with the
        same request_id.
        """

class InterchangeService:
    """Assigns control numbers to the interchanges that a deployment sends to its partners."""
    def __init__(self, caller: Caller) -> None: ...
    def reserve_control_numbers(
        self,
        request: interchange_service_pb2.ReserveControlNumbersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        count: int = ...,
    ) -> interchange_service_pb2.ReserveControlNumbersResponse:
        """Reserves consecutive control numbers for interchanges, groups and transaction sets that the caller writes.
        The numbers come from one sequence of the deployment, starting with 1. No number is reserved twice, even by
        concurrent calls on several servers. After a backup is restored, the numbers that were reserved since the
        backup can be reserved again. Numbers that a caller doesn't use are skipped.
        Errors: FAILED_PRECONDITION/CONTROL_NUMBERS_EXHAUSTED; ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT.
        Safe to retry with the same request_id.
        """

class AsyncInterchangeService:
    """Assigns control numbers to the interchanges that a deployment sends to its partners."""
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def reserve_control_numbers(
        self,
        request: interchange_service_pb2.ReserveControlNumbersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        count: int = ...,
    ) -> interchange_service_pb2.ReserveControlNumbersResponse:
        """Reserves consecutive control numbers for interchanges, groups and transaction sets that the caller writes.
        The numbers come from one sequence of the deployment, starting with 1. No number is reserved twice, even by
        concurrent calls on several servers. After a backup is restored, the numbers that were reserved since the
        backup can be reserved again. Numbers that a caller doesn't use are skipped.
        Errors: FAILED_PRECONDITION/CONTROL_NUMBERS_EXHAUSTED; ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT.
        Safe to retry with the same request_id.
        """

class AuditService:
    """Reads the audit log. Admins only. Calls of this service are recorded in the log, too."""
    def __init__(self, caller: Caller) -> None: ...
    def list_audit_entries(
        self,
        request: audit_service_pb2.ListAuditEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        named_id: str = ...,
        subject: str = ...,
        method: str = ...,
        outcome: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> audit_service_pb2.ListAuditEntriesResponse:
        """Lists the audit entries that match all given filters, newest first. The log records every write, every read
        by an admin, every call that was not allowed, and every call of this method.
        Errors: INVALID_ARGUMENT.
        """
    def all_audit_entries(
        self,
        request: audit_service_pb2.ListAuditEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        named_id: str = ...,
        subject: str = ...,
        method: str = ...,
        outcome: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> Generator[audit_service_pb2.AuditEntry]:
        """The entries of all pages of `list_audit_entries`, one after the other."""

class AsyncAuditService:
    """Reads the audit log. Admins only. Calls of this service are recorded in the log, too."""
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def list_audit_entries(
        self,
        request: audit_service_pb2.ListAuditEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        named_id: str = ...,
        subject: str = ...,
        method: str = ...,
        outcome: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> audit_service_pb2.ListAuditEntriesResponse:
        """Lists the audit entries that match all given filters, newest first. The log records every write, every read
        by an admin, every call that was not allowed, and every call of this method.
        Errors: INVALID_ARGUMENT.
        """
    def all_audit_entries(
        self,
        request: audit_service_pb2.ListAuditEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        named_id: str = ...,
        subject: str = ...,
        method: str = ...,
        outcome: str = ...,
        recorded_from: timestamp_pb2.Timestamp | datetime | None = ...,
        recorded_before: timestamp_pb2.Timestamp | datetime | None = ...,
        page_size: int = ...,
        page_token: str = ...,
    ) -> AsyncGenerator[audit_service_pb2.AuditEntry]:
        """The entries of all pages of `list_audit_entries`, one after the other."""

class MigrationService:
    """Moves countries from their legacy tables to this system, stage by stage. Admins only. Which tables a server
    can read is set by AFFILIA_LEGACY_SOURCES. docs/migrating.md is a guide.
    """
    def __init__(self, caller: Caller) -> None: ...
    def list_migrations(
        self,
        request: migration_service_pb2.ListMigrationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
    ) -> migration_service_pb2.ListMigrationsResponse:
        """Lists the countries that have a legacy source or a stage, in order of their codes.
        Errors: INVALID_ARGUMENT.
        """
    def map_legacy_contract(
        self,
        request: migration_service_pb2.MapLegacyContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        country_code: str = ...,
        legacy_contract_id: str = ...,
        contract_id: str = ...,
        products: Iterable[migration_service_pb2.LegacyProduct | LegacyProductFields] | None = ...,
    ) -> migration_service_pb2.MapLegacyContractResponse:
        """Maps a legacy contract to a contract, and its products to modules. Replaces the products that were mapped
        before. The first mapping of a country puts it into the stage TRANSLATE.
        Errors: NOT_FOUND/LEGACY_CONTRACT_UNKNOWN or CONTRACT_UNKNOWN; ALREADY_EXISTS/LEGACY_CONTRACT_MAPPED: the
        legacy contract or the contract is already mapped to another one; FAILED_PRECONDITION/MIGRATION_STAGE: a
        module with enrollments in the core would no longer be mapped; FAILED_PRECONDITION/NO_LEGACY_SOURCE;
        INVALID_ARGUMENT, including a module of another contract, a contract of another country, and a code listed
        twice; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to retry with the same request_id.
        """
    def set_migration_stage(
        self,
        request: migration_service_pb2.SetMigrationStageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        country_code: str = ...,
        stage: migration_service_pb2.MigrationStage.ValueType | str = ...,
        expected_stage: migration_service_pb2.MigrationStage.ValueType | str = ...,
        force: bool = ...,
        reason: str = ...,
    ) -> migration_service_pb2.SetMigrationStageResponse:
        """Moves a country to the next or to the previous stage. Waits for writes under way. The stage after TRANSLATE
        is DUAL_WRITE, then READ_CORE, CORE and RETIRED. Moving to READ_CORE requires a comparison that was started
        in DUAL_WRITE and found no differences but LATER, and moving to CORE one that was started in READ_CORE and
        found none. `force` skips these checks. RETIRED can't be left, and requires a reason.
        Errors: FAILED_PRECONDITION/STAGE_NOT_ADJACENT, MIGRATION_NOT_READY (metadata: the counts by kind) or
        NO_LEGACY_SOURCE; ABORTED/STAGE_MISMATCH: the stage isn't expected_stage; ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry with the same request_id.
        """
    def compare_sources(
        self,
        request: migration_service_pb2.CompareSourcesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        country_code: str = ...,
        contract_id: str = ...,
    ) -> Generator[migration_service_pb2.CompareSourcesResponse]:
        """Compares the legacy tables with the core, group by group, and streams each group that differs, with its
        worst difference. The last message has the counts. The result is stored if the comparison covers all
        contracts.
        Errors: FAILED_PRECONDITION/NO_LEGACY_SOURCE; NOT_FOUND/CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def backfill_groups(
        self,
        request: migration_service_pb2.BackfillGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] | None = None,
        request_id: str = ...,
        country_code: str = ...,
        contract_id: str = ...,
    ) -> Generator[migration_service_pb2.BackfillGroupsResponse]:
        """Aligns every group of a country, or of one contract, that is missing in the core or stale, in DUAL_WRITE and
        READ_CORE. In READ_CORE, it then also writes the core's days to the legacy tables. Streams its progress.
        Works on 200 groups at a time. Send the same request again to resume an interrupted backfill. A group that
        fails is reported and skipped.
        Errors: FAILED_PRECONDITION/MIGRATION_STAGE or NO_LEGACY_SOURCE; NOT_FOUND/CONTRACT_UNKNOWN;
        ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT. Safe to retry with the same request_id.
        """

class AsyncMigrationService:
    """Moves countries from their legacy tables to this system, stage by stage. Admins only. Which tables a server
    can read is set by AFFILIA_LEGACY_SOURCES. docs/migrating.md is a guide.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def list_migrations(
        self,
        request: migration_service_pb2.ListMigrationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
    ) -> migration_service_pb2.ListMigrationsResponse:
        """Lists the countries that have a legacy source or a stage, in order of their codes.
        Errors: INVALID_ARGUMENT.
        """
    async def map_legacy_contract(
        self,
        request: migration_service_pb2.MapLegacyContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        country_code: str = ...,
        legacy_contract_id: str = ...,
        contract_id: str = ...,
        products: Iterable[migration_service_pb2.LegacyProduct | LegacyProductFields] | None = ...,
    ) -> migration_service_pb2.MapLegacyContractResponse:
        """Maps a legacy contract to a contract, and its products to modules. Replaces the products that were mapped
        before. The first mapping of a country puts it into the stage TRANSLATE.
        Errors: NOT_FOUND/LEGACY_CONTRACT_UNKNOWN or CONTRACT_UNKNOWN; ALREADY_EXISTS/LEGACY_CONTRACT_MAPPED: the
        legacy contract or the contract is already mapped to another one; FAILED_PRECONDITION/MIGRATION_STAGE: a
        module with enrollments in the core would no longer be mapped; FAILED_PRECONDITION/NO_LEGACY_SOURCE;
        INVALID_ARGUMENT, including a module of another contract, a contract of another country, and a code listed
        twice; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to retry with the same request_id.
        """
    async def set_migration_stage(
        self,
        request: migration_service_pb2.SetMigrationStageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        country_code: str = ...,
        stage: migration_service_pb2.MigrationStage.ValueType | str = ...,
        expected_stage: migration_service_pb2.MigrationStage.ValueType | str = ...,
        force: bool = ...,
        reason: str = ...,
    ) -> migration_service_pb2.SetMigrationStageResponse:
        """Moves a country to the next or to the previous stage. Waits for writes under way. The stage after TRANSLATE
        is DUAL_WRITE, then READ_CORE, CORE and RETIRED. Moving to READ_CORE requires a comparison that was started
        in DUAL_WRITE and found no differences but LATER, and moving to CORE one that was started in READ_CORE and
        found none. `force` skips these checks. RETIRED can't be left, and requires a reason.
        Errors: FAILED_PRECONDITION/STAGE_NOT_ADJACENT, MIGRATION_NOT_READY (metadata: the counts by kind) or
        NO_LEGACY_SOURCE; ABORTED/STAGE_MISMATCH: the stage isn't expected_stage; ALREADY_EXISTS/REQUEST_ID_REUSED;
        INVALID_ARGUMENT. Safe to retry with the same request_id.
        """
    def compare_sources(
        self,
        request: migration_service_pb2.CompareSourcesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        country_code: str = ...,
        contract_id: str = ...,
    ) -> AsyncGenerator[migration_service_pb2.CompareSourcesResponse]:
        """Compares the legacy tables with the core, group by group, and streams each group that differs, with its
        worst difference. The last message has the counts. The result is stored if the comparison covers all
        contracts.
        Errors: FAILED_PRECONDITION/NO_LEGACY_SOURCE; NOT_FOUND/CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def backfill_groups(
        self,
        request: migration_service_pb2.BackfillGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
        request_id: str = ...,
        country_code: str = ...,
        contract_id: str = ...,
    ) -> AsyncGenerator[migration_service_pb2.BackfillGroupsResponse]:
        """Aligns every group of a country, or of one contract, that is missing in the core or stale, in DUAL_WRITE and
        READ_CORE. In READ_CORE, it then also writes the core's days to the legacy tables. Streams its progress.
        Works on 200 groups at a time. Send the same request again to resume an interrupted backfill. A group that
        fails is reported and skipped.
        Errors: FAILED_PRECONDITION/MIGRATION_STAGE or NO_LEGACY_SOURCE; NOT_FOUND/CONTRACT_UNKNOWN;
        ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT. Safe to retry with the same request_id.
        """
