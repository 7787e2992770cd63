"""Names for the codes of 005010X220A1 that the import interprets.

Other codes are only checked against the implementation guide, in `segments.py`.
"""

ADD, CHANGE, END, REINSTATE, AUDIT = "021", "001", "024", "025", "030"
DELETE, CORRECT, NOT_APPLICABLE = "002", "026", "032"

MEMBER_MAINTENANCE = frozenset({ADD, CHANGE, END, REINSTATE, AUDIT})
"""INS03: maintenance of a member."""

COVERAGE_MAINTENANCE = MEMBER_MAINTENANCE | {DELETE, CORRECT, NOT_APPLICABLE}
"""HD01: maintenance of one coverage."""

COVERAGE_ENDS = frozenset({END, DELETE})

UPDATE_FILE, AUDIT_FILE, REPLACE_FILE = "2", "4", "RX"
FULL_FILES = frozenset({AUDIT_FILE, REPLACE_FILE})
"""BGN08: the file lists all members. Members who are not in it are no longer insured."""

INFORMATION_COPY = "22"
"""BGN01: for information only. Such a file is not applied."""

SELF = "18"
CHILDREN = frozenset({"09", "10", "15", "17", "19", "23", "38"})
"""INS02: relations of children, who can't be subscribers of an employer's contract."""

RELATIONS = {
    SELF: "PRIMARY",
    "01": "PARTNER",
    "53": "PARTNER",
    **dict.fromkeys(CHILDREN, "CHILD"),
    "03": "ASCENDANT",
    "04": "ASCENDANT",
}
"""INS02 to a membership type, unless the mapping overrides it."""

EMPLOYMENT = {
    **dict.fromkeys(("AC", "AO", "AU", "FT", "PT"), "ACTIVE"),
    "L1": "LEAVE",
    "RT": "RETIRED",
    "TE": "",
}
"""INS08 to an employment status. Empty means no longer employed. Other codes don't concern employment."""

ACTIVE = "A"
BENEFIT_STATUSES = frozenset({ACTIVE, "C", "S", "T"})
"""INS05: active, COBRA, surviving insured, or Tax Equity and Fiscal Responsibility Act."""

NO_MEDICARE = "E"
MEDICARE_PLANS = frozenset({"A", "B", "C", "D", NO_MEDICARE})
"""INS06: Medicare parts A, B, both (C), another one (D), or none."""

LEVELS_THAT_INCLUDE = {
    "PARTNER": frozenset({"FAM", "ESP", "SPC", "SPO", "DEP", "TWO", "E1D", "E2D", "E3D"}),
    "CHILD": frozenset({"FAM", "ECH", "SPC", "CHD", "DEP", "TWO", "E1D", "E2D", "E3D"}),
    "ASCENDANT": frozenset({"FAM", "DEP", "TWO", "E1D", "E2D", "E3D"}),
}
"""HD05: coverage levels of a subscriber that include a dependant of this type."""

SUBSCRIBER_NUMBER, POLICY_NUMBER, CLIENT_NUMBER = "0F", "1L", "23"
SOCIAL_SECURITY_NUMBER, PRIOR_NUMBER = "SY", "Q4"
"""REF: numbers of a member, and the policy."""

SOCIAL_SECURITY = "34"
"""NM108: the number in NM109 is a social security number."""

CHANGED_ON, EMPLOYED_FROM, EMPLOYED_UNTIL = "303", "336", "337"
ELIGIBLE_FROM, ELIGIBLE_UNTIL = "356", "357"
BENEFIT_FROM, BENEFIT_UNTIL, FILE_EFFECTIVE = "348", "349", "007"

READ_LOOPS = frozenset({"2000", "2100A", "2300"})
READ_SEGMENTS = frozenset({"INS", "REF", "DTP", "NM1", "N3", "N4", "DMG", "HD"})
"""The loops and segments of members that are read."""

READ_QUALIFIERS = {
    "DTP": frozenset(
        {
            CHANGED_ON,
            EMPLOYED_FROM,
            EMPLOYED_UNTIL,
            ELIGIBLE_FROM,
            ELIGIBLE_UNTIL,
            BENEFIT_FROM,
            BENEFIT_UNTIL,
            FILE_EFFECTIVE,
        }
    ),
    "REF": frozenset({SUBSCRIBER_NUMBER, POLICY_NUMBER, CLIENT_NUMBER, "17"}),
}
