"""Limits how many calls and streams one caller has open on one listener."""

from collections import Counter
from dataclasses import dataclass, field

from domain.actors import ActorKind
from operations.call import Caller
from server.errors import TooManyOfCaller
from server.methods import Method


@dataclass(slots=True, eq=False)
class CallerLimits:
    """Maximum numbers of open calls and streams per subject.

    They don't apply to callers without a subject, who are admitted on the loopback interface or with `--dev`.
    """

    max_calls: int
    max_streams: int
    _calls: Counter[str] = field(default_factory=Counter)
    _streams: Counter[str] = field(default_factory=Counter)

    def begin(self, method: Method, caller: Caller) -> str:
        """Counts a call. Returns the subject for which it counts, for `end`; empty if there is no limit.

        Raises TooManyOfCaller.
        """
        if method.is_health or caller.kind is ActorKind.SYSTEM:
            return ""
        streaming = method.is_lasting
        counts, maximum = (self._streams, self.max_streams) if streaming else (self._calls, self.max_calls)
        subject = caller.subject
        if counts[subject] >= maximum:
            raise TooManyOfCaller("streams" if streaming else "calls", maximum)
        counts[subject] += 1
        return subject

    def end(self, method: Method, subject: str) -> None:
        """Stops counting a call for a subject."""
        if subject:
            counts = self._streams if method.is_lasting else self._calls
            counts[subject] -= 1
            if not counts[subject]:
                del counts[subject]
