"""Clears the stored state of a revision when its periods change, as in an erasure that removes periods."""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# Only the tables' owner can delete or change periods, so only the owner's functions ever fire the triggers.
CLEAR_VIEWS = """
CREATE FUNCTION clear_views() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE enrollment_revision SET view = NULL
        WHERE view IS NOT NULL AND revision_key IN (SELECT revision_key FROM changed);
    RETURN NULL;
END $$
"""

TRIGGERS = """
CREATE TRIGGER deleted_periods AFTER DELETE ON enrollment_period REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION clear_views();
CREATE TRIGGER updated_periods AFTER UPDATE ON enrollment_period REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION clear_views();
REVOKE ALL ON FUNCTION clear_views() FROM PUBLIC;
"""


def upgrade() -> None:
    op.execute(CLEAR_VIEWS)
    execute_all(TRIGGERS)


def downgrade() -> None:
    only_forward()
