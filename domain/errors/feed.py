"""Errors of the change feed."""

from domain.errors.base import DomainError, NotNow, Reason


class FeedBehind(NotNow):
    reason = Reason.FEED_BEHIND

    def __init__(self) -> None:
        super().__init__("The change feed is lagging behind. Retry after the delay in RetryInfo.")


class FeedTrimmed(DomainError):
    reason = Reason.FEED_TRIMMED

    def __init__(self, oldest_resume_token: str) -> None:
        super().__init__(
            "The feed no longer has the events after this token. Start with a snapshot.",
            oldest_resume_token=oldest_resume_token,
        )


class FeedDiverged(DomainError):
    reason = Reason.FEED_DIVERGED

    def __init__(self) -> None:
        super().__init__("The resume token belongs to another history of the feed. Start with a snapshot.")


class ErasedMeanwhile(NotNow):
    """The events to send were read before a member was erased and may contain the erased data."""

    reason = Reason.DATABASE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("A member was erased while events were being sent. Resume with the last token.")


class ConsumerTooSlow(DomainError):
    reason = Reason.CONSUMER_TOO_SLOW

    def __init__(self) -> None:
        super().__init__("The client did not read a message in time. Resume with the last token, and read faster.")
