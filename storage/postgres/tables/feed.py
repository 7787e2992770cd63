"""Tables of the change feed."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Table, Text, Uuid

from storage.postgres.tables.metadata import metadata, recorded_at

feed_pending = Table(
    "feed_pending",
    metadata,
    Column("event_key", BigInteger, primary_key=True, autoincrement=False),
    recorded_at(),
    comment="Events that were committed, or will be, and have no position yet; written with the event.",
)

feed_entry = Table(
    "feed_entry",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("event_key", ForeignKey("event.event_key"), nullable=False, unique=True),
    Column("appended_at", DateTime(timezone=True), nullable=False),
    comment="The feed: events under positions 1, 2, 3 and so on without holes, in an order that never changes.",
)

feed_head = Table(
    "feed_head",
    metadata,
    Column("feed_id", Uuid, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("trimmed_position", BigInteger, nullable=False),
    Column("trimmed_event_id", Uuid),
    Column(
        "trim_horizon",
        DateTime(timezone=True),
        comment="Entries that were appended before this instant are removed.",
    ),
    Column(
        "horizon_moved_at",
        DateTime(timezone=True),
        comment="When trim_horizon last moved, which bounds how far it moves next.",
    ),
    comment="One row: which feed this is, its last position, and the last one that is no longer kept.",
)

feed_relay = Table(
    "feed_relay",
    metadata,
    Column("name", Text, primary_key=True),
    Column("feed_id", Uuid, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event_id", Uuid),
    Column("moved_at", DateTime(timezone=True), nullable=False),
    comment="Up to where each relay has handed the feed on.",
)
