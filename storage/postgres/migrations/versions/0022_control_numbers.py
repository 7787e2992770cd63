"""Adds the last control number that was reserved for an interchange."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE control_number (
    last integer NOT NULL,
    CONSTRAINT control_number_nine_digits CHECK (last >= 0 AND last <= 999999999)
);
COMMENT ON TABLE control_number IS
    'One row: the last control number that was reserved for an interchange, 0 if none.';
INSERT INTO control_number (last) VALUES (0);
"""


def upgrade() -> None:
    execute_all(TABLE)


def downgrade() -> None:
    only_forward()
