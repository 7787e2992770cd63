"""Erases the reasons of merges together with the personal data of either member."""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

# erase_member always inserts into erasure, whichever server calls it.
ERASE_REASONS = """
CREATE FUNCTION erase_reasons_of_merges() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE member_merge SET reason = '' WHERE NEW.member_id IN (from_member_id, into_member_id);
    RETURN NULL;
END $$
"""

TRIGGER = """
REVOKE ALL ON FUNCTION erase_reasons_of_merges() FROM PUBLIC;
CREATE TRIGGER erase_reasons_of_merges AFTER INSERT ON erasure FOR EACH ROW
    EXECUTE FUNCTION erase_reasons_of_merges();
"""


def upgrade() -> None:
    op.execute(ERASE_REASONS)
    execute_all(TRIGGER)


def downgrade() -> None:
    only_forward()
