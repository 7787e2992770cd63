"""History entries: what was recorded, when and by whom."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.actors import Actor
from domain.catalog.contract_changes import ContractChanges
from domain.enrollment.differences import Difference
from domain.enrollment.history import ChangeRequest, Recompute
from domain.fact_changes import FactChange
from domain.membership import MembershipType
from domain.migration.stages import Stage
from domain.premiums.invoicing import Debtor
from domain.premiums.months import Month
from domain.pricing.changes import CostChange

MAX_DIFFERENCES = 1000
MAX_FACT_CHANGES = 500
MAX_TRIGGERS = 100
MAX_PREMIUM_ENTRIES = 100


class HistoryKind(StrEnum):
    CHANGE_REQUEST = "CHANGE_REQUEST"
    FACT = "FACT"
    CONTRACT = "CONTRACT"
    RECOMPUTE = "RECOMPUTE"
    PREMIUM = "PREMIUM"
    ACCUMULATOR = "ACCUMULATOR"
    RECORD = "RECORD"


class RecordKind(StrEnum):
    """What was recorded about a member."""

    MEMBER_CREATED = "MEMBER_CREATED"
    MEMBER_CHANGED = "MEMBER_CHANGED"
    MEMBER_ERASED = "MEMBER_ERASED"
    MEMBER_MERGED = "MEMBER_MERGED"


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """Facts of a member that were recorded in one call. `changes` is empty if the facts were erased later."""

    member_id: UUID
    changes: tuple[FactChange, ...]
    changes_omitted: int = 0
    are_erased: bool = False


@dataclass(frozen=True, slots=True)
class RecordedContract:
    """A state of a contract, and what it changed."""

    contract_id: UUID
    revision: int
    changes: ContractChanges


@dataclass(frozen=True, slots=True)
class Trigger:
    """An entry that led to a recompute. `member_id` is None for a contract."""

    entry_id: str
    member_id: UUID | None


@dataclass(frozen=True, slots=True)
class DoneRecompute:
    """A recompute that is done, with its newest triggers, newest first."""

    recompute: Recompute
    triggers: tuple[Trigger, ...]
    are_triggers_omitted: bool = False


@dataclass(frozen=True, slots=True)
class MonthChange:
    """What a debtor owes for a month."""

    month: Month
    debtor: Debtor
    before_minor: int
    after_minor: int


@dataclass(frozen=True, slots=True)
class RecordedPremiums:
    """Premiums of a policy that were computed in one call or, with an `invoice_id`, put on an invoice."""

    invoice_id: str
    months: tuple[MonthChange, ...]
    currency_code: str
    entry_ids: tuple[UUID, ...]
    entry_ids_omitted: int


@dataclass(frozen=True, slots=True)
class LimitUse:
    """The use of one limit: the requested and the applied amount. Negative if it was reversed."""

    code: str
    asked: int
    applied: int


@dataclass(frozen=True, slots=True)
class RecordedUse:
    """An application to limits, or its reversal."""

    application_id: UUID
    member_id: UUID
    is_reversal: bool
    uses: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """The creation, change or erasure of a member, or the merge into another one.

    The names are only set if the name changed, `merged_into` and `reason` only for a merge.
    """

    kind: RecordKind
    member_id: UUID
    name_before: str = ""
    name_after: str = ""
    merged_into: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RecordedStage:
    """A change of the stage of the migration of a contract's country. `from_stage` is None if the migration began."""

    country: str
    from_stage: Stage | None
    to_stage: Stage
    forced: bool
    reason: str


EntryData = (
    ChangeRequest
    | RecordedFacts
    | RecordedContract
    | DoneRecompute
    | RecordedPremiums
    | RecordedUse
    | MemberRecord
    | RecordedStage
)

KINDS: dict[type[EntryData], HistoryKind] = {
    ChangeRequest: HistoryKind.CHANGE_REQUEST,
    RecordedFacts: HistoryKind.FACT,
    RecordedContract: HistoryKind.CONTRACT,
    DoneRecompute: HistoryKind.RECOMPUTE,
    RecordedPremiums: HistoryKind.PREMIUM,
    RecordedUse: HistoryKind.ACCUMULATOR,
    MemberRecord: HistoryKind.RECORD,
    RecordedStage: HistoryKind.RECORD,
}


@dataclass(frozen=True, slots=True)
class RevisionMade:
    """The revision of a group that an entry made, and how it differs from the previous one.

    `monthly_cost` is the cost on the first day that changed, or None if it can't be computed.
    """

    revision: int
    differences: tuple[Difference, ...]
    membership_types: dict[UUID, MembershipType]
    differences_omitted: int = 0
    monthly_cost: CostChange | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A history entry. Each id is set if the entry is about exactly one such record, and otherwise None."""

    entry_id: str
    recorded_at: datetime
    actor: Actor
    data: EntryData
    group_id: UUID | None = None
    member_id: UUID | None = None
    contract_id: UUID | None = None
    made: RevisionMade | None = None

    @property
    def kind(self) -> HistoryKind:
        return KINDS[type(self.data)]
