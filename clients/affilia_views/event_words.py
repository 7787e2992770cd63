"""Describes the events of the change feed."""

from collections.abc import Iterator

from affilia.enrollment.v1 import enrollment_event_pb2, enrollment_group_pb2
from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentEvent
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentDifference
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_views.days import format_span
from affilia_views.names import Names
from affilia_views.words import enum_word

TYPE_CORRECTED = enrollment_group_pb2.DIFFERENCE_KIND_TYPE_CORRECTED


def event_name(event: EnrollmentEvent) -> str:
    """Returns the type of an event, such as `POLICY_CHANGED`."""
    return enrollment_event_pb2.EnrollmentEventType.Name(event.type).removeprefix("ENROLLMENT_EVENT_TYPE_")


def event_title(event: EnrollmentEvent) -> str:
    """Returns the type of an event in words, such as `Policy changed`."""
    return event_name(event).replace("_", " ").capitalize()


def event_lines(event: EnrollmentEvent, names: Names) -> list[str]:
    """Returns what an event's revision changed: for each enrollment one line, then its days."""
    return [line for each in event.policy_revision.differences for line in _difference_lines(each, names)]


def _difference_lines(difference: EnrollmentDifference, names: Names) -> Iterator[str]:
    kinds = ", ".join(
        enrollment_group_pb2.DifferenceKind.Name(kind).removeprefix("DIFFERENCE_KIND_").lower().replace("_", " ")
        for kind in difference.kinds
    )
    role = f" to {enum_word(MembershipType, difference.membership_type)}" if TYPE_CORRECTED in difference.kinds else ""
    yield f"{names.member(difference.member_id)} on {names.module(difference.module_id)}: {kinds}{role}"
    for sign, spans in (("+", difference.gained), ("-", difference.lost)):
        for days in spans:
            yield f"  {sign} {format_span(days)}"
