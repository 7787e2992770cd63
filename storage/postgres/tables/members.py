"""Tables for members, their facts and identifiers, and the search index."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.postgres.tables.metadata import actor, metadata, recorded_at

member_revision = Table(
    "member_revision",
    metadata,
    Column("member_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    recorded_at(),
    actor(),
    Column("document", JSONB, nullable=False),
    Column(
        "kind",
        Text,
        nullable=False,
        server_default=text("'FACT'"),
        comment="FACT: facts were recorded. RECORD: the member was created, or something else about them changed.",
    ),
    PrimaryKeyConstraint("member_id", "revision"),
    Index("member_revision_history_index", "member_id", "kind", "recorded_at"),
    comment="Every recorded state of every member with all facts, whole.",
)

member_identifier = Table(
    "member_identifier",
    metadata,
    Column("system", Text(collation="C"), primary_key=True),
    Column("value", Text(collation="C"), primary_key=True, index=True),
    Column("member_id", Uuid, nullable=False, index=True),
    comment="Which member has an identifier now. Earlier identifiers are in the documents of member_revision.",
)

member_merge = Table(
    "member_merge",
    metadata,
    Column("from_member_id", Uuid, primary_key=True),
    Column("into_member_id", Uuid, nullable=False, index=True),
    recorded_at(),
    actor(),
    Column("reason", Text, nullable=False),
    Column("document", JSONB, nullable=False, comment="What the merge moved, and the groups that it recomputed."),
    CheckConstraint("from_member_id <> into_member_id", name="member_merge_two_members_check"),
    comment="Records that were merged into another record of the same person.",
)

member_search = Table(
    "member_search",
    metadata,
    Column("term", Text(collation="C"), nullable=False),
    Column("name", Text(collation="C"), nullable=False),
    Column("member_id", Uuid, nullable=False),
    PrimaryKeyConstraint("term", "name", "member_id"),
    Index(None, "member_id"),
    comment="The search index: by which terms members are found, with their normalized names.",
)

member_to_index = Table(
    "member_to_index",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("first_id", Uuid, nullable=False),
    Column("last_id", Uuid, nullable=False),
    comment="Ranges of members whose rows in the search index are missing or may be outdated.",
)
