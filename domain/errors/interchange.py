"""Errors about interchanges with partners."""

from domain.errors.base import DomainError, Reason


class ControlNumbersExhausted(DomainError):
    reason = Reason.CONTROL_NUMBERS_EXHAUSTED

    def __init__(self, requested: int, left: int) -> None:
        super().__init__(
            f"count must be at most {left}, the control numbers left up to 999,999,999, got {requested}.",
            requested=requested,
            left=left,
        )
