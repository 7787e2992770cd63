"""Adds the kind of each member state, the policy of each invoice mark and reversal, and indexes for histories.

Servers keep reading and writing while this migration runs. It commits after each step, so that no step holds the locks
of another step, and it can be repeated after a failure.
"""

from alembic import op

from storage.postgres.migrations.statements import build_indexes, execute_all, only_forward

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE member_revision ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT 'FACT';
COMMENT ON COLUMN member_revision.kind IS
    'FACT: facts were recorded. RECORD: the member was created, or something else about them changed.';
ALTER TABLE premium_invoice_mark ADD COLUMN IF NOT EXISTS group_key bigint;
COMMENT ON COLUMN premium_invoice_mark.group_key IS 'The policy of the entry.';
ALTER TABLE accumulator_reversal ADD COLUMN IF NOT EXISTS group_id uuid;
COMMENT ON COLUMN accumulator_reversal.group_id IS 'The policy of the application.';
"""

# Servers of earlier releases insert rows without the new columns. They know neither identifiers nor actors, so besides
# facts, only the kind and the name of a member can have changed.
FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION set_kind_of_state() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.revision = 1 OR EXISTS (
        SELECT FROM member_revision p WHERE p.member_id = NEW.member_id AND p.revision = NEW.revision - 1
            AND p.document - 'facts' - 'identifiers' <> NEW.document - 'facts' - 'identifiers')
    THEN
        NEW.kind := 'RECORD';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE OR REPLACE FUNCTION set_policy_of_mark() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SELECT group_key INTO NEW.group_key FROM premium_stretch WHERE stretch_key = NEW.stretch_key;
    RETURN NEW;
END $$
""",
    """
CREATE OR REPLACE FUNCTION set_policy_of_reversal() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SELECT group_id INTO NEW.group_id FROM accumulator_application WHERE application_key = NEW.application_key;
    RETURN NEW;
END $$
""",
)

TRIGGERS = """
REVOKE ALL ON FUNCTION set_kind_of_state() FROM PUBLIC;
REVOKE ALL ON FUNCTION set_policy_of_mark() FROM PUBLIC;
REVOKE ALL ON FUNCTION set_policy_of_reversal() FROM PUBLIC;
CREATE OR REPLACE TRIGGER set_kind_of_state BEFORE INSERT ON member_revision FOR EACH ROW
    WHEN (NEW.actor = '{"kind": "SYSTEM", "subject": "before-actors"}') EXECUTE FUNCTION set_kind_of_state();
CREATE OR REPLACE TRIGGER set_policy_of_mark BEFORE INSERT ON premium_invoice_mark FOR EACH ROW
    WHEN (NEW.group_key IS NULL) EXECUTE FUNCTION set_policy_of_mark();
CREATE OR REPLACE TRIGGER set_policy_of_reversal BEFORE INSERT ON accumulator_reversal FOR EACH ROW
    WHEN (NEW.group_id IS NULL) EXECUTE FUNCTION set_policy_of_reversal();
"""

# One transaction fills the members in one 256th of all ids, or the stretches or applications of this many keys.
ROWS_PER_BATCH = 5000

FILL_KINDS = """
DO $$
BEGIN
    FOR n IN 0..255 LOOP
        UPDATE member_revision r SET kind = 'RECORD'
            WHERE r.member_id BETWEEN (lpad(to_hex(n), 2, '0') || repeat('0', 30))::uuid
                    AND (lpad(to_hex(n), 2, '0') || repeat('f', 30))::uuid
                AND r.kind = 'FACT' AND r.actor = '{"kind": "SYSTEM", "subject": "before-actors"}'
                AND (r.revision = 1 OR EXISTS (
                    SELECT FROM member_revision p WHERE p.member_id = r.member_id AND p.revision = r.revision - 1
                        AND p.document - 'facts' - 'identifiers' <> r.document - 'facts' - 'identifiers'));
        COMMIT;
    END LOOP;
END $$
"""

FILL_POLICIES = """
DO $$
DECLARE
    from_key bigint := (SELECT min({key}) FROM {table});
    last_key bigint := (SELECT max({key}) FROM {table});
BEGIN
    WHILE from_key <= last_key LOOP
        UPDATE {table} t SET {column} = o.{column} FROM {owner} o
            WHERE o.{key} = t.{key} AND t.{column} IS NULL AND t.{key} >= from_key AND t.{key} < from_key + {rows};
        COMMIT;
        from_key := from_key + {rows};
    END LOOP;
END $$
"""

POLICIES = (
    {"table": "premium_invoice_mark", "key": "stretch_key", "column": "group_key", "owner": "premium_stretch"},
    {
        "table": "accumulator_reversal",
        "key": "application_key",
        "column": "group_id",
        "owner": "accumulator_application",
    },
)

# Validated without blocking writes.
FOREIGN_KEY = """
ALTER TABLE premium_invoice_mark DROP CONSTRAINT IF EXISTS premium_invoice_mark_group_key_fkey;
ALTER TABLE premium_invoice_mark ADD CONSTRAINT premium_invoice_mark_group_key_fkey
    FOREIGN KEY (group_key) REFERENCES enrollment_group NOT VALID;
ALTER TABLE premium_invoice_mark VALIDATE CONSTRAINT premium_invoice_mark_group_key_fkey;
"""

INDEXES = {
    "member_revision_history_index": "member_revision (member_id, kind, recorded_at)",
    "contract_revision_history_index": "contract_revision (contract_id, recorded_at)",
    "change_request_history_index": "change_request (group_key, recorded_at, change_request_key)",
    "recompute_history_index": "recompute (group_key, done_at, recompute_key) WHERE done_at IS NOT NULL",
    "premium_stretch_history_index": "premium_stretch (group_key, recorded_at)",
    "premium_invoice_mark_history_index": "premium_invoice_mark (group_key, recorded_at)",
    "accumulator_application_history_index": "accumulator_application (group_id, recorded_at, application_key)",
    "accumulator_reversal_history_index": "accumulator_reversal (group_id, recorded_at, application_key)",
    "erasure_history_index": "erasure (member_id, recorded_at, number)",
}

REPLACED = ("premium_stretch_group_key_index", "erasure_member_id_index")
"""Indexes that new ones replace, because these begin with the same column. `premium_stretch` has the most writes."""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        execute_all(COLUMNS)
        for function in FUNCTIONS:
            op.execute(function)
        execute_all(TRIGGERS)
        op.execute(FILL_KINDS)
        for policies in POLICIES:
            op.execute(FILL_POLICIES.format(**policies, rows=ROWS_PER_BATCH))
        execute_all(FOREIGN_KEY)
        build_indexes(INDEXES)
        for name in REPLACED:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def downgrade() -> None:
    only_forward()
