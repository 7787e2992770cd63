"""Finds the people and families that a text can refer to."""

from collections.abc import Iterator, Sequence

from affilia.catalog.v1.member_service_pb2 import MemberGroup, MemberHit
from affilia_views.matching import Match, closest
from affilia_views.people import name_and_birth, role_in

MEMBER, FAMILY = "member", "family"


def member_match(hit: MemberHit) -> Match:
    """Returns a person as something that a text can refer to."""
    roles = "; ".join(map(role_in, hit.groups)) or "in no family"
    identifiers = [
        name for each in hit.member.identifiers for name in (each.value, f"{each.system}:{each.value}") if each.value
    ]
    description = f"{name_and_birth(hit)}: {roles}, member {hit.member.member_id}"
    return Match(MEMBER, hit.member.member_id, description, (hit.member.display_name, *identifiers))


def family_matches(text: str, hits: Sequence[MemberHit]) -> list[Match]:
    """Returns the families of the people who match a text most closely.

    For a person who is the primary of a family, families in which they have another role are left out.
    """
    nearest = {match.id for match in closest(text, [member_match(hit) for hit in hits])}
    families: dict[str, Match] = {}
    for hit, group in _memberships(hit for hit in hits if hit.member.member_id in nearest):
        description = f"{name_and_birth(hit)}: {role_in(group)}, group {group.group_id}"
        families.setdefault(group.group_id, Match(FAMILY, group.group_id, description, ()))
    return list(families.values())


def _memberships(hits: "Iterator[MemberHit]") -> Iterator[tuple[MemberHit, MemberGroup]]:
    for hit in hits:
        own = [group for group in hit.groups if group.primary_id == hit.member.member_id]
        for group in own or hit.groups:
            yield hit, group
