"""Adds the actor to every record. Existing rows get the actor `before-actors`."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = (
    "erasure",
    "member_revision",
    "contract_revision",
    "change_request",
    "recompute",
    "premium_stretch",
    "premium_invoice_mark",
    "premium_run",
    "accumulator_application",
    "accumulator_reversal",
)

ADD_ACTOR = """
ALTER TABLE {table} ADD COLUMN actor jsonb NOT NULL DEFAULT '{{"kind": "SYSTEM", "subject": "before-actors"}}';
COMMENT ON COLUMN {table}.actor IS 'Who recorded the row.';
"""


def upgrade() -> None:
    for table in TABLES:
        execute_all(ADD_ACTOR.format(table=table))


def downgrade() -> None:
    only_forward()
