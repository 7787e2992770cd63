"""Instants that stay in order if the clock is set back, a feed that only its own functions move, and the releases that
are compatible with a schema.

Also repairs databases that were migrated by earlier versions of 0005, which was edited after it had been used.
"""

from importlib import import_module

from alembic import op

from storage.postgres import migrations
from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE clock_guard (
    reached timestamptz NOT NULL
);
INSERT INTO clock_guard VALUES (clock_timestamp());

ALTER TABLE feed_head
    ADD COLUMN trim_horizon timestamptz,
    ADD COLUMN horizon_moved_at timestamptz;

CREATE TABLE schema_compatibility (
    serves_since text NOT NULL
);
INSERT INTO schema_compatibility VALUES ('0008');

CREATE INDEX IF NOT EXISTS change_request_changes_index
    ON change_request USING gin ((document->'changes') jsonb_path_ops);

COMMENT ON TABLE clock_guard IS
    'One row: the latest instant whose past has been read. Everything recorded from now on is later.';
COMMENT ON COLUMN feed_head.trim_horizon IS
    'Entries that were appended before this instant are removed.';
COMMENT ON COLUMN feed_head.horizon_moved_at IS
    'When trim_horizon last moved, which bounds how far it moves next.';
COMMENT ON TABLE schema_compatibility IS
    'One row: the oldest schema version whose servers can serve this schema.';
"""

RECORDED_NOW = """
CREATE FUNCTION recorded_now(later_than timestamptz DEFAULT NULL) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- A reader that raises the guard waits for every transaction with an id. So the id comes first: whoever gets one
    -- after the reader looked reads the raised guard in the next statement.
    PERFORM pg_current_xact_id();
    RETURN (SELECT greatest(clock_timestamp(), transaction_timestamp(), g.reached + interval '1 microsecond',
                            later_than + interval '1 microsecond') FROM public.clock_guard g);
END $$
"""

REACH_INSTANT = """
CREATE FUNCTION reach_instant(instant timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- A millisecond beyond the guard: while the clock is behind the guard, that is what has just been recorded.
    UPDATE clock_guard SET reached = instant
        WHERE reached < instant AND instant < greatest(clock_timestamp(), reached + interval '1 millisecond');
    RETURN EXISTS (SELECT FROM clock_guard WHERE reached >= instant);
END $$
"""

FOLLOW_CLOCK = """
CREATE FUNCTION follow_clock() RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE present timestamptz := clock_timestamp();
BEGIN
    -- Five seconds at a time, so that a clock that is ahead for a while does not take the guard with it.
    UPDATE clock_guard SET reached = least(present, reached + interval '5 seconds')
        WHERE reached < present - interval '1 second';
    RETURN present;
END $$
"""

SEQUENCE_FEED = """
CREATE FUNCTION sequence_feed(max_events integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE head feed_head; appended integer;
BEGIN
    -- Each statement sees what was committed before it began: the second one everything that was committed before the
    -- lock was granted.
    SELECT * INTO STRICT head FROM feed_head FOR UPDATE;
    WITH taken AS (
        DELETE FROM feed_pending WHERE event_key IN (
            SELECT event_key FROM feed_pending ORDER BY event_key LIMIT least(greatest(max_events, 0), 10000))
        RETURNING event_key
    ), entered AS (
        INSERT INTO feed_entry (position, event_key, appended_at)
            SELECT head.position + row_number() OVER (ORDER BY t.event_key), t.event_key, clock_timestamp()
            FROM taken t JOIN event e USING (event_key)
            WHERE NOT EXISTS (SELECT FROM feed_entry f WHERE f.event_key = t.event_key)
        RETURNING 1
    )
    SELECT count(*) INTO appended FROM entered;
    IF appended > 0 THEN
        UPDATE feed_head SET position = head.position + appended;
        PERFORM pg_notify('affilia_feed', '');
    END IF;
    RETURN appended;
END $$
"""

TRIM_FEED = """
CREATE FUNCTION trim_feed(keep interval, max_entries integer, OUT removed integer, OUT held_back interval)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    head feed_head;
    present timestamptz := clock_timestamp();
    oldest timestamptz;
    elapsed interval;
    last bigint;
BEGIN
    removed := 0;
    held_back := interval '0';
    SELECT * INTO STRICT head FROM feed_head FOR UPDATE;
    SELECT appended_at INTO oldest FROM feed_entry WHERE position = head.trimmed_position + 1;
    IF oldest IS NULL THEN
        UPDATE feed_head SET trim_horizon = NULL WHERE trim_horizon IS NOT NULL;
        RETURN;
    END IF;
    -- At most ten minutes of entries a minute, however far the clock has jumped ahead and however often this is called.
    elapsed := least(greatest(present - head.horizon_moved_at, interval '0'), interval '1 minute');
    head.trim_horizon := least(
        present - keep, coalesce(head.trim_horizon, oldest) + 10 * coalesce(elapsed, interval '1 minute'));
    SELECT coalesce(min(position) - 1, least(head.position, head.trimmed_position + max_entries)) INTO last
        FROM feed_entry
        WHERE position <= head.trimmed_position + max_entries AND appended_at >= head.trim_horizon;
    UPDATE feed_head SET trim_horizon = head.trim_horizon, horizon_moved_at = present;
    IF last > head.trimmed_position THEN
        UPDATE feed_head SET trimmed_position = last, trimmed_event_id =
            (SELECT e.event_id FROM feed_entry f JOIN event e USING (event_key) WHERE f.position = last);
        DELETE FROM feed_entry WHERE position <= last;
        removed := last - head.trimmed_position;
    END IF;
    SELECT greatest(present - keep - greatest(head.trim_horizon, f.appended_at), interval '0') INTO held_back
        FROM feed_entry f WHERE f.position = last + 1;
    held_back := coalesce(held_back, interval '0');
END $$
"""

FUNCTIONS = (RECORDED_NOW, REACH_INSTANT, FOLLOW_CLOCK, SEQUENCE_FEED, TRIM_FEED)

REVOKED = """
REVOKE ALL ON FUNCTION recorded_now(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION reach_instant(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION follow_clock() FROM PUBLIC;
REVOKE ALL ON FUNCTION sequence_feed(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION trim_feed(interval, integer) FROM PUBLIC;
"""

EARLIER_ERASE_MEMBER = ("623e641cc04a9eeb9b3bb21965a60cd6", "a37c3101a640447a5444bf7fdcfc36b6")
"""MD5 of the bodies that earlier texts of 0005 gave `erase_member`. A later migration may have replaced it since."""


def upgrade() -> None:
    execute_all(STATEMENTS)
    for function in FUNCTIONS:
        op.execute(function)
    execute_all(REVOKED)
    _repair_erase_member()


def _repair_erase_member() -> None:
    found = op.get_bind().exec_driver_sql(
        "SELECT md5(prosrc) FROM pg_proc WHERE proname = 'erase_member' AND pronamespace = 'public'::regnamespace"
    )
    if set(found.scalars()) & set(EARLIER_ERASE_MEMBER):
        erase: str = import_module(f"{migrations.__name__}.versions.0005_audit_and_erasure").ERASE
        op.execute(erase.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))


def downgrade() -> None:
    only_forward()
