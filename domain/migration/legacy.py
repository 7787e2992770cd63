"""A group as its legacy rows say: the rows as loaded, and the result of translating them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.days import UNBOUNDED_END, Day, Days, Span
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.membership import MembershipType


class FindingKind(StrEnum):
    """What is wrong with a row. PRODUCT_NOT_MAPPED prevents the group from being aligned."""

    NO_START = "NO_START"
    REVERSED = "REVERSED"
    PRODUCT_NOT_MAPPED = "PRODUCT_NOT_MAPPED"
    BEFORE_CONTRACT = "BEFORE_CONTRACT"
    SLOT_OVERLAP = "SLOT_OVERLAP"
    TYPE_CONFLICT = "TYPE_CONFLICT"


@dataclass(frozen=True, slots=True, order=True)
class RowFinding:
    """A finding about the row with this id."""

    row_id: int
    kind: FindingKind


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """One enrollment row, with inclusive days.

    `first_on` is None if the row has no first day, or an infinite one; `last_on` is None if it is open-ended.
    `membership_type` is None if the text is none of PRIMARY, PARTNER, CHILD and ASCENDANT.
    """

    row_id: int
    policy_id: int
    user_id: int
    membership_type: MembershipType | None
    product: str
    first_on: date | None
    last_on: date | None
    is_cancelled: bool

    @property
    def end(self) -> Day:
        """The day after the last one, or UNBOUNDED_END. 9999-12-31 is open-ended, too."""
        return UNBOUNDED_END if self.last_on in (None, date.max) else self.last_on.toordinal() + 1


@dataclass(frozen=True, slots=True)
class LegacyMapping:
    """How a legacy contract is mapped: its contract, the days that it covers, and the module of each product."""

    country: str
    legacy_contract_id: int
    contract_id: UUID
    days: Span
    modules: Mapping[str, UUID]


@dataclass(frozen=True, slots=True)
class LegacyGroup:
    """All rows of the policies of one owner under one contract, with the member id of every user in them.

    `policy_ids` are in order of creation, the newest last. Several users can be one member, if their records were
    merged. `birth_dates` are those that the users have.
    """

    group_id: UUID
    key: GroupKey
    mapping: LegacyMapping
    owner_user_id: int
    policy_ids: tuple[int, ...]
    rows: tuple[LegacyRow, ...]
    member_ids: Mapping[int, UUID]
    birth_dates: Mapping[UUID, date]


@dataclass(frozen=True, slots=True)
class Translated:
    """A legacy group in the core's terms. `fingerprint` is the SHA-256 of the translated runs in order."""

    group: LegacyGroup
    days: Mapping[EnrollmentKey, Days]
    membership_types: Mapping[UUID, MembershipType]
    findings: Sequence[RowFinding]
    fingerprint: bytes

    @property
    def is_blocked(self) -> bool:
        """Whether a finding prevents the group from being aligned."""
        return any(finding.kind is FindingKind.PRODUCT_NOT_MAPPED for finding in self.findings)
