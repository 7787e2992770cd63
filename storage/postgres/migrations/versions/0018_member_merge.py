"""Adds the table of merged members.

Servers of earlier releases can't read requests that revert others, and ignore merges, so they can't serve this schema.
"""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE member_merge (
    from_member_id uuid NOT NULL,
    into_member_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor jsonb NOT NULL DEFAULT '{"kind": "SYSTEM", "subject": "before-actors"}',
    reason text NOT NULL,
    document jsonb NOT NULL,
    CONSTRAINT member_merge_pkey PRIMARY KEY (from_member_id),
    CONSTRAINT member_merge_two_members_check CHECK (from_member_id <> into_member_id)
);
CREATE INDEX member_merge_into_member_id_index ON member_merge (into_member_id);
COMMENT ON TABLE member_merge IS 'Records that were merged into another record of the same person.';
COMMENT ON COLUMN member_merge.actor IS 'Who recorded the row.';
COMMENT ON COLUMN member_merge.document IS 'What the merge moved, and the groups that it recomputed.';
"""


def upgrade() -> None:
    execute_all(TABLE)


def downgrade() -> None:
    only_forward()
