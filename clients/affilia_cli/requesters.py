"""Derives the requester of a change from the caller's token, because the server accepts no other requester."""

import base64
import json
from dataclasses import dataclass

import typer

from affilia.enrollment.v1 import change_request_pb2

ADMIN, MEMBER = "admin", "member"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says about its bearer. Empty if there is no token, or if it isn't a readable JWT."""

    role: str = ""
    subject: str = ""


NOBODY = Claims()


def claims_of(token: str) -> Claims:
    """Returns the role and subject in a token. Doesn't verify the token; the server does."""
    try:
        payload = token.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Claims(str(content.get("role", "")), str(content.get("sub", "")))
    except (IndexError, ValueError, AttributeError):
        return NOBODY


def acting_admin(claims: Claims, admin: str) -> str:
    """Returns the name given with `--admin`.

    Raises BadParameter if the token already identifies the caller.
    """
    if admin and claims.role in (ADMIN, MEMBER):
        raise typer.BadParameter(
            f"--admin is not allowed with the token of {claims.role} {claims.subject}: the change is requested by"
            f" {claims.subject}. Use --admin with a service's token or with a --dev server."
        )
    return admin


def loading_admin(claims: Claims, program: str, reason: str) -> change_request_pb2.Requester:
    """Returns the requester of changes that a program reads from files.

    This is the admin whose token the program has, or else the program itself.
    """
    requester_id = claims.subject if claims.role == ADMIN else program
    return change_request_pb2.Requester(
        role=change_request_pb2.REQUESTER_ROLE_ADMIN, requester_id=requester_id, reason=reason
    )


def check_is_admin(claims: Claims, admin: str, what: str) -> None:
    """Raises BadParameter if a change that only admins can request would be requested by someone else."""
    if claims.role != ADMIN and not acting_admin(claims, admin):
        raise typer.BadParameter(
            f"Only an admin can {what}. Use an admin's token. With a service's token or a --dev server, name the admin"
            " with --admin."
        )


def requester_of(claims: Claims, admin: str, reason: str, primary_id: str) -> change_request_pb2.Requester:
    """Returns the requester of a change.

    With the token of an admin or a member, the requester is its subject. Otherwise it is the admin named with
    `--admin`, or the primary of the group.
    """
    named = acting_admin(claims, admin)
    if claims.role == ADMIN or named:
        role, requester_id = change_request_pb2.REQUESTER_ROLE_ADMIN, named or claims.subject
        if not reason:
            raise typer.BadParameter("--reason is required if an admin requests the change.")
    else:
        role = change_request_pb2.REQUESTER_ROLE_MEMBER
        requester_id = claims.subject if claims.role == MEMBER else primary_id
    return change_request_pb2.Requester(role=role, requester_id=requester_id, reason=reason)
