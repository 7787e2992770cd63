"""As what somebody belongs to a group, and what they pay as: one closed list for the whole product."""

from enum import StrEnum


class MembershipType(StrEnum):
    """In spec order: the order in which the members of a policy are priced (`pricing.md`)."""

    PRIMARY = "PRIMARY"
    PARTNER = "PARTNER"
    CHILD = "CHILD"
    ASCENDANT = "ASCENDANT"
    PET = "PET"


EVERY_MEMBERSHIP_TYPE = tuple(MembershipType)
