"""Tables of migrations from legacy tables: stages, identifiers, alignment, comparisons and backfills."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from storage.postgres.tables.metadata import actor, metadata, recorded_at

migration = Table(
    "migration",
    metadata,
    Column("country", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("country ~ '^[A-Z]{2}$'", name="migration_country_check"),
    CheckConstraint(
        "stage IN ('TRANSLATE', 'DUAL_WRITE', 'READ_CORE', 'CORE', 'RETIRED')", name="migration_stage_check"
    ),
    comment="The stage of each country that is or was migrated from legacy tables.",
)

migration_change = Table(
    "migration_change",
    metadata,
    Column("change_key", BigInteger, Identity(always=True), primary_key=True),
    Column("country", Text, nullable=False),
    Column("from_stage", Text),
    Column("to_stage", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="The subject of the actor."),
    recorded_at(),
    actor(),
    comment="Every change of a stage.",
)

legacy_identifier = Table(
    "legacy_identifier",
    metadata,
    Column("country", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("legacy_key", Text, nullable=False),
    Column("id", Uuid, nullable=False, index=True),
    PrimaryKeyConstraint("country", "kind", "legacy_key"),
    CheckConstraint("kind IN ('CONTRACT', 'MODULE', 'MEMBER', 'GROUP')", name="legacy_identifier_kind_check"),
    Index(
        "legacy_identifier_one_key_index",
        "country",
        "kind",
        "id",
        unique=True,
        postgresql_where=text("kind <> 'MODULE'"),
    ),
    comment="The id of each legacy contract, product, user, and owner under a contract.",
)

legacy_group = Table(
    "legacy_group",
    metadata,
    Column("group_id", Uuid, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False, comment="SHA-256 of the translated runs in order."),
    Column("aligned_at", DateTime(timezone=True), nullable=False),
    comment="With which legacy rows the decisions of each group agreed last.",
)

migration_comparison = Table(
    "migration_comparison",
    metadata,
    Column("country", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=False),
    Column("groups", BigInteger, nullable=False),
    Column("differences", JSONB, nullable=False, comment="Number of groups that differ, by kind."),
    Column("findings", JSONB, nullable=False, comment="Number of rows by kind of finding."),
    comment="The last comparison of all groups of each country.",
)

migration_backfill = Table(
    "migration_backfill",
    metadata,
    Column("backfill_key", BigInteger, Identity(always=True), primary_key=True),
    Column("backfill_id", Uuid, nullable=False, unique=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("country", Text, nullable=False),
    Column("contract_id", Uuid),
    Column("groups", BigInteger, nullable=False),
    recorded_at(),
    actor(),
    comment="Backfills of the groups of a country, or of one contract.",
)

migration_backfill_part = Table(
    "migration_backfill_part",
    metadata,
    Column("backfill_key", ForeignKey("migration_backfill.backfill_key"), nullable=False),
    Column("part", Integer, nullable=False),
    Column("group_ids", ARRAY(Uuid), nullable=False),
    Column("done", Boolean, nullable=False),
    Column("aligned", Integer, nullable=False),
    Column("written_back", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    PrimaryKeyConstraint("backfill_key", "part"),
    Index("migration_backfill_part_left_index", "backfill_key", "part", postgresql_where=text("NOT done")),
    comment="Groups of a backfill that are aligned by the same call.",
)

migration_backfill_failure = Table(
    "migration_backfill_failure",
    metadata,
    Column("backfill_key", ForeignKey("migration_backfill.backfill_key"), nullable=False),
    Column("group_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    PrimaryKeyConstraint("backfill_key", "group_id"),
    comment="Groups that a backfill has skipped, and why.",
)
