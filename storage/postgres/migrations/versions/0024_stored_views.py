"""Adds the state of a revision in the form in which it is returned."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

VIEW = """
ALTER TABLE enrollment_revision ADD COLUMN view bytea;
COMMENT ON COLUMN enrollment_revision.view IS
    'The state as a response, after a version byte; null in older rows.';
"""


def upgrade() -> None:
    execute_all(VIEW)


def downgrade() -> None:
    only_forward()
