"""The reasons why an affiliation piece, and with it a premium entry, starts on a certain day."""

from enum import StrEnum


class PieceReason(StrEnum):
    RANGE_START = "RANGE_START"
    ENROLLMENT_STARTED = "ENROLLMENT_STARTED"
    ENROLLMENT_ENDED = "ENROLLMENT_ENDED"
    AGE_CHANGED = "AGE_CHANGED"
    CONTRACT_VERSION = "CONTRACT_VERSION"
    DISCOUNT_STARTED = "DISCOUNT_STARTED"
    DISCOUNT_ENDED = "DISCOUNT_ENDED"
    REGIME_CHANGED = "REGIME_CHANGED"


Reasons = frozenset[PieceReason]

NO_REASON: Reasons = frozenset()
STARTED: Reasons = frozenset({PieceReason.ENROLLMENT_STARTED})
ENDED: Reasons = frozenset({PieceReason.ENROLLMENT_ENDED})
REGIME: Reasons = frozenset({PieceReason.REGIME_CHANGED})
AGED: Reasons = frozenset({PieceReason.AGE_CHANGED})
