"""The steps of preparing a change request: each reads the form and returns the next draft."""

from collections.abc import Mapping

from affilia.enrollment.v1.change_request_pb2 import Enroll, Leave, ScopedChange
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD, MEMBERSHIP_TYPE_PRIMARY, MembershipType
from affilia_client import changes
from affilia_client.dates import span_from_proto
from affilia_console.drafts import Choosing, Draft, words_chosen
from affilia_console.failures import Refused
from affilia_console.finding import id_in, member_id
from affilia_console.inputs import day_in, days_in, number_in
from affilia_console.visits import Visit
from affilia_views.family_members import Types, requested_types
from affilia_views.words import enum_word

LABELS = "First day", "Last day"
ROLES: Mapping[str, "MembershipType.ValueType"] = {
    enum_word(MembershipType, number): number
    for number in MembershipType.values()
    if number not in (0, MEMBERSHIP_TYPE_PRIMARY)
}
"""The membership types of everyone except the primary, by name."""


def with_input(visit: Visit, draft: Draft) -> Draft:
    """Returns a new draft with the form's input. Raises Refused if an input is malformed."""
    first, last = visit.text("first"), visit.text("last")
    days_in(first, last, LABELS)
    other = visit.text("other")
    chosen = member_id(visit, other) if other else id_in(visit.text("member"))
    role = visit.text("role") if chosen == draft.choosing.member_id else ""
    return draft.next(
        choosing=Choosing(chosen, first, last, role),
        reason=visit.text("reason"),
        overrides=words_chosen(visit.form.getlist("override")),
        accepted=frozenset(map(str, visit.form.getlist("accept"))),
    )


def step(before: Draft, draft: Draft, types: Types, asked: str) -> Draft:
    """Returns the draft after a step such as `enroll:MODULE`, `leave:MODULE`, `type:child`, `edit:0` or `choose`.

    `draft` has the form's input, and `before` is the draft that the form showed. `types` are the membership types of
    everyone who is or was in the family. Raises Refused.
    """
    action, _, detail = asked.partition(":")
    match action:
        case "choose":
            return draft.next(is_open=True)
        case "enter":
            return draft.next(is_open=draft.choosing != before.choosing)
        case "simulate":
            return draft.next(is_open=False)
        case "enroll" | "leave" | "type":
            return draft.with_change(_change(draft, types, action, detail))
        case "edit":
            return _editing(draft, _index(draft, detail))
        case "keep":
            return draft.next(edited=None, is_open=False)
        case "remove":
            return draft.without_change(_index(draft, detail))
    raise Refused(f"Unknown step of the form: {asked or 'none'}.", "Use the buttons on the page.")


def check_complete(visit: Visit, draft: Draft, typed: Draft) -> None:
    """Raises Refused if a form can't be submitted, for example because it differs from what was simulated."""
    if not draft.changes:
        raise Refused("The request has no changes yet.")
    if typed.overrides != draft.overrides:
        raise Refused("The overridden rules have changed.", "Simulate the request again before you submit it.")
    if not set(visit.form.getlist("consequence")) <= typed.accepted:
        raise Refused("Accept each consequence, or change the request.")


def role_of(draft: Draft, types: Types) -> "MembershipType.ValueType":
    """Returns the membership type of the chosen person: their type in the family or, for someone new, the selected one,
    the one in the draft, or `child`."""
    chosen = draft.choosing
    if known := types.get(chosen.member_id):
        return known
    return ROLES.get(chosen.role) or requested_types(draft.changes).get(chosen.member_id, MEMBERSHIP_TYPE_CHILD)


def _change(draft: Draft, types: Types, action: str, detail: str) -> ScopedChange:
    chosen = draft.choosing
    if not chosen.member_id:
        raise Refused("Choose a person first.")
    if action == "type":
        if detail not in ROLES:
            raise Refused(f"The membership type must be one of {', '.join(ROLES)}, got {detail or 'none'}.")
        return changes.correct_membership_type(chosen.member_id, ROLES[detail])
    first, last = day_in(chosen.first, LABELS[0]), day_in(chosen.last, LABELS[1])
    if first is None:
        raise Refused("Choose the first day of the change.")
    if action == "leave":
        return changes.leave(chosen.member_id, detail, first_on=first, last_on=last)
    return changes.enroll(chosen.member_id, detail, role_of(draft, types), first_on=first, last_on=last)


def _editing(draft: Draft, index: int) -> Draft:
    """Returns the draft with the form filled from one of its changes, which the next change replaces."""
    change = draft.changes[index]
    match change.WhichOneof("change"):
        case "enroll":
            role = enum_word(MembershipType, change.enroll.membership_type)
            choosing = Choosing(change.enroll.member_id, *_days(change.enroll), role)
        case "leave":
            choosing = Choosing(change.leave.member_id, *_days(change.leave))
        case "correct_membership_type":
            corrected = change.correct_membership_type
            choosing = Choosing(corrected.member_id, role=enum_word(MembershipType, corrected.membership_type))
        case _:
            raise Refused("A revert can't be edited.", "Remove it, and revert another request.")
    return draft.next(choosing=choosing, edited=index, is_open=True)


def _days(change: Enroll | Leave) -> tuple[str, str]:
    first, last = span_from_proto(change.days)
    return str(first or ""), str(last or "")


def _index(draft: Draft, text: str) -> int:
    index = number_in(text, "The number of the change")
    if index >= len(draft.changes):
        raise Refused(f"The request has {len(draft.changes)} changes, so it has no change {index + 1}.")
    return index
