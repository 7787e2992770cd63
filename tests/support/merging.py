"""Merges members in tests of reads and writes that name them, by storing the merge itself.

This leaves out what MergeMembers moves: facts, identifiers, usage and periods.
"""

import psycopg


def store_merge(owner_url: str, from_member_id: str, into_member_id: str) -> None:
    """Stores a merge in the database with this connection string, so that all servers notice it."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO member_merge (from_member_id, into_member_id, recorded_at, reason, document)"
            " VALUES (%s, %s, recorded_now(), 'a test', '{}')",
            [from_member_id, into_member_id],
        )
        connection.execute("INSERT INTO write_log (merged) VALUES (%s)", [from_member_id])
