"""Checks that the requester of a change agrees with the authenticated caller.

The caller acts, and is recorded as the actor. The requester is the person on whose behalf the change is made. Members
and admins can only request changes themselves; services name the requester.
"""

from uuid import UUID

from affilia.enrollment.v1 import change_request_pb2 as pb
from domain.actors import ActorKind
from domain.errors import FieldViolation, RequestMalformed
from operations.call import Caller

OWN_ROLE = {ActorKind.MEMBER: pb.REQUESTER_ROLE_MEMBER, ActorKind.ADMIN: pb.REQUESTER_ROLE_ADMIN}
"""The only role in which members and admins can request changes."""


def agree_with_caller(requester: pb.Requester, caller: Caller, primary_id: str) -> None:
    """Sets `requester_id` to the caller's subject if a member or an admin has left it empty.

    A member who was merged into another one can use both ids, and then requests as the group's primary. Raises
    RequestMalformed if the requester isn't the caller, or if a service doesn't name a requester.
    """
    role = OWN_ROLE.get(caller.kind)
    if role is None:
        if not requester.requester_id:
            raise _malformed("requester_id", "is required unless the caller has the token of a member or an admin")
        return
    if requester.role != role:
        name = pb.RequesterRole.Name(role)
        raise _malformed("role", f"must be {name} for the token of {_article(caller.kind)}")
    if not requester.requester_id:
        requester.requester_id = caller.subject
    elif not _is_caller(requester.requester_id, caller):
        raise _malformed("requester_id", "must be empty or the subject of the caller's token")
    if caller.merged_into and _is_caller(primary_id, caller):
        requester.requester_id = primary_id


def _is_caller(requester_id: str, caller: Caller) -> bool:
    if caller.kind is not ActorKind.MEMBER:
        return requester_id == caller.subject
    try:
        return UUID(requester_id) in (UUID(caller.subject), caller.member_id)
    except ValueError:
        return False


def _article(kind: ActorKind) -> str:
    return "an admin" if kind is ActorKind.ADMIN else "a member"


def _malformed(field: str, description: str) -> RequestMalformed:
    return RequestMalformed([FieldViolation(f"requester.{field}", description)])
