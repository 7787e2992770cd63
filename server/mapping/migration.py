"""Maps migrations, comparisons and backfills."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from affilia.migration.v1 import migration_service_pb2 as pb
from domain.days import to_date
from domain.errors import FieldViolation, RequestMalformed
from domain.migration.comparing import EnrollmentSourceDifference, GroupSourceDifference, SourceDifferenceKind
from domain.migration.legacy import FindingKind
from domain.migration.stages import Stage
from operations.migration.backfilling import BackfillReport
from operations.migration.mapping import NewMapping
from operations.migration.moving import RequestedStage
from operations.migration.status import Migration
from server.mapping.actors import actor_to_proto
from server.mapping.change_request import violation_to_proto
from server.mapping.dates import date_to_proto, days_to_proto, timestamp_to_proto
from server.mapping.enrollment_group import key_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from storage.legacy.identifiers import MappedContract
from storage.migration_backfills import BackfillFailure
from storage.migration_comparisons import Comparison

STAGES = EnumMapping(pb.MigrationStage.DESCRIPTOR, Stage)
DIFFERENCE_KINDS = EnumMapping(pb.SourceDifferenceKind.DESCRIPTOR, SourceDifferenceKind)
FINDING_KINDS = EnumMapping(pb.LegacyFindingKind.DESCRIPTOR, FindingKind)

COUNTRY_LETTERS = 2


def country_from_proto(country_code: str) -> str:
    """Returns a country code. Raises RequestMalformed."""
    is_code = len(country_code) == COUNTRY_LETTERS and country_code.isascii() and country_code.isalpha()
    if not is_code or not country_code.isupper():
        raise RequestMalformed(
            [FieldViolation("country_code", f"must be an ISO 3166 alpha-2 code such as ES, got {country_code!r}")]
        )
    return country_code


def migration_to_proto(migration: Migration) -> pb.Migration:
    found = pb.Migration(
        country_code=migration.country,
        has_source=migration.has_source,
        legacy_groups=migration.legacy_groups,
        core_groups=migration.core_groups,
        stale_groups=migration.stale_groups,
        unmapped_policies=migration.unmapped_policies,
        findings=[
            pb.LegacyFindingCount(kind=FINDING_KINDS.to_proto(kind), count=migration.findings[kind])
            for kind in FindingKind
            if migration.findings.get(kind)
        ],
        contracts=[mapped_contract_to_proto(mapped) for mapped in migration.contracts],
    )
    if migration.stage is not None:
        found.stage = STAGES.to_proto(migration.stage)
    if migration.changed_at is not None:
        found.changed_at.CopyFrom(timestamp_to_proto(migration.changed_at))
    if migration.changed_by is not None:
        found.changed_by.CopyFrom(actor_to_proto(migration.changed_by))
    if migration.last_comparison is not None:
        found.last_comparison.CopyFrom(comparison_to_proto(migration.last_comparison))
    return found


def comparison_to_proto(comparison: Comparison) -> pb.SourceComparison:
    return pb.SourceComparison(
        stage=STAGES.to_proto(comparison.stage),
        started_at=timestamp_to_proto(comparison.started_at),
        ended_at=timestamp_to_proto(comparison.ended_at) if comparison.ended_at else None,
        groups=comparison.groups,
        differences=_counts(comparison.differences),
    )


def _counts(differences: Mapping[str, int]) -> Iterable[pb.SourceDifferenceCount]:
    return [
        pb.SourceDifferenceCount(kind=DIFFERENCE_KINDS.to_proto(kind), count=differences[kind])
        for kind in SourceDifferenceKind
        if differences.get(kind)
    ]


def mapped_contract_to_proto(mapped: MappedContract) -> pb.MappedContract:
    return pb.MappedContract(
        legacy_contract_id=str(mapped.legacy_contract_id),
        contract_id=str(mapped.contract_id),
        products=[
            pb.LegacyProduct(code=code, module_id=str(module_id)) for code, module_id in sorted(mapped.modules.items())
        ],
    )


def new_mapping_from_proto(request: pb.MapLegacyContractRequest) -> NewMapping:
    """Returns the mapping to store. Raises RequestMalformed."""
    violations: list[FieldViolation] = []
    modules: dict[str, UUID] = {}
    for i, product in enumerate(request.products):
        if product.code in modules:
            violations.append(FieldViolation(f"products[{i}].code", f"is listed twice: {product.code}"))
        modules[product.code] = UUID(product.module_id)
    if not request.products:
        violations.append(FieldViolation("products", "must have at least one item"))
    if violations:
        raise RequestMalformed(violations)
    return NewMapping(
        country_from_proto(request.country_code), request.legacy_contract_id, UUID(request.contract_id), modules
    )


def stage_change_from_proto(request: pb.SetMigrationStageRequest) -> RequestedStage:
    """Returns the requested change. Raises RequestMalformed."""
    stage = STAGES.from_proto(request.stage)
    if not request.reason.strip() and (request.force or stage is Stage.RETIRED):
        raise RequestMalformed([FieldViolation("reason", "is required with force, and for the stage RETIRED")])
    return RequestedStage(
        country_from_proto(request.country_code),
        stage,
        STAGES.from_proto(request.expected_stage),
        request.reason,
        force=request.force,
    )


def difference_to_proto(difference: GroupSourceDifference) -> pb.GroupSourceDifference:
    return pb.GroupSourceDifference(
        group_id=str(difference.group_id),
        key=key_to_proto(difference.key),
        kind=DIFFERENCE_KINDS.to_proto(difference.kind),
        enrollments=[_enrollment_to_proto(each) for each in difference.enrollments],
        findings=[
            pb.LegacyFinding(kind=FINDING_KINDS.to_proto(finding.kind), row_id=str(finding.row_id))
            for finding in difference.findings
        ],
    )


def _enrollment_to_proto(each: EnrollmentSourceDifference) -> pb.EnrollmentSourceDifference:
    found = pb.EnrollmentSourceDifference(
        member_id=str(each.key.member_id),
        membership_type=MEMBERSHIP_TYPES.to_proto(each.membership_type),
        module_id=str(each.key.module_id),
        legacy_only=days_to_proto(each.legacy_only),
        core_only=days_to_proto(each.core_only),
        reasons=[violation_to_proto(reason) for reason in each.reasons],
    )
    if each.first > 0:
        found.first_on.CopyFrom(date_to_proto(to_date(each.first)))
    return found


def progress_to_proto(report: BackfillReport) -> pb.BackfillGroupsResponse:
    progress = report.progress
    return pb.BackfillGroupsResponse(
        groups=progress.groups,
        done=progress.done,
        aligned=progress.aligned,
        written_back=progress.written_back,
        failed=progress.failed,
        failures=[_failure_to_proto(failure) for failure in report.failures],
        is_complete=progress.is_complete,
    )


def _failure_to_proto(failure: BackfillFailure) -> pb.BackfillFailure:
    return pb.BackfillFailure(group_id=str(failure.group_id), reason=failure.reason, message=failure.message)
