"""Errors about the migration of countries from legacy tables."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from domain.errors.base import DomainError, Reason


class MigrationStageForbids(DomainError):
    """The stage of a country's migration doesn't allow a call."""

    reason = Reason.MIGRATION_STAGE

    def __init__(self, country: str, stage: str, what: str) -> None:
        super().__init__(
            f"The migration of {country} is in the stage {stage}, in which {what}.", country_code=country, stage=stage
        )


class NoLegacySource(DomainError):
    reason = Reason.NO_LEGACY_SOURCE

    def __init__(self, country: str = "") -> None:
        where = f"{country} has no legacy tables to read" if country else "No country has legacy tables to read"
        super().__init__(
            f"{where}: this server has no source for them (AFFILIA_LEGACY_SOURCES), or they are retired.",
            **({"country_code": country} if country else {}),
        )


class LegacyHasNoHistory(DomainError):
    reason = Reason.LEGACY_HAS_NO_HISTORY

    def __init__(self, country: str) -> None:
        super().__init__(
            f"The legacy tables of {country} have no earlier states. Omit the revision or instant, or set"
            " source_of_truth to FORCE_CORE.",
            country_code=country,
        )


class Obstacle(StrEnum):
    """Why legacy tables can't store a change, or why the core can't take over their rows."""

    MEMBER_KIND = "MEMBER_KIND"
    MEMBERSHIP_TYPE = "MEMBERSHIP_TYPE"
    PRODUCT_NOT_MAPPED = "PRODUCT_NOT_MAPPED"


class LegacyCannotHold(DomainError):
    reason = Reason.LEGACY_CANNOT_HOLD

    def __init__(self, cause: Obstacle, group_id: UUID, because: str, **about: object) -> None:
        """`about` is the member or the row that the sentence `because` is about."""
        super().__init__(
            f"The legacy tables and the core can't be kept in agreement about group {group_id}, because {because}.",
            cause=cause.value,
            group_id=group_id,
            **about,
        )


class LegacyContractUnknown(DomainError):
    reason = Reason.LEGACY_CONTRACT_UNKNOWN

    def __init__(self, country: str, legacy_contract_id: str) -> None:
        super().__init__(
            f"The legacy tables of {country} have no contract {legacy_contract_id}.",
            country_code=country,
            legacy_contract_id=legacy_contract_id,
        )


class LegacyContractMapped(DomainError):
    reason = Reason.LEGACY_CONTRACT_MAPPED

    def __init__(self, country: str, legacy_contract_id: str, contract_id: UUID) -> None:
        super().__init__(
            f"Legacy contract {legacy_contract_id} of {country} is already mapped to contract {contract_id}.",
            country_code=country,
            legacy_contract_id=legacy_contract_id,
            contract_id=contract_id,
        )


class StageNotAdjacent(DomainError):
    reason = Reason.STAGE_NOT_ADJACENT

    def __init__(self, country: str, stage: str, requested: str) -> None:
        super().__init__(
            f"{country} can't move from {stage} to {requested}: only one step at a time, and never out of RETIRED.",
            country_code=country,
            stage=stage,
            requested_stage=requested,
        )


class StageMismatch(DomainError):
    reason = Reason.STAGE_MISMATCH

    def __init__(self, country: str, stage: str, expected: str) -> None:
        super().__init__(
            f"{country} is in the stage {stage or 'UNSPECIFIED'}, not in {expected}.",
            country_code=country,
            stage=stage,
            expected_stage=expected,
        )


class MigrationNotReady(DomainError):
    reason = Reason.MIGRATION_NOT_READY

    def __init__(self, country: str, message: str, counts: Mapping[str, int]) -> None:
        super().__init__(message, country_code=country, **counts)
