"""Leases for work that only one server may do, each with the fence that its writes are checked against."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE lease (
    name text CONSTRAINT lease_pkey PRIMARY KEY,
    holder uuid NOT NULL,
    fence bigint NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE lease IS 'What one server at a time may do, and which one does it until when.';
COMMENT ON COLUMN lease.holder IS 'The process.';
COMMENT ON COLUMN lease.fence IS 'Grows with each new holder; writes of the holder check it.';
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
