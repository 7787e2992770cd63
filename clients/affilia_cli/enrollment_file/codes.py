"""Names for the codes of 005010X220A1 that the import interprets.

Other codes are only checked against the implementation guide, in `reading/segments.py`.
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

LEVELS_THAT_INCLUDE = {
    "PARTNER": frozenset({"FAM", "ESP", "SPC", "SPO", "DEP", "TWO", "E1D", "E2D", "E3D"}),
    "CHILD": frozenset({"FAM", "ECH", "SPC", "CHD", "DEP", "TWO", "E1D", "E2D", "E3D"}),
    "ASCENDANT": frozenset({"FAM", "DEP", "TWO", "E1D", "E2D", "E3D"}),
}
"""HD05: coverage levels of a subscriber that include a dependant of this type."""

ACTIVE = "A"
BENEFIT_STATUSES = frozenset({ACTIVE, "C", "S", "T"})
"""INS05: active, COBRA, surviving insured, or Tax Equity and Fiscal Responsibility Act."""

NO_MEDICARE = "E"
MEDICARE_PLANS = frozenset({"A", "B", "C", "D", NO_MEDICARE})
"""INS06: Medicare parts A, B, both (C), another one (D), or none."""

SUBSCRIBER_NUMBER, POLICY_NUMBER, CLIENT_NUMBER = "0F", "1L", "23"
PRIOR_NUMBER, SOCIAL_SECURITY_NUMBER = "Q4", "SY"
SOCIAL_SECURITY = "34"
"""NM108: NM109 is a social security number."""

CHANGED_ON, EMPLOYED_FROM, EMPLOYED_UNTIL = "303", "336", "337"
ELIGIBLE_FROM, ELIGIBLE_UNTIL = "356", "357"
BENEFIT_FROM, BENEFIT_UNTIL, FILE_EFFECTIVE = "348", "349", "007"

READ_LOOPS = frozenset({"2000", "2100A", "2300"})
READ_SEGMENTS = frozenset({"INS", "REF", "DTP", "NM1", "N4", "DMG", "HD"})
"""Errors in these segments of these loops reject the member. Errors in other segments of these loops are warnings."""

ENVELOPE_LOOPS = frozenset({"ISA_LOOP", "GS_LOOP", "ST_LOOP"})

READ_QUALIFIERS = {
    ("HEADER", "DTP"): frozenset({FILE_EFFECTIVE}),
    ("2000", "REF"): frozenset({SUBSCRIBER_NUMBER, POLICY_NUMBER, CLIENT_NUMBER, PRIOR_NUMBER, SOCIAL_SECURITY_NUMBER}),
    ("2000", "DTP"): frozenset({CHANGED_ON, EMPLOYED_FROM, EMPLOYED_UNTIL, ELIGIBLE_FROM, ELIGIBLE_UNTIL}),
    ("2300", "REF"): frozenset({POLICY_NUMBER}),
    ("2300", "DTP"): frozenset({BENEFIT_FROM, BENEFIT_UNTIL}),
}
"""The qualifiers that are read, for each loop and segment that has several."""


def _elements(positions: str) -> frozenset[str]:
    return frozenset(positions.split())


READ_ELEMENTS = {
    # BGN03 to BGN05 say when the file was made.
    ("HEADER", "BGN"): _elements("01 02 03 04 05 08"),
    ("HEADER", "DTP"): _elements("01 02 03"),
    # N103 names the kind of number.
    ("1000A", "N1"): _elements("01 02 03 04"),
    ("1000B", "N1"): _elements("01 02 03 04"),
    # INS11 is the format of the date of death.
    ("2000", "INS"): _elements("01 02 03 04 05 06-01 08 10 11 12"),
    ("2000", "REF"): _elements("01 02"),
    ("2000", "DTP"): _elements("01 02 03"),
    ("2100A", "NM1"): _elements("01 02 03 04 05 08 09"),
    # N405, DMG05-02 and DMG10 are the qualifiers of other elements.
    ("2100A", "N4"): _elements("03 04 05"),
    ("2100A", "DMG"): _elements("01 02 05-02 10"),
    # The rest of an incorrect person doesn't help to find the member.
    ("2100B", "NM1"): _elements("01 02 03 04 05 06 07 08 09"),
    ("2100B", "DMG"): _elements("01 02 03 04 05-01 05-02 05-03 06 10 11"),
    ("2300", "HD"): _elements("01 03 04 05"),
    ("2300", "REF"): _elements("01 02"),
    ("2300", "DTP"): _elements("01 02 03"),
}
"""The elements of each loop and segment that are read, or that mean nothing on their own. Every other element that is
filled is reported as ELEMENT_UNUSED."""
