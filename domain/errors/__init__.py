"""The errors of the domain.

Every error has a reason for programs, a sentence for people, and facts. `server/errors.py` maps each reason to a gRPC
status.
"""

from domain.errors.base import CannotBePriced, DomainError, FieldViolation, NotNow, Reason, RequestMalformed
from domain.errors.catalog import (
    ContractExists,
    ContractUnknown,
    ModuleTaken,
    ModuleUnknown,
    SlotChanged,
    VersionOverlaps,
)
from domain.errors.eligibility import (
    AccumulatorNotInForce,
    ApplicationIdReused,
    ApplicationUnknown,
    CapabilityUnknown,
    CoverageUnknown,
    LimitReached,
    NotCovered,
    ProjectionBehind,
)
from domain.errors.enrollment import (
    ChangeRequestUnknown,
    GroupUnknown,
    RecomputeUnknown,
    RevisionMismatch,
    RevisionUnknown,
)
from domain.errors.feed import ConsumerTooSlow, ErasedMeanwhile, FeedBehind, FeedDiverged, FeedTrimmed
from domain.errors.members import (
    IdentifierTaken,
    MemberErased,
    MemberStillCovered,
    MemberUnknown,
    PastClosed,
    PeriodsInUse,
)
from domain.errors.premiums import AlreadyInvoiced, PolicyNotComputed, PremiumEntryUnknown, PremiumRunUnknown
from domain.errors.pricing import (
    AmountTooLarge,
    EngineParameterMissing,
    ModuleNotInVersion,
    NobodyCovered,
    NoContractVersion,
    NoModules,
    PriceMissing,
)
from domain.errors.service import (
    DatabaseUnavailable,
    EtagMismatch,
    Overloaded,
    RequestIdReused,
    ShuttingDown,
    TokenInvalid,
    TokenOfAnotherHistory,
    TooLate,
    WriteConflict,
)

__all__ = [
    "AccumulatorNotInForce",
    "AlreadyInvoiced",
    "AmountTooLarge",
    "ApplicationIdReused",
    "ApplicationUnknown",
    "CannotBePriced",
    "CapabilityUnknown",
    "ChangeRequestUnknown",
    "ConsumerTooSlow",
    "ContractExists",
    "ContractUnknown",
    "CoverageUnknown",
    "DatabaseUnavailable",
    "DomainError",
    "EngineParameterMissing",
    "ErasedMeanwhile",
    "EtagMismatch",
    "FeedBehind",
    "FeedDiverged",
    "FeedTrimmed",
    "FieldViolation",
    "GroupUnknown",
    "IdentifierTaken",
    "LimitReached",
    "MemberErased",
    "MemberStillCovered",
    "MemberUnknown",
    "ModuleNotInVersion",
    "ModuleTaken",
    "ModuleUnknown",
    "NoContractVersion",
    "NoModules",
    "NobodyCovered",
    "NotCovered",
    "NotNow",
    "Overloaded",
    "PastClosed",
    "PeriodsInUse",
    "PolicyNotComputed",
    "PremiumEntryUnknown",
    "PremiumRunUnknown",
    "PriceMissing",
    "ProjectionBehind",
    "Reason",
    "RecomputeUnknown",
    "RequestIdReused",
    "RequestMalformed",
    "RevisionMismatch",
    "RevisionUnknown",
    "ShuttingDown",
    "SlotChanged",
    "TokenInvalid",
    "TokenOfAnotherHistory",
    "TooLate",
    "VersionOverlaps",
    "WriteConflict",
]
