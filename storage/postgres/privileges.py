"""The privileges of the application's database role, which can read and insert into most tables, and update or delete
from a few.

The role owns nothing, so it can neither alter the schema nor grant itself more privileges. It can only insert
revisions, requests, the premium ledger and accumulator applications. It can neither read nor write the audit log
directly. Functions with the owner's rights add and list its entries.
"""

from contextlib import suppress

import psycopg
from psycopg import sql

READ = ("SELECT",)
APPEND = (*READ, "INSERT")
UPDATE = (*APPEND, "UPDATE")
DELETE = (*APPEND, "DELETE")

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "alembic_version": READ,
    "schema_compatibility": READ,
    "clock_guard": READ,
    "deployment": READ,
    "control_number": (*READ, "UPDATE"),
    "history_epoch": READ,
    "write_log": DELETE,
    "answered_request": APPEND,
    "contract_revision": APPEND,
    "contract_module": APPEND,
    "member_revision": APPEND,
    "member_identifier": DELETE,
    "member_merge": APPEND,
    "member_search": (*APPEND, "DELETE"),
    "member_to_index": (*UPDATE, "DELETE"),
    "enrollment_group": UPDATE,
    "group_member": APPEND,
    "change_request": APPEND,
    "recompute": UPDATE,
    "enrollment_revision": APPEND,
    "enrollment_period": APPEND,
    "enrollment_difference": APPEND,
    "event": APPEND,
    "feed_pending": APPEND,
    "feed_entry": READ,
    "feed_head": READ,
    "feed_relay": UPDATE,
    "lease": UPDATE,
    "premium_price": APPEND,
    "premium_stretch": APPEND,
    "premium_invoice_mark": APPEND,
    "premium_policy": UPDATE,
    "premium_following": DELETE,
    "premium_stale": (*UPDATE, "DELETE"),
    "premium_run": UPDATE,
    "premium_run_part": UPDATE,
    "premium_run_failure": APPEND,
    "projection_checkpoints": UPDATE,
    "coverage_policy": (*UPDATE, "DELETE"),
    "coverage_run": DELETE,
    "coverage_locator": APPEND,
    "accumulator_policy": UPDATE,
    "accumulator_balance": UPDATE,
    "accumulator_application": APPEND,
    "accumulator_reversal": APPEND,
    "accumulator_entry": APPEND,
    "migration": UPDATE,
    "migration_change": APPEND,
    "legacy_identifier": APPEND,
    "legacy_group": UPDATE,
    "migration_comparison": UPDATE,
    "migration_backfill": APPEND,
    "migration_backfill_part": UPDATE,
    "migration_backfill_failure": APPEND,
    "audit_entry": (),
    "audit_entry_id": (),
    "erasure": READ,
    "server_memory": (*UPDATE, "DELETE"),
}

FUNCTIONS = (
    "add_audit_entry(text, text, text, text, text, jsonb, integer, text)",
    "list_audit_entries(uuid, text, text, text, timestamptz, timestamptz, timestamptz, bigint, integer)",
    "erase_member(uuid, date, boolean, text, jsonb)",
    # Called by servers of earlier releases.
    "add_audit_entry(text, text, text, text, jsonb, integer, text)",
    "erase_member(uuid, date, boolean, text)",
    "recognize_restore()",
    "recorded_now(timestamptz)",
    "reach_instant(timestamptz)",
    "follow_clock()",
    "sequence_feed(integer)",
    "trim_feed(interval, integer)",
    "map_legacy_products(text, text, text[], uuid[])",
    "hold_migration_stage(bigint, text)",
)
"""The functions in the schema `public` that the role can execute. All but `recorded_now` and `hold_migration_stage` run
with the owner's rights, do what the role itself can't, and check their arguments."""


def are_granted(connection: psycopg.Connection, role: str) -> bool:
    """Returns whether a role has exactly these privileges on the tables, and can execute the functions."""
    cursor = connection.execute(
        "SELECT table_name, array_agg(privilege_type::text) FROM information_schema.role_table_grants"
        " WHERE grantee = %s AND table_schema = 'public' GROUP BY table_name",
        [role],
    )
    wanted = {table: set(privileges) for table, privileges in PRIVILEGES.items() if privileges}
    if {table: set(granted) for table, granted in cursor} != wanted:
        return False
    executable = connection.execute(
        "SELECT bool_and(has_function_privilege(%s, name, 'EXECUTE')) FROM unnest(%s::text[]) AS name",
        [role, [f"public.{function}" for function in FUNCTIONS]],
    ).fetchone()
    return bool(executable and executable[0])


def grant(connection: psycopg.Connection, role: str) -> None:
    """Grants a role these privileges and revokes all others. Must be called by the owner of the tables."""
    name = sql.Identifier(role)
    with connection.transaction():
        for table, privileges in PRIVILEGES.items():
            on = sql.Identifier("public", table)
            connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(on, name))
            if privileges:
                listed = sql.SQL(", ").join(map(sql.SQL, privileges))
                connection.execute(sql.SQL("GRANT {} ON {} TO {}").format(listed, on, name))
        for function in FUNCTIONS:
            allowed = sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}")
            connection.execute(allowed.format(sql.SQL(f"public.{function}"), name))


def make_role(connection: psycopg.Connection, role: str) -> None:
    """Creates a role that can log in and nothing else, if it does not exist."""
    with suppress(psycopg.errors.DuplicateObject):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))


def owns_tables(connection: psycopg.Connection) -> bool:
    """Returns whether the role of this connection could alter the ledger, because it owns a table or is a superuser."""
    row = connection.execute(
        "SELECT bool_or(rolsuper OR pg_has_role(current_user, relowner, 'MEMBER')) FROM pg_class, pg_roles"
        " WHERE rolname = current_user AND relnamespace = 'public'::regnamespace AND relkind = 'r'"
    ).fetchone()
    return bool(row and row[0])
