"""Membership types: the role in which a person belongs to a group, for the whole product."""

from enum import StrEnum


class MembershipType(StrEnum):
    """Values are in spec order, the order in which the members of a policy are priced."""

    PRIMARY = "PRIMARY"
    PARTNER = "PARTNER"
    CHILD = "CHILD"
    ASCENDANT = "ASCENDANT"
    PET = "PET"


EVERY_MEMBERSHIP_TYPE = tuple(MembershipType)
