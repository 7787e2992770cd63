"""The schema: every table of the product, as the newest migration leaves it, one file per area.

The migrations are written by hand, and a test compares them with these tables. Keys that end in `_key` (bigint) never
leave the database; callers see those that end in `_id` (uuid).

Most tables are append-only: contracts, members, change requests, revisions with their periods and differences, events,
the premium ledger and accumulator applications are never updated or deleted. `storage/postgres/privileges.py` lists
what the servers can do with each table.
"""

from storage.postgres.tables import (
    audit,
    catalog,
    deployment,
    eligibility,
    enrollment,
    feed,
    members,
    migration,
    premiums,
    requests,
)
from storage.postgres.tables.metadata import metadata

__all__ = [
    "audit",
    "catalog",
    "deployment",
    "eligibility",
    "enrollment",
    "feed",
    "members",
    "metadata",
    "migration",
    "premiums",
    "requests",
]
