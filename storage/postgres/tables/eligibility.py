"""Tables of coverage and accumulators."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
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
)
from sqlalchemy.dialects.postgresql import DATERANGE, JSONB

from storage.postgres.tables.metadata import actor, metadata, recorded_at

projection_checkpoints = Table(
    "projection_checkpoints",
    metadata,
    Column("name", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("resume_token", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("moved_at", DateTime(timezone=True), nullable=False),
    comment="Up to where each projection has read the feed, and which generation of its tables is served.",
)

coverage_policy = Table(
    "coverage_policy",
    metadata,
    Column("generation", Integer, nullable=False),
    Column("group_id", Uuid, nullable=False),
    Column("contract_id", Uuid, nullable=False),
    Column("primary_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    PrimaryKeyConstraint("generation", "group_id"),
    Index(None, "generation", "contract_id", "group_id"),
    comment="Policies as the feed tells them, by generation.",
)

coverage_run = Table(
    "coverage_run",
    metadata,
    Column("generation", Integer, nullable=False),
    Column("group_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("module_id", Uuid, nullable=False),
    Column("membership_type", Text, nullable=False),
    Column("days", DATERANGE, nullable=False),
    Index(None, "generation", "member_id"),
    Index(None, "generation", "group_id"),
    comment="Runs of days on which members are on modules, by generation; open ends are null.",
)

coverage_locator = Table(
    "coverage_locator",
    metadata,
    Column("locator", Uuid, primary_key=True),
    Column("group_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("first_on", Date, comment="The first day of the record; null in rows of older releases."),
    comment="Under which policy and member a coverage record is found; only ever added to.",
)

accumulator_policy = Table(
    "accumulator_policy",
    metadata,
    Column("group_id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    comment="One row a policy, locked by whoever applies or reverses; how often its usage has changed.",
)

accumulator_balance = Table(
    "accumulator_balance",
    metadata,
    Column("group_id", Uuid, nullable=False),
    Column("term_start", Date, nullable=False),
    Column("code", Text, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("used", BigInteger, nullable=False),
    PrimaryKeyConstraint("group_id", "term_start", "code", "member_id"),
    CheckConstraint("used >= 0", name="accumulator_balance_used_check"),
    comment="What is used of each code within a term; the nil member is the family.",
)

accumulator_application = Table(
    "accumulator_application",
    metadata,
    Column("application_key", BigInteger, Identity(always=True), primary_key=True),
    Column("application_id", Uuid, nullable=False, unique=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("group_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("service_on", Date, nullable=False),
    Column("term_start", Date, nullable=False),
    Column("answer", JSONB, nullable=False),
    recorded_at(),
    actor(),
    Index(None, "group_id", "application_key"),
    Index(None, "member_id", "application_key"),
    Index("accumulator_application_history_index", "group_id", "recorded_at", "application_key"),
    comment="Applications, each once, with their first answer; never changed.",
)

accumulator_reversal = Table(
    "accumulator_reversal",
    metadata,
    Column(
        "application_key",
        ForeignKey("accumulator_application.application_key"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("answer", JSONB, nullable=False),
    recorded_at(),
    actor(),
    Column("group_id", Uuid, comment="The policy of the application."),
    Index("accumulator_reversal_history_index", "group_id", "recorded_at", "application_key"),
    comment="Applications that were reversed, with the first answer.",
)

accumulator_entry = Table(
    "accumulator_entry",
    metadata,
    Column("entry_key", BigInteger, Identity(always=True), primary_key=True),
    Column("application_key", ForeignKey("accumulator_application.application_key"), nullable=False, index=True),
    Column("reverses", ForeignKey("accumulator_entry.entry_key"), unique=True),
    Column("code", Text, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("individual_used", BigInteger, nullable=False),
    Column("family_used", BigInteger, nullable=False),
    comment="The ledger of applications and reversals by code, with the balances after; never changed.",
)
