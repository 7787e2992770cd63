"""The history of this database: epochs, of which each restore begins a new one, and the write log."""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE history_epoch (
    position integer CONSTRAINT history_epoch_pkey PRIMARY KEY,
    epoch_id uuid NOT NULL CONSTRAINT history_epoch_epoch_id_key UNIQUE,
    began_at timestamptz NOT NULL,
    fingerprint text NOT NULL,
    inherited_up_to bigint NOT NULL,
    inherited_without int8multirange NOT NULL
);

CREATE TABLE write_log (
    write_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT write_log_pkey PRIMARY KEY,
    usage_of uuid
);

ALTER TABLE accumulator_policy DROP COLUMN changed_by;
ALTER TABLE accumulator_balance DROP COLUMN changed_by;
ALTER TABLE coverage_locator ADD COLUMN first_on date;

COMMENT ON TABLE history_epoch IS
    'Epochs of this database; a restore or a restart of PostgreSQL begins the next one. Only ever added to.';
COMMENT ON COLUMN history_epoch.fingerprint IS
    'Start of PostgreSQL, database, and the transaction that wrote the row: differs after every restore.';
COMMENT ON COLUMN history_epoch.inherited_up_to IS
    'The last key of the write log when the epoch began: later writes of earlier epochs are lost.';
COMMENT ON COLUMN history_epoch.inherited_without IS
    'Keys up to that one which were never committed here.';
COMMENT ON TABLE write_log IS
    'The newest writes of callers, one row each, written last in their transactions.';
COMMENT ON COLUMN write_log.usage_of IS
    'The policy whose balances the write changed.';
COMMENT ON COLUMN coverage_locator.first_on IS
    'The first day of the record; null in rows of older releases.';
"""

IS_SAME_HISTORY = """
CREATE FUNCTION is_same_history() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT e.fingerprint = concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
            (SELECT oid FROM pg_database WHERE datname = current_database()), e.xmin)
        FROM history_epoch e ORDER BY e.position DESC LIMIT 1), false)
$$
"""

# The locks come first, so that no write is under way while the inherited writes are determined. Keys that were drawn
# but never committed are drawn again.
BEGIN_EPOCH = """
CREATE FUNCTION begin_epoch() RETURNS void
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE newest bigint;
BEGIN
    LOCK TABLE history_epoch IN SHARE ROW EXCLUSIVE MODE;
    LOCK TABLE write_log IN EXCLUSIVE MODE;
    SELECT coalesce(max(write_key), 0) INTO newest FROM write_log;
    INSERT INTO history_epoch
        SELECT (SELECT coalesce(max(position), 0) + 1 FROM history_epoch), gen_random_uuid(), clock_timestamp(),
            concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
                (SELECT oid FROM pg_database WHERE datname = current_database()), pg_current_xact_id()::xid),
            newest, coalesce(range_agg(int8range(k.before + 1, k.write_key)), '{}')
        FROM (SELECT write_key, lag(write_key) OVER (ORDER BY write_key) AS before FROM write_log) k
        WHERE k.write_key > k.before + 1;
    PERFORM setval(pg_get_serial_sequence('write_log', 'write_key'), greatest(newest, 1), newest > 0);
END $$
"""

# Runs with the rights of the tables' owner. It does nothing unless the fingerprint differs, regardless of the caller.
RECOGNIZE_RESTORE = """
CREATE FUNCTION recognize_restore() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    LOCK TABLE history_epoch IN SHARE ROW EXCLUSIVE MODE;
    IF NOT is_same_history() THEN
        PERFORM begin_epoch();
    END IF;
END $$
"""


def upgrade() -> None:
    execute_all(STATEMENTS)
    for function in (IS_SAME_HISTORY, BEGIN_EPOCH, RECOGNIZE_RESTORE):
        op.execute(function)
    execute_all("REVOKE ALL ON FUNCTION begin_epoch(), recognize_restore() FROM PUBLIC;\n")
    execute_all("SELECT begin_epoch();\n")


def downgrade() -> None:
    only_forward()
