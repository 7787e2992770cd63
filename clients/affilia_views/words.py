"""Describes changes, facts, actors and enum values in words."""

from typing import Any

from affilia.catalog.v1 import condition_pb2, member_pb2
from affilia.catalog.v1.catalog_service_pb2 import PublicationWarning
from affilia.enrollment.v1 import change_request_pb2, enrollment_group_pb2
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest, Consequence, ScopedChange
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentDifference
from affilia.history.v1 import history_entry_pb2
from affilia.history.v1.fact_change_pb2 import FactChange, FactValue
from affilia.history.v1.history_entry_pb2 import FieldChange
from affilia.type.v1 import actor_pb2, membership_type_pb2
from affilia.type.v1.cost_pb2 import CostChange
from affilia_client.dates import date_from_proto
from affilia_views.days import format_instant, format_span
from affilia_views.money import money
from affilia_views.names import Names

BEFORE_ACTORS = "before-actors"
UNKNOWN = "unknown"


def enum_word(enum: Any, number: int) -> str:
    """Returns the name of an enum value in lower case, without the enum's prefix and with hyphens."""
    name: str = enum.Name(number)
    prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.DESCRIPTOR.name).lstrip("_") + "_"
    return name.removeprefix(prefix).lower().replace("_", "-")


def state_words(group_id: str, revision: int) -> str:
    """Returns which state of a group is shown: a revision, or what its legacy rows say, which has none."""
    return f"group {group_id}, revision {revision}" if revision else f"group {group_id}, from the legacy tables"


def actor_words(actor: actor_pb2.Actor, names: Names) -> str:
    """Returns who recorded something, such as `ada (admin)`."""
    kind = enum_word(actor_pb2.ActorKind, actor.kind)
    if actor.subject == BEFORE_ACTORS:
        return "an unknown caller (recorded before callers were stored)"
    if not actor.subject:
        return "an unnamed caller" if not actor.kind else f"an unnamed {kind}"
    subject = names.member(actor.subject) if actor.kind == actor_pb2.ACTOR_KIND_MEMBER else actor.subject
    return f"{subject} ({kind})" + (f" for {actor.on_behalf_of}" if actor.on_behalf_of else "")


def requester_words(request: ChangeRequest, names: Names) -> str:
    """Returns who requested a change and, if different, who recorded it."""
    requester, actor = request.requester, request.actor
    if requester.requester_id and requester.requester_id == actor.subject:
        return f"by {actor_words(actor, names)}"
    if _is_migration(request):
        of = f" of {requester.requester_id}" if requester.requester_id else ""
        return f"taken over from the legacy tables{of}, recorded by {actor_words(actor, names)}"
    if requester.role == change_request_pb2.REQUESTER_ROLE_ADMIN:
        who = f"admin {requester.requester_id}" if requester.requester_id else "an admin"
    else:
        who = names.member(requester.requester_id) if requester.requester_id else "the primary"
    return f"requested by {who}, recorded by {actor_words(actor, names)}"


def _is_migration(request: ChangeRequest) -> bool:
    return request.requester.role == change_request_pb2.REQUESTER_ROLE_MIGRATION


def request_words(request: ChangeRequest, names: Names) -> str:
    """Returns which request this is: its id, when it was recorded, and who requested it, with the reason."""
    reason = f", reason: {request.requester.reason}" if request.requester.reason else ""
    recorded = f", recorded on {format_instant(request.recorded_at)}" if request.HasField("recorded_at") else ""
    return f"request {request.change_request_id}{recorded}, {requester_words(request, names)}{reason}"


def changes_words(request: ChangeRequest, names: Names) -> list[str]:
    """Returns the changes of a request, one line each. All leaves of a migration are one line."""
    if not _is_migration(request):
        return [change_words(change, names) for change in request.changes]
    leaves = [change.leave for change in request.changes if change.WhichOneof("change") == "leave"]
    enrolls = [change for change in request.changes if change.WhichOneof("change") == "enroll"]
    who = ", ".join(names.member(leave.member_id) for leave in leaves)
    return [
        *(f"replace all enrollments of {who}, {format_span(leave.days)}" for leave in leaves[:1]),
        *(change_words(change, names) for change in enrolls),
    ]


def change_words(change: ScopedChange, names: Names) -> str:
    """Returns a requested change, such as `enroll Léo Dupont (child) on Base, 2026-01-01 to open end`."""
    match change.WhichOneof("change"):
        case "enroll":
            enroll = change.enroll
            role = enum_word(membership_type_pb2.MembershipType, enroll.membership_type)
            words = f"enroll {names.member(enroll.member_id)} ({role}) on {names.module(enroll.module_id)}"
            return f"{words}, {format_span(enroll.days)}{_because(change)}"
        case "leave":
            leave = change.leave
            module = names.module(leave.module_id) if leave.module_id else "all modules"
            return f"take {names.member(leave.member_id)} off {module}, {format_span(leave.days)}{_because(change)}"
        case "revert":
            return f"{_revert_words(change.revert.change_request_id, names)}{_because(change)}"
        case "correct_membership_type":
            corrected = change.correct_membership_type
            role = enum_word(membership_type_pb2.MembershipType, corrected.membership_type)
            return f"correct the membership type of {names.member(corrected.member_id)} to {role}{_because(change)}"
    return "a change that this version of affilia doesn't know"


