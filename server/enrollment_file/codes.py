"""The codes of 005010X220A1 that the import acts upon, in words.

Other codes are judged by the guide (`segments.py`) and kept as they are.
"""

ADD, CHANGE, END, REINSTATE, AUDIT = "021", "001", "024", "025", "030"
DELETE, CORRECT, NOT_APPLICABLE = "002", "026", "032"

MEMBER_MAINTENANCE = frozenset({ADD, CHANGE, END, REINSTATE, AUDIT})
"""INS03: what happens to somebody."""

COVERAGE_MAINTENANCE = MEMBER_MAINTENANCE | {DELETE, CORRECT, NOT_APPLICABLE}
"""HD01: what happens to one coverage."""

COVERAGE_ENDS = frozenset({END, DELETE})

UPDATE_FILE, AUDIT_FILE, REPLACE_FILE = "2", "4", "RX"
WHOLE_FILES = frozenset({AUDIT_FILE, REPLACE_FILE})
"""BGN08: the file names everybody, so who is not in it is not insured."""

INFORMATION_COPY = "22"
"""BGN01: to be read, not to be applied."""

SELF = "18"
CHILDREN = frozenset({"09", "10", "15", "17", "19", "23", "38"})
"""INS02: a child of some kind, who cannot be the subscriber of an employer's contract."""

RELATIONS = {
    SELF: "PRIMARY",
    "01": "PARTNER",
    "53": "PARTNER",
    **dict.fromkeys(CHILDREN, "CHILD"),
    "03": "ASCENDANT",
    "04": "ASCENDANT",
}
"""INS02 to a membership type, where the mapping says nothing else."""

EMPLOYMENT = {
    **dict.fromkeys(("AC", "AO", "AU", "FT", "PT"), "ACTIVE"),
    "L1": "LEAVE",
    "RT": "RETIRED",
    "TE": "",
}
"""INS08 to a status; empty: no longer employed. Other codes say nothing about work."""

LEVELS_WITH = {
    "PARTNER": frozenset({"FAM", "ESP", "SPC", "SPO", "DEP", "TWO", "E1D", "E2D", "E3D"}),
    "CHILD": frozenset({"FAM", "ECH", "SPC", "CHD", "DEP", "TWO", "E1D", "E2D", "E3D"}),
    "ASCENDANT": frozenset({"FAM", "DEP", "TWO", "E1D", "E2D", "E3D"}),
}
"""HD05 of a subscriber's coverage that takes dependants in."""

SUBSCRIBER_NUMBER, POLICY_NUMBER, CLIENT_NUMBER = "0F", "1L", "23"

CHANGED_ON, EMPLOYED_FROM, EMPLOYED_UNTIL = "303", "336", "337"
ELIGIBLE_FROM, ELIGIBLE_UNTIL = "356", "357"
BENEFIT_FROM, BENEFIT_UNTIL, FILE_EFFECTIVE = "348", "349", "007"

READ_LOOPS = frozenset({"2000", "2100A", "2300"})
READ_SEGMENTS = frozenset({"INS", "REF", "DTP", "NM1", "N3", "N4", "DMG", "HD"})
"""Where members stand, and which of their segments are read."""

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
