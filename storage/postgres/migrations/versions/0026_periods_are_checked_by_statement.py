"""Checks with one trigger per statement that the periods of a revision don't overlap, instead of with two exclusion
constraints, which took most of the time of a write.

A revision and its periods are written in one transaction, and never changed by others, so no other transaction can add
a period that the trigger doesn't see.
"""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# Each revision is looked up by its key. With a join, the planner reads the whole table if it has no statistics.
REJECT_OVERLAPS = """
CREATE FUNCTION reject_overlapping_periods() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE overlap record;
BEGIN
    SELECT written.revision_key, overlapping.* INTO overlap
        FROM (SELECT DISTINCT revision_key FROM written_periods) AS written CROSS JOIN LATERAL (
            SELECT member_id, slot_id, module_id, days FROM (
                SELECT *, days && lag(days) OVER (PARTITION BY member_id, slot_id ORDER BY days) AS in_slot,
                    days && lag(days) OVER (PARTITION BY member_id, module_id ORDER BY days) AS on_module
                FROM enrollment_period p WHERE p.revision_key = written.revision_key OFFSET 0) AS ordered
            WHERE in_slot OR on_module LIMIT 1) AS overlapping
        LIMIT 1;
    IF FOUND THEN
        RAISE exclusion_violation USING
            MESSAGE = format('periods of revision %s overlap', overlap.revision_key),
            DETAIL = format('Member %s, slot %s, module %s, days %s.', overlap.member_id, overlap.slot_id,
                            overlap.module_id, overlap.days),
            TABLE = 'enrollment_period', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$
"""

# The strongest lock comes first: raising a weaker one later could deadlock with servers that are reading and writing.
STATEMENTS = """
LOCK TABLE enrollment_period IN ACCESS EXCLUSIVE MODE;
CREATE TRIGGER inserted_periods_do_not_overlap AFTER INSERT ON enrollment_period
    REFERENCING NEW TABLE AS written_periods FOR EACH STATEMENT EXECUTE FUNCTION reject_overlapping_periods();
CREATE TRIGGER updated_periods_do_not_overlap AFTER UPDATE ON enrollment_period
    REFERENCING NEW TABLE AS written_periods FOR EACH STATEMENT EXECUTE FUNCTION reject_overlapping_periods();
REVOKE ALL ON FUNCTION reject_overlapping_periods() FROM PUBLIC;
ALTER TABLE enrollment_period
    DROP CONSTRAINT enrollment_period_one_module_per_slot,
    DROP CONSTRAINT enrollment_period_one_module_per_day;
DROP TYPE uuidrange;
"""


def upgrade() -> None:
    op.execute(REJECT_OVERLAPS)
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
