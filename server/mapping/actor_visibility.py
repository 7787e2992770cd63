"""Hides from members who else acted, and what admins wrote for colleagues.

Members see the kind of an actor, but the subject only if it is their own. They don't see the reason, reason codes and
notes of an admin's request. This applies to every response to a member, instead of being part of each mapping.
"""

from collections.abc import Collection, Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from affilia.enrollment.v1 import change_request_pb2
from affilia.type.v1 import actor_pb2


def hide_others(message: Message, own_ids: Collection[str]) -> None:
    """Removes from a response what a member with these ids isn't allowed to see.

    This includes the subjects of other actors, the ids of other requesters, and the reasons and notes of admins.
    """
    if isinstance(message, change_request_pb2.ChangeRequest):
        _hide_words_of_admins(message)
    for part in _parts(message):
        if isinstance(part, actor_pb2.Actor):
            if part.subject not in own_ids:
                part.subject = ""
            if part.on_behalf_of not in own_ids:
                part.on_behalf_of = ""
        elif isinstance(part, change_request_pb2.Requester):
            if part.requester_id.lower() not in own_ids:
                part.requester_id = ""
        else:
            hide_others(part, own_ids)


def _hide_words_of_admins(request: change_request_pb2.ChangeRequest) -> None:
    if request.requester.role == change_request_pb2.REQUESTER_ROLE_ADMIN:
        request.requester.reason = ""
        for scoped in request.changes:
            scoped.reason_code = scoped.note = ""


def _parts(message: Message) -> Iterator[Message]:
    """Returns the messages directly inside a message that are or can contain an actor or a requester."""
    for field in _fields(message.DESCRIPTOR):
        if field.is_repeated:
            yield from getattr(message, field.name)
        elif message.HasField(field.name):
            yield getattr(message, field.name)


NAMING = (actor_pb2.Actor.DESCRIPTOR, change_request_pb2.Requester.DESCRIPTOR)
"""The messages that name who acted."""


@cache
def _fields(descriptor: Descriptor) -> list[FieldDescriptor]:
    return [field for field in descriptor.fields if field.message_type and _reaches(field.message_type, set())]


def _reaches(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor in NAMING:
        return True
    if descriptor.full_name in seen or descriptor.GetOptions().map_entry:
        return False
    seen.add(descriptor.full_name)
    return any(field.message_type and _reaches(field.message_type, seen) for field in descriptor.fields)
