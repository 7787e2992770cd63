"""The scopes of services, as used in their tokens or in AFFILIA_INTERNAL_IDENTITIES."""

ADMIN = "admin"
"""Used instead of scopes to grant the permissions of an admin."""

READ, WRITE = "enrollment.read", "enrollment.write"
ADMINISTER = "enrollment.administer"
FEED = "enrollment.watch"
READ_MEMBERS = "members.read"
READ_PREMIUMS, READ_ELIGIBILITY = "premiums.read", "eligibility.read"
SCOPES = {
    READ: "groups, revisions, change requests",
    WRITE: "change requests on behalf of members, control numbers",
    ADMINISTER: "change requests on behalf of admins, recomputes",
    FEED: "the change feed",
    READ_ELIGIBILITY: "checks, capabilities, coverage, accumulators",
    "claims.write": "applying and reversing accumulators, on the internal listener",
    "pricing.read": "costs",
    READ_PREMIUMS: "premium entries, previews, runs, sums",
    "premiums.write": "computing premiums, runs, invoices",
    "catalog.read": "contracts and modules",
    READ_MEMBERS: "members and their facts",
    "members.write": "writing members and their facts",
}
"""Every scope, and what it allows."""
