"""Describes whether a member can choose a module on a day, why not, and the cost."""

from affilia.enrollment.v1.change_request_pb2 import Choice
from affilia_client.dates import date_from_proto
from affilia_views.names import Names
from affilia_views.outline import Item, Style, item
from affilia_views.reasons import violation_items
from affilia_views.words import cost_words


def choice_item(choice: Choice, contract_id: str, names: Names, *, with_cost: bool = True) -> Item:
    """Returns whether a module is chosen or available, why it isn't, the first possible day, and the cost."""
    below = []
    if choice.HasField("committed_until"):
        below.append(item(f"committed until {date_from_proto(choice.committed_until)}"))
    if not choice.enrolled:
        below += violation_items(choice.reasons, contract_id, names, choice.reasons_omitted)
        if choice.HasField("first_allowed_later"):
            below.append(item(f"first possible on {date_from_proto(choice.first_allowed_later)}"))
        elif not choice.allowed:
            below.append(item("not possible within the next two years"))
    if choice.HasField("cost") and with_cost:
        below.append(item(cost_words(choice.cost)))
    elif choice.cost_missing_reason and with_cost:
        below.append(item((f"monthly cost unknown: {choice.cost_missing_reason}", Style.NOTE)))
    sign = ("●", Style.GOOD) if choice.enrolled else ("○", Style.STRONG) if choice.allowed else ("✗", Style.BAD)
    state = "enrolled" if choice.enrolled else "available" if choice.allowed else "not available"
    return item(sign, f" {names.module(choice.module_id)}: {state}", below=below)
