"""The change feed: pending events, the log that readers follow, and its head."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE feed_head (
    feed_id uuid CONSTRAINT feed_head_pkey PRIMARY KEY,
    position bigint NOT NULL,
    trimmed_position bigint NOT NULL,
    trimmed_event_id uuid
);
INSERT INTO feed_head SELECT gen_random_uuid(), 0, 0, NULL;

CREATE TABLE feed_pending (
    event_key bigint CONSTRAINT feed_pending_pkey PRIMARY KEY,
    recorded_at timestamptz NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE feed_entry (
    position bigint CONSTRAINT feed_entry_pkey PRIMARY KEY,
    event_key bigint NOT NULL
        CONSTRAINT feed_entry_event_key_key UNIQUE
        CONSTRAINT feed_entry_event_key_fkey REFERENCES event,
    appended_at timestamptz NOT NULL
);

CREATE TABLE feed_relay (
    name text CONSTRAINT feed_relay_pkey PRIMARY KEY,
    feed_id uuid NOT NULL,
    position bigint NOT NULL,
    event_id uuid,
    moved_at timestamptz NOT NULL
);

ALTER TABLE event
    ADD COLUMN member_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN recompute_key bigint CONSTRAINT event_recompute_key_fkey REFERENCES recompute,
    ADD COLUMN failed_attempts integer,
    ADD COLUMN next_attempt_at timestamptz;

ALTER TABLE enrollment_difference ADD COLUMN membership_type text;

UPDATE enrollment_difference d SET membership_type = p.membership_type
    FROM enrollment_period p JOIN enrollment_revision r USING (revision_key)
    WHERE r.group_key = d.group_key AND p.member_id = d.member_id;
UPDATE event e SET member_ids = m.member_ids
    FROM (SELECT group_key, array_agg(member_id) AS member_ids FROM group_member GROUP BY group_key) m
    WHERE m.group_key = e.group_key;
DELETE FROM event WHERE kind LIKE 'RECOMPUTE_%';
INSERT INTO feed_pending SELECT event_key, recorded_at FROM event;

ALTER TABLE enrollment_difference ALTER COLUMN membership_type SET NOT NULL;
ALTER TABLE event
    ALTER COLUMN member_ids DROP DEFAULT,
    ADD CONSTRAINT event_one_detail CHECK (num_nonnulls(revision_key, change_request_key, recompute_key) = 1);

COMMENT ON TABLE feed_head IS
    'One row: which feed this is, its last position, and the last one that is no longer kept.';
COMMENT ON TABLE feed_pending IS
    'Events that were committed, or will be, and have no position yet; written with the event.';
COMMENT ON TABLE feed_entry IS
    'The feed: events under positions 1, 2, 3 and so on without holes, in an order that never changes.';
COMMENT ON TABLE feed_relay IS
    'Up to where each relay has handed the feed on.';
COMMENT ON COLUMN event.member_ids IS
    'Everyone whom the event concerns.';
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
