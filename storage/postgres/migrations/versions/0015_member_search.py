"""Adds a search index of members. Servers fill it while serving, and update it in the transaction of every write."""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE member_search (
    term text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    member_id uuid NOT NULL,
    CONSTRAINT member_search_pkey PRIMARY KEY (term, name, member_id)
);
CREATE INDEX member_search_member_id_index ON member_search (member_id);
COMMENT ON TABLE member_search IS 'The search index: by which terms members are found, with their normalized names.';
CREATE TABLE member_to_index (
    position bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT member_to_index_pkey PRIMARY KEY,
    first_id uuid NOT NULL,
    last_id uuid NOT NULL
);
COMMENT ON TABLE member_to_index IS 'Ranges of members whose rows in the search index are missing or may be outdated.';
"""

# With ranges, there are few rows, however many members there are, and several servers can work concurrently.
ENQUEUE_EXISTING = """
INSERT INTO member_to_index (first_id, last_id)
    SELECT (lpad(to_hex(n), 2, '0') || repeat('0', 30))::uuid, (lpad(to_hex(n), 2, '0') || repeat('f', 30))::uuid
    FROM generate_series(0, 255) AS n WHERE EXISTS (SELECT FROM member_revision) ORDER BY n
"""

# Servers that know the index also store the actor, so rows with the default actor were written by older servers. The
# function runs with its owner's rights, because the role of an older server has no privileges on the new tables until
# the migration grants them.
ENQUEUE_OLD_WRITES = """
CREATE FUNCTION enqueue_member_to_index() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO member_to_index (first_id, last_id) VALUES (NEW.member_id, NEW.member_id);
    RETURN NULL;
END $$
"""

# erase_member always inserts into erasure, whichever server calls it.
FORGET_ERASED = """
CREATE FUNCTION remove_erased_from_search() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM member_search WHERE member_id = NEW.member_id;
    RETURN NULL;
END $$
"""

TRIGGERS = """
REVOKE ALL ON FUNCTION enqueue_member_to_index() FROM PUBLIC;
REVOKE ALL ON FUNCTION remove_erased_from_search() FROM PUBLIC;
CREATE TRIGGER enqueue_member_to_index AFTER INSERT ON member_revision FOR EACH ROW
    WHEN (NEW.actor = '{"kind": "SYSTEM", "subject": "before-actors"}') EXECUTE FUNCTION enqueue_member_to_index();
CREATE TRIGGER remove_erased_from_search AFTER INSERT ON erasure FOR EACH ROW
    EXECUTE FUNCTION remove_erased_from_search();
"""


def upgrade() -> None:
    execute_all(TABLES)
    op.execute(ENQUEUE_OLD_WRITES)
    op.execute(FORGET_ERASED)
    execute_all(TRIGGERS)
    op.execute(ENQUEUE_EXISTING)


def downgrade() -> None:
    only_forward()
