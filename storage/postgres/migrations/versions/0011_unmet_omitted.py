"""A recompute stores a limited number of enrolls that are not fully met, and how many it omitted."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE recompute ADD COLUMN unmet_omitted integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN recompute.unmet_omitted IS 'How many further ones unmet leaves out.';
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
