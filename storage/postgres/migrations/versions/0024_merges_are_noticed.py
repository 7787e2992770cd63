"""Lets servers notice merges in the write log, and removes merged members from the search index."""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0024"
down_revision = "0021"
branch_labels = None
depends_on = None

COLUMN = """
ALTER TABLE write_log ADD COLUMN merged uuid;
COMMENT ON COLUMN write_log.merged IS 'The member whom the write merged into another one.';
"""

# Like erase_member, a merge always inserts into its table, whichever function writes it.
FORGET_MERGED = """
CREATE FUNCTION remove_merged_from_search() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM member_search WHERE member_id = NEW.from_member_id;
    RETURN NULL;
END $$
"""

TRIGGER = """
REVOKE ALL ON FUNCTION remove_merged_from_search() FROM PUBLIC;
CREATE TRIGGER remove_merged_from_search AFTER INSERT ON member_merge
    FOR EACH ROW EXECUTE FUNCTION remove_merged_from_search();
"""


def upgrade() -> None:
    execute_all(COLUMN)
    op.execute(FORGET_MERGED)
    execute_all(TRIGGER)


def downgrade() -> None:
    only_forward()