def _revert_words(change_request_id: str, names: Names) -> str:
    """Returns which request a revert undoes, and what that request asked for, if the caller can read it."""
    request = names.request(change_request_id)
    words = f"revert request {change_request_id}"
    if request is None:
        return words
    if _is_migration(request):
        asked = changes_words(request, names)
    else:
        asked = [_undone_words(change, names) for change in request.changes]
    return f"{words} of {format_instant(request.recorded_at)}: {'; '.join(asked)}"


def _undone_words(change: ScopedChange, names: Names) -> str:
    """Returns a change of a reverted request. Of a revert, only which request it undid."""
    if change.WhichOneof("change") == "revert":
        return f"revert request {change.revert.change_request_id}"
    return change_words(change, names)


def _because(change: ScopedChange) -> str:
    given = ", ".join(filter(None, (change.reason_code, change.note)))
    return f" ({given})" if given else ""


def consequence_words(consequence: Consequence, names: Names) -> str:
    """Returns the days that an enrollment loses because of a request."""
    who = f"{names.member(consequence.member_id)} on {names.module(consequence.module_id)}"
    return f"{who} ends, {format_span(consequence.days)}"


def difference_words(difference: EnrollmentDifference, names: Names) -> list[str]:
    """Returns the corrected membership type of an enrollment, and the days it gained and lost, one sentence each."""
    who = f"{names.member(difference.member_id)} on {names.module(difference.module_id)}"
    role = enum_word(membership_type_pb2.MembershipType, difference.membership_type)
    corrected = enrollment_group_pb2.DIFFERENCE_KIND_TYPE_CORRECTED in difference.kinds
    return [
        *([f"{who}: membership type corrected to {role}"] if corrected else []),
        *(f"{who}: gained {format_span(days)}" for days in difference.gained),
        *(f"{who}: lost {format_span(days)}" for days in difference.lost),
    ]


def merge_words(member_id: str, merged_into: str, names: Names) -> str:
    """Returns that a member was merged into another one. Both ids are shown, because both have the same name."""
    name = names.member(merged_into)
    remaining = merged_into if name == merged_into else f"{name} ({merged_into})"
    return f"member {member_id} was merged into {remaining}"


def fact_name(kind: "change_request_pb2.FactKind.ValueType", name: str) -> str:
    """Returns the name of a fact, such as `date of birth` or `attribute student`."""
    word = enum_word(change_request_pb2.FactKind, kind).replace("-", " ")
    return f"{word} {name}" if kind == change_request_pb2.FACT_KIND_ATTRIBUTE else word


def fact_change_words(change: FactChange, names: Names) -> str:
    """Returns how a fact changed, including its previous value."""
    days = f", {format_span(change.days)}" if change.HasField("days") else ""
    fact = f"{fact_name(change.kind, change.name)} of {names.member(change.member_id)}"
    if not (change.HasField("before") or change.HasField("after")):  # hidden from this caller
        return f"{fact} changed"
    return f"{fact}{days}: {_value_of(change, 'after')} (before: {_value_of(change, 'before')})"


def _value_of(change: FactChange, side: str) -> str:
    return value_words(getattr(change, side)) if change.HasField(side) else UNKNOWN  # type: ignore[arg-type]


def value_words(value: FactValue) -> str:
    """Returns the value of a fact."""
    match value.WhichOneof("value"):
        case "born_on":
            return date_from_proto(value.born_on).isoformat()
        case "died_on":
            return date_from_proto(value.died_on).isoformat()
        case "address":
            return address_words(value.address)
        case "employment":
            return employment_words(value.employment)
        case "regime":
            return enum_word(member_pb2.HealthRegime, value.regime)
        case "attribute":
            return value.attribute
    return UNKNOWN


def address_words(address: member_pb2.Address) -> str:
    return f"{address.country_code} {address.postal_code}".strip()


def employment_words(employment: member_pb2.Employment) -> str:
    status = enum_word(condition_pb2.EmploymentStatus, employment.status)
    words = f"{employment.employer_id}, {status}"
    if not employment.HasField("salary"):
        return words
    salary = employment.salary
    return f"{words}, {money(salary.yearly_minor, salary.currency_code)} a year"


def cost_words(cost: CostChange) -> str:
    """Returns the monthly cost before and after a change."""
    before, after = (money(each.overall.taxed_minor, cost.currency_code) for each in (cost.before, cost.after))
    return f"monthly cost on {date_from_proto(cost.on)}: {before} before, {after} after"


def field_words(change: FieldChange, names: Names) -> str:
    """Returns how a part of a contract changed."""
    part = enum_word(history_entry_pb2.ContractPart, change.part)
    module = f" of {names.module(change.module_id)}" if change.module_id else ""
    words = f"{part} {change.name}".strip() + module
    match change.kind:
        case history_entry_pb2.CHANGE_KIND_ADDED:
            return f"{words} added: {change.after}"
        case history_entry_pb2.CHANGE_KIND_REMOVED:
            return f"{words} removed: {change.before}"
    return f"{words}: {change.after} (before: {change.before})"


def warning_words(warning: PublicationWarning) -> str:
    """Returns what is probably not intended in a contract, and where."""
    return f"{warning.field}: {warning.message}"
