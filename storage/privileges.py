"""What the application's database role may do with each table: read and add everywhere, change and remove in few.

The role owns nothing, so it can neither alter the schema nor give itself more. Revisions, requests, the premium ledger,
accumulator applications and the audit log can only be added to; the audit log cannot even be read.
"""

from contextlib import suppress

import psycopg
from psycopg import sql

ADDED_TO = ("SELECT", "INSERT")
CHANGED = (*ADDED_TO, "UPDATE")
EMPTIED = (*ADDED_TO, "DELETE")

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "alembic_version": ("SELECT",),
    "deployment": ("SELECT",),
    "answered_request": ADDED_TO,
    "contract_revision": ADDED_TO,
    "contract_module": ADDED_TO,
    "member_revision": ADDED_TO,
    "enrollment_group": CHANGED,
    "group_member": ADDED_TO,
    "change_request": ADDED_TO,
    "recompute": CHANGED,
    "enrollment_revision": ADDED_TO,
    "enrollment_period": ADDED_TO,
    "enrollment_difference": ADDED_TO,
    "event": ADDED_TO,
    "feed_pending": EMPTIED,
    "feed_entry": EMPTIED,
    "feed_head": CHANGED,
    "feed_relay": CHANGED,
    "premium_price": ADDED_TO,
    "premium_stretch": ADDED_TO,
    "premium_invoice_mark": ADDED_TO,
    "premium_policy": CHANGED,
    "premium_following": EMPTIED,
    "premium_run": CHANGED,
    "premium_run_part": CHANGED,
    "premium_run_failure": ADDED_TO,
    "projection_checkpoints": CHANGED,
    "coverage_policy": (*CHANGED, "DELETE"),
    "coverage_run": EMPTIED,
    "coverage_locator": ADDED_TO,
    "accumulator_policy": CHANGED,
    "accumulator_balance": CHANGED,
    "accumulator_application": ADDED_TO,
    "accumulator_reversal": ADDED_TO,
    "accumulator_entry": ADDED_TO,
    "audit_entry": ("INSERT",),
}

FUNCTIONS = ("erase_member(uuid, date)",)
"""Which run with the owner's rights, and do what the role cannot."""


def are_granted(connection: psycopg.Connection, role: str) -> bool:
    """Whether a role has just these privileges on every table."""
    cursor = connection.execute(
        "SELECT table_name, array_agg(privilege_type::text) FROM information_schema.role_table_grants"
        " WHERE grantee = %s AND table_schema = 'public' GROUP BY table_name",
        [role],
    )
    return {name: set(granted) for name, granted in cursor} == {name: set(its) for name, its in PRIVILEGES.items()}


def grant(connection: psycopg.Connection, role: str) -> None:
    """Gives a role what it may, and takes from it what it may not; by the tables' owner."""
    name = sql.Identifier(role)
    with connection.transaction():
        for table, privileges in PRIVILEGES.items():
            on = sql.Identifier("public", table)
            connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(on, name))
            listed = sql.SQL(", ").join(map(sql.SQL, privileges))
            connection.execute(sql.SQL("GRANT {} ON {} TO {}").format(listed, on, name))
        for function in FUNCTIONS:
            allowed = sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}")
            connection.execute(allowed.format(sql.SQL(function), name))


def make_role(connection: psycopg.Connection, role: str) -> None:
    """Makes a role that may log in and nothing else, where it is not there yet."""
    with suppress(psycopg.errors.DuplicateObject):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))


def owns_tables(connection: psycopg.Connection) -> bool:
    """Whether the role of this connection could alter the ledger: it owns a table, or is a superuser."""
    row = connection.execute(
        "SELECT bool_or(rolsuper OR pg_has_role(current_user, relowner, 'MEMBER')) FROM pg_class, pg_roles"
        " WHERE rolname = current_user AND relnamespace = 'public'::regnamespace AND relkind = 'r'"
    ).fetchone()
    return bool(row and row[0])
