"""Actors: who recorded something. Every record has an actor."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    MEMBER = "MEMBER"
    """An insured person, who can access their own data and the groups in which they are primary."""
    ADMIN = "ADMIN"
    """A person in the back office."""
    SERVICE = "SERVICE"
    """A program, limited to its scopes."""
    SYSTEM = "SYSTEM"
    """The server itself, a caller admitted over the loopback interface, or any caller of a `--dev` server."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who recorded something. `subject` is an id, never a name. For a member, it is the member id.

    `on_behalf_of` is the subject for whom the actor acted. Empty if there is none.
    """

    kind: ActorKind
    subject: str
    on_behalf_of: str = ""


BEFORE_ACTORS = Actor(ActorKind.SYSTEM, "before-actors")
"""The actor of everything that was recorded before the server stored actors."""
