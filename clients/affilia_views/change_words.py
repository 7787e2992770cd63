"""Describes in words what changed between two states of a family."""

from collections.abc import Iterable

from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_views.changes import Change, Correction, span_in_words
from affilia_views.names import Names
from affilia_views.outline import Item, Style, item
from affilia_views.words import enum_word


def change_items(changes: Iterable[Change], corrections: Iterable[Correction], names: Names) -> list[Item]:
    """Returns corrected membership types, then what members gained, lost and moved."""
    return [*(_corrected(each, names) for each in corrections), *(_changed(each, names) for each in changes)]


def _corrected(each: Correction, names: Names) -> Item:
    before, after = (enum_word(MembershipType, number) for number in (each.before, each.after))
    return item(("~ ", Style.WARN), f"{names.member(each.member_id)} is {after} instead of {before}")


def _changed(change: Change, names: Names) -> Item:
    lost, gained = change.lost_module_id, change.gained_module_id
    if lost and gained:
        sign, action = ("→ ", Style.WARN), f"moves from {names.module(lost)} to {names.module(gained)},"
    elif gained:
        sign, action = ("+ ", Style.GOOD), f"gains {names.module(gained)}"
    else:
        sign, action = ("- ", Style.BAD), f"loses {names.module(lost)}"
    return item(sign, f"{names.member(change.member_id)} {action} {span_in_words(change.days)}")
