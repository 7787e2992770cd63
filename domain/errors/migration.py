"""Errors about countries that are being migrated from legacy tables."""

from enum import StrEnum
from uuid import UUID

from domain.errors.base import DomainError, Reason


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
