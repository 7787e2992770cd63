"""Adds the contract of each change request and recompute, the totals of each premium run, and indexes for lists.

Servers keep reading and writing while this migration runs. It commits after each step, so that no step holds the locks
of another step, and it can be repeated after a failure.
"""

from alembic import op

from storage.postgres.migrations.statements import build_indexes, execute_all, only_forward

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

CONTRACT_OF_GROUP = """
CREATE OR REPLACE FUNCTION set_contract_of_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT contract_id INTO NEW.contract_id FROM public.enrollment_group WHERE group_key = NEW.group_key;
    RETURN NEW;
END $$
"""

ADD_CONTRACT = """
ALTER TABLE {table} ADD COLUMN IF NOT EXISTS contract_id uuid;
COMMENT ON COLUMN {table}.contract_id IS 'The contract of the group. Set by a trigger.';
CREATE OR REPLACE TRIGGER {table}_contract BEFORE INSERT ON {table}
    FOR EACH ROW EXECUTE FUNCTION set_contract_of_group();
"""

ROWS_PER_BATCH = 5000

FILL_CONTRACT = """
DO $$
DECLARE
    from_key bigint := (SELECT min({table}_key) FROM {table});
    last_key bigint := (SELECT max({table}_key) FROM {table});
BEGIN
    WHILE from_key <= last_key LOOP
        UPDATE {table} t SET contract_id = g.contract_id FROM enrollment_group g
            WHERE g.group_key = t.group_key AND t.contract_id IS NULL
                AND t.{table}_key >= from_key AND t.{table}_key < from_key + {rows};
        COMMIT;
        from_key := from_key + {rows};
    END LOOP;
END $$
"""

# The check is validated without blocking writes. With it, SET NOT NULL doesn't read the table.
REQUIRE_CONTRACT = """
ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_contract_check;
ALTER TABLE {table} ADD CONSTRAINT {table}_contract_check CHECK (contract_id IS NOT NULL) NOT VALID;
ALTER TABLE {table} VALIDATE CONSTRAINT {table}_contract_check;
ALTER TABLE {table} ALTER COLUMN contract_id SET NOT NULL;
ALTER TABLE {table} DROP CONSTRAINT {table}_contract_check;
"""

TOTALS = """
ALTER TABLE premium_run ADD COLUMN IF NOT EXISTS done bigint NOT NULL DEFAULT 0;
ALTER TABLE premium_run ADD COLUMN IF NOT EXISTS failed bigint NOT NULL DEFAULT 0;
ALTER TABLE premium_run ADD COLUMN IF NOT EXISTS offsets bigint NOT NULL DEFAULT 0;
ALTER TABLE premium_run ADD COLUMN IF NOT EXISTS entries bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN premium_run.done IS 'Number of policies of the parts that are done. A trigger adds up these four.';
"""

ADD_PART = """
CREATE OR REPLACE FUNCTION add_part_to_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.premium_run SET done = done + cardinality(NEW.group_keys), failed = failed + NEW.failed,
        offsets = offsets + NEW.offsets, entries = entries + NEW.entries WHERE run_key = NEW.run_key;
    RETURN NULL;
END $$
"""

# Creating the trigger locks the table, so no part can finish until the totals are committed.
ADD_UP_PARTS = """
CREATE OR REPLACE TRIGGER premium_run_part_done AFTER UPDATE OF done ON premium_run_part
    FOR EACH ROW WHEN (NEW.done AND NOT OLD.done) EXECUTE FUNCTION add_part_to_run();
UPDATE premium_run r SET (done, failed, offsets, entries) = (
    SELECT coalesce(sum(cardinality(p.group_keys)) FILTER (WHERE p.done), 0), coalesce(sum(p.failed), 0),
        coalesce(sum(p.offsets), 0), coalesce(sum(p.entries), 0)
    FROM premium_run_part p WHERE p.run_key = r.run_key);
"""

# The indexes for one contract sort nulls first, so that its lists can't use the other indexes (`storage/listing.py`).
INDEXES = {
    "change_request_listed_index": "change_request (approved, recorded_at, change_request_key)",
    "change_request_listed_of_contract_index": (
        "change_request (contract_id, approved, recorded_at NULLS FIRST, change_request_key NULLS FIRST)"
    ),
    "recompute_listed_index": (
        "recompute (((done_at IS NOT NULL)::integer), ((failed_at IS NOT NULL)::integer), requested_at, recompute_key)"
    ),
    "recompute_listed_of_contract_index": (
        "recompute (contract_id, ((done_at IS NOT NULL)::integer), ((failed_at IS NOT NULL)::integer),"
        " requested_at NULLS FIRST, recompute_key NULLS FIRST)"
    ),
    "premium_run_listed_index": "premium_run (((done = policies)::integer), stopped, recorded_at, run_key)",
    "premium_run_listed_of_contract_index": (
        "premium_run (contract_id, ((done = policies)::integer), stopped, recorded_at NULLS FIRST, run_key NULLS FIRST)"
    ),
    "premium_invoice_mark_invoice_index": "premium_invoice_mark (invoice_id, stretch_key, month)",
}


def upgrade() -> None:
    op.execute(CONTRACT_OF_GROUP)
    op.execute(ADD_PART)
    execute_all(TOTALS)
    execute_all(ADD_UP_PARTS)
    for table in ("change_request", "recompute"):
        with op.get_context().autocommit_block():
            execute_all(ADD_CONTRACT.format(table=table))
            op.execute(FILL_CONTRACT.format(table=table, rows=ROWS_PER_BATCH))
            execute_all(REQUIRE_CONTRACT.format(table=table))
    with op.get_context().autocommit_block():
        build_indexes(INDEXES)


def downgrade() -> None:
    only_forward()
