"""Tables about the database itself: its identity, its control numbers, its history, its schema version, its clock and
its leases."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE

from storage.postgres.tables.metadata import metadata

deployment = Table(
    "deployment",
    metadata,
    Column("database_id", Uuid, primary_key=True),
    Column("token_key", LargeBinary, nullable=False),
    comment="One row: who this database is, and the key that its tokens are authenticated with.",
)

control_number = Table(
    "control_number",
    metadata,
    Column("last", Integer, nullable=False),
    CheckConstraint("last >= 0 AND last <= 999999999", name="control_number_nine_digits"),
    comment="One row: the last control number that was reserved for an interchange, 0 if none.",
)

history_epoch = Table(
    "history_epoch",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("epoch_id", Uuid, nullable=False, unique=True),
    Column("began_at", DateTime(timezone=True), nullable=False),
    Column(
        "fingerprint",
        Text,
        nullable=False,
        comment="Start of PostgreSQL, database, and the transaction that wrote the row: differs after every restore.",
    ),
    Column(
        "inherited_up_to",
        BigInteger,
        nullable=False,
        comment="The last key of the write log when the epoch began: later writes of earlier epochs are lost.",
    ),
    Column(
        "inherited_without",
        INT8MULTIRANGE,
        nullable=False,
        comment="Keys up to that one which were never committed here.",
    ),
    comment="Epochs of this database; a restore or a restart of PostgreSQL begins the next one. Only ever added to.",
)

write_log = Table(
    "write_log",
    metadata,
    Column("write_key", BigInteger, Identity(always=True), primary_key=True),
    Column("usage_of", Uuid, comment="The policy whose balances the write changed."),
    Column("merged", Uuid, comment="The member whom the write merged into another one."),
    comment="The newest writes of callers, one row each, written last in their transactions.",
)

schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("serves_since", Text, nullable=False),
    comment="One row: the oldest schema version whose servers can serve this schema.",
)

clock_guard = Table(
    "clock_guard",
    metadata,
    Column("reached", DateTime(timezone=True), nullable=False),
    comment="One row: the latest instant whose past has been read. Everything recorded from now on is later.",
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Uuid, nullable=False, comment="The process."),
    Column("fence", BigInteger, nullable=False, comment="Grows with each new holder; writes of the holder check it."),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    comment="What one server at a time may do, and which one does it until when.",
)
