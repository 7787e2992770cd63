"""Why a change is rejected, or doesn't fully come into effect, as sentences with details."""

from collections.abc import Iterable

from affilia.enrollment.v1.change_request_pb2 import Violation
from affilia_views.names import Names
from affilia_views.outline import Item, Part, Style, item, more
from affilia_views.reason_words import Reason, violation_reasons


def violation_items(violations: Iterable[Violation], contract_id: str, names: Names, omitted: int = 0) -> list[Item]:
    """Returns violations, each with the description of its rule, the missing facts and the chain of causes."""
    found = [_reason(each, ("✗ ", Style.BAD)) for each in violation_reasons(violations, contract_id, names)]
    return [*found, *more(omitted, "reasons")]


def _reason(reason: Reason, label: Part) -> Item:
    about = (f" ({reason.about})" if reason.about else "", Style.NOTE)
    below = (
        _reason(each, (f"{each.label}: " if each.label == "unknown" else f"{each.label} ", Style.NOTE))
        for each in reason.below
    )
    return item(label, reason.sentence, about, below=below)
