"""Limits of the number of reasons in a response: enough to act on, and few enough to be stored and sent.

Omitted reasons are counted. Everything that was rejected keeps at least one reason.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from domain.enrollment.decisions import Change, DaysChange
from domain.enrollment.verdicts import Cause, Notice, Violation

MAX_VIOLATIONS = 200
"""The maximum for one request, which has at most 100 changes."""
MAX_UNMET = 500
"""The maximum number of enrolls of one recompute that are not fully met."""
MAX_REASONS = 20
MAX_CAUSES = 20
MAX_MISSING_FACTS = 20
MAX_TOTAL = 500
"""The maximum number of reasons in one response, and of causes of all its reasons."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The maximum number of reasons for each of several items, and of causes for each reason."""

    reasons: int = MAX_REASONS
    causes: int = MAX_CAUSES

    @classmethod
    def of_each(cls, items: int) -> "Bounds":
        """Returns the bounds for a number of items: the more items, the fewer reasons and causes for each, but at least
        one.
        """
        reasons = _share(items, MAX_REASONS)
        return cls(reasons, causes_of_each(items * reasons))


ALONE = Bounds()


def causes_of_each(reasons: int) -> int:
    """Returns the maximum number of causes for each of several reasons."""
    return _share(reasons, MAX_CAUSES)


def _share(items: int, maximum: int) -> int:
    return max(1, min(maximum, MAX_TOTAL // max(1, items)))


def most_relevant(violations: Sequence[Violation], changes: Iterable[Change]) -> tuple[Violation, ...]:
    """Returns at most MAX_VIOLATIONS of a request's violations, in the same order.

    Violations of the request as a whole come first, then one for each change that has any, then one for each rule or
    other code, then others while there is room.
    """
    if len(violations) <= MAX_VIOLATIONS:
        return tuple(violations)
    first_of: dict[object, Violation] = {}
    for violation in violations:
        first_of.setdefault((violation.member_id, violation.module_id), violation)
    of_changes = [
        first_of.get((change.member_id, change.module_id)) or first_of.get((change.member_id, None))
        for change in changes
        if isinstance(change, DaysChange)
    ]
    codes: dict[str, Violation] = {}
    for violation in violations:
        codes.setdefault(violation.order[0], violation)
    general = (violation for violation in violations if violation.member_id is None)
    kept: dict[tuple[str, str, str], Violation] = {}
    for wanted in (*general, *of_changes, *codes.values(), *violations):
        if wanted is not None and len(kept) < MAX_VIOLATIONS:
            kept[wanted.order] = wanted
    return tuple(violation for violation in violations if violation.order in kept)


def shortened(violation: Violation, causes: int) -> Violation:
    """Returns a violation with a limited number of causes."""
    if len(violation.chain) <= causes and len(violation.missing_facts) <= MAX_MISSING_FACTS:
        return violation
    return replace(
        violation,
        chain=tuple(_with_few_facts(cause) for cause in violation.chain[:causes]),
        missing_facts=violation.missing_facts[:MAX_MISSING_FACTS],
        is_shortened=True,
    )


def shortened_notice(notice: Notice, bounds: Bounds) -> Notice:
    """Returns a notice with a limited number of reasons and causes."""
    reasons = tuple(shortened(reason, bounds.causes) for reason in notice.reasons[: bounds.reasons])
    omitted = notice.reasons_omitted + len(notice.reasons) - len(reasons)
    return replace(notice, reasons=reasons, reasons_omitted=omitted)


def _with_few_facts(cause: Cause) -> Cause:
    return replace(cause, missing_facts=cause.missing_facts[:MAX_MISSING_FACTS])
