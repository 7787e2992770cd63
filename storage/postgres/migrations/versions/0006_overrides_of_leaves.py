"""Overrides count for enrolls only: recompute the groups whose state may depend on an override named with a leave.

Earlier releases also waived the overridden rules on the days of a leave. Without a recompute, a group would keep days
that depend on that until its next change, and the next request would report losing them as its own consequence.
"""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = """
INSERT INTO recompute (recompute_id, group_key, trigger, requested_at)
    SELECT gen_random_uuid(), group_key, 'ADMIN', clock_timestamp() FROM change_request
    WHERE approved
      AND document @? '$.overridden_rules[*] ? (@ != "COMMITMENT_NOT_ELAPSED")'
      AND document @? '$.changes[*].change ? (@.kind == "Leave")'
    GROUP BY group_key
    ON CONFLICT (group_key) WHERE done_at IS NULL AND failed_at IS NULL DO NOTHING;
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
