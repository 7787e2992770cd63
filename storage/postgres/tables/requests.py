"""Table of the responses to writes."""

from sqlalchemy import Column, LargeBinary, Table, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from storage.postgres.tables.metadata import metadata, recorded_at

answered_request = Table(
    "answered_request",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", JSONB, nullable=False),
    recorded_at(),
    comment="Every write that was answered, so that repeating it answers the same.",
)
