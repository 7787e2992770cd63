"""Describes the people found by a search."""

from affilia.catalog.v1.member_pb2 import Member
from affilia.catalog.v1.member_service_pb2 import GetMemberResponse, IdentifierFilter, MemberGroup, MemberHit
from affilia.type.v1 import membership_type_pb2
from affilia_client.dates import date_from_proto
from affilia_views.words import enum_word


def name_and_birth(hit: MemberHit) -> str:
    """Returns the name and date of birth."""
    born = f"born {date_from_proto(hit.born_on)}" if hit.HasField("born_on") else "date of birth unknown"
    return f"{hit.member.display_name or 'no name'}, {born}"


def merged_words(member_id: str, answer: GetMemberResponse) -> str:
    """Returns that a requested member was merged into the one in the answer."""
    name = answer.member.display_name
    remaining = f"{name} ({answer.merged_into})" if name else answer.merged_into
    return f"Member {member_id} was merged into {remaining}."


def role_in(group: MemberGroup) -> str:
    """Returns the role in a group, and the contract's name."""
    role = enum_word(membership_type_pb2.MembershipType, group.membership_type) if group.membership_type else "no role"
    today = "enrolled today" if group.enrolled_today else "not enrolled today"
    return f"{role} in {group.contract_name or group.contract_id} ({today})"


def name_of(member: Member) -> str:
    """Returns the name of a member, or the id."""
    return member.display_name or member.member_id


def identifier_in(text: str) -> IdentifierFilter:
    """Returns the identifier given as `SYSTEM:VALUE` or `VALUE`."""
    system, colon, value = text.partition(":")
    return IdentifierFilter(system=system, value=value) if colon else IdentifierFilter(value=text)
