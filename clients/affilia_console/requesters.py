"""The requester of changes that the signed-in person makes."""

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import Requester
from affilia_console.sessions import Person

MEMBER = "member"


def is_member(person: Person) -> bool:
    """Returns whether a person acts for their own family rather than for the back office."""
    return person.role == MEMBER


def requester_of(person: Person, reason: str) -> Requester:
    """Returns the requester of a change: the person, in the role of their token."""
    member = is_member(person)
    role = change_request_pb2.REQUESTER_ROLE_MEMBER if member else change_request_pb2.REQUESTER_ROLE_ADMIN
    return Requester(role=role, requester_id=person.subject, reason=reason)
