"""Determines whose facts and which actors a caller sees in explanations and histories."""

from domain.actors import ActorKind
from domain.enrollment.explained_in_words import Reader
from operations.call import Caller
from operations.scopes import READ, READ_MEMBERS


def reader_of(caller: Caller) -> Reader:
    """Returns whose facts a caller can read (the same as with GetMember), and whether it can see subjects of actors."""
    match caller.kind:
        case ActorKind.SYSTEM | ActorKind.ADMIN:
            return Reader(reads_all_facts=True)
        case ActorKind.SERVICE:
            return Reader(reads_all_facts=READ_MEMBERS in caller.scopes)
        case ActorKind.MEMBER:
            return Reader(reads_all_facts=False, member_id=caller.member_id, reads_subjects=False)


def reads_groups(caller: Caller) -> bool:
    """Returns whether a caller can read groups in responses of methods that don't require this permission.

    Members can read the groups of which they are the primary.
    """
    return caller.kind is not ActorKind.SERVICE or READ in caller.scopes
