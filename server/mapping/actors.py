"""Maps actors. `actor_visibility.py` hides from members who else acted."""

from affilia.type.v1 import actor_pb2
from domain.actors import Actor, ActorKind
from server.mapping.enums import EnumMapping

ACTOR_KINDS = EnumMapping(actor_pb2.ActorKind.DESCRIPTOR, ActorKind)


def actor_to_proto(actor: Actor) -> actor_pb2.Actor:
    return actor_pb2.Actor(
        kind=ACTOR_KINDS.to_proto(actor.kind), subject=actor.subject, on_behalf_of=actor.on_behalf_of
    )
