"""What a service's token, or a certificate's line in the settings, can hold."""

ADMIN = "admin"
"""In place of scopes: may whatever an admin may."""

READ, WRITE = "enrollment.read", "enrollment.write"
ADMINISTER = "enrollment.administer"
FEED = "enrollment.watch"
SCOPES = {
    READ: "groups, revisions, change requests",
    WRITE: "change requests in the name of members",
    ADMINISTER: "change requests in the name of admins, recomputes",
    FEED: "the change feed",
    "eligibility.read": "checks, capabilities, coverage, accumulators",
    "claims.write": "applying to accumulators and reversing, on the internal listener",
    "pricing.read": "costs",
    "premiums.read": "premium entries, previews, runs, sums",
    "premiums.write": "computing premiums, runs, invoices",
    "catalog.read": "contracts and modules",
    "members.read": "members and their facts",
    "members.write": "members and their facts, written",
}
"""Every scope, and what it opens."""
