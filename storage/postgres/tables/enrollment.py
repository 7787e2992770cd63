"""Tables of enrollment: groups, change requests, recomputes, revisions and events."""

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATEMULTIRANGE, DATERANGE, JSONB

from storage.postgres.tables.metadata import actor, metadata, recorded_at

enrollment_group = Table(
    "enrollment_group",
    metadata,
    Column("group_key", BigInteger, Identity(always=True), primary_key=True),
    Column("group_id", Uuid, nullable=False, unique=True),
    Column("contract_id", Uuid, nullable=False),
    Column("primary_id", Uuid, nullable=False, index=True),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    recorded_at(),
    UniqueConstraint("contract_id", "primary_id"),
    comment="The head of a group: its row is locked by whoever changes the group.",
)

group_member = Table(
    "group_member",
    metadata,
    Column("member_id", Uuid, nullable=False),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False, index=True),
    recorded_at(),
    PrimaryKeyConstraint("member_id", "group_key"),
    comment="Whom a group concerns: its primary, and everyone whom an approved decision names.",
)

change_request = Table(
    "change_request",
    metadata,
    Column("change_request_key", BigInteger, Identity(always=True), primary_key=True),
    Column("change_request_id", Uuid, nullable=False, unique=True),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("revision", Integer, nullable=False, comment="The revision of the group after the request."),
    recorded_at(),
    actor(),
    Column("document", JSONB, nullable=False),
    Column("contract_id", Uuid, nullable=False, comment="The contract of the group. Set by a trigger."),
    Index(None, "group_key", "change_request_key"),
    Index("change_request_listed_index", "approved", "recorded_at", "change_request_key"),
    Index(
        "change_request_listed_of_contract_index",
        "contract_id",
        "approved",
        text("recorded_at NULLS FIRST"),
        text("change_request_key NULLS FIRST"),
    ),
    Index("change_request_history_index", "group_key", "recorded_at", "change_request_key"),
    Index(
        "change_request_changes_index",
        text("(document -> 'changes') jsonb_path_ops"),
        postgresql_using="gin",
    ),
    comment="What was asked for and what became of it; keys ascend in the order of judgement within a group.",
)

IS_DONE, IS_FAILED = text("((done_at IS NOT NULL)::integer)"), text("((failed_at IS NOT NULL)::integer)")

recompute = Table(
    "recompute",
    metadata,
    Column("recompute_key", BigInteger, Identity(always=True), primary_key=True),
    Column("recompute_id", Uuid, nullable=False, unique=True),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False),
    Column("trigger", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    actor(),
    Column("today_override", Date, comment="The day that a --dev call took for today."),
    Column("failed_attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", DateTime(timezone=True), comment="After a failure: when it is tried again."),
    Column("failed_at", DateTime(timezone=True), comment="When it was given up."),
    Column("done_at", DateTime(timezone=True)),
    Column("revision", Integer, comment="The revision that it made."),
    Column("unmet", JSONB, comment="Once done: the approved enrolls that are not fully met."),
    Column(
        "unmet_omitted",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="How many further ones unmet leaves out.",
    ),
    Column("contract_id", Uuid, nullable=False, comment="The contract of the group. Set by a trigger."),
    Index(None, "group_key", "recompute_key"),
    Index("recompute_listed_index", IS_DONE, IS_FAILED, "requested_at", "recompute_key"),
    Index(
        "recompute_listed_of_contract_index",
        "contract_id",
        IS_DONE,
        IS_FAILED,
        text("requested_at NULLS FIRST"),
        text("recompute_key NULLS FIRST"),
    ),
    Index(
        "recompute_history_index",
        "group_key",
        "done_at",
        "recompute_key",
        postgresql_where=text("done_at IS NOT NULL"),
    ),
    Index(
        "recompute_waiting",
        "group_key",
        unique=True,
        postgresql_where=text("done_at IS NULL AND failed_at IS NULL"),
    ),
    comment="Groups to be computed anew; at most one waits per group.",
)

enrollment_revision = Table(
    "enrollment_revision",
    metadata,
    Column("revision_key", BigInteger, Identity(always=True), primary_key=True),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False),
    Column("revision", Integer, nullable=False),
    recorded_at(),
    Column("change_request_key", ForeignKey("change_request.change_request_key")),
    Column("recompute_key", ForeignKey("recompute.recompute_key")),
    Column("policy_event", Text, nullable=False),
    Column("view", LargeBinary, comment="The state as a response, after a version byte; null in older rows."),
    UniqueConstraint("group_key", "revision"),
    comment="The states of groups, 1, 2, 3 and so on, and what made them.",
)

enrollment_period = Table(
    "enrollment_period",
    metadata,
    Column("revision_key", ForeignKey("enrollment_revision.revision_key"), nullable=False, index=True),
    Column("member_id", Uuid, nullable=False),
    Column("module_id", Uuid, nullable=False),
    Column("slot_id", Uuid, nullable=False, comment="The slot of the module, or the module itself without one."),
    Column("membership_type", Text, nullable=False),
    Column("days", DATERANGE, nullable=False),
    comment="The periods of every revision, whole.",
)

enrollment_difference = Table(
    "enrollment_difference",
    metadata,
    Column("revision_key", ForeignKey("enrollment_revision.revision_key"), nullable=False, index=True),
    Column("group_key", BigInteger, nullable=False, index=True),
    Column("member_id", Uuid, nullable=False),
    Column("membership_type", Text, nullable=False),
    Column("module_id", Uuid, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("gained", DATEMULTIRANGE, nullable=False),
    Column("lost", DATEMULTIRANGE, nullable=False),
    comment="How each revision differs from the one before.",
)

event = Table(
    "event",
    metadata,
    Column("event_key", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("revision_key", ForeignKey("enrollment_revision.revision_key")),
    Column("change_request_key", ForeignKey("change_request.change_request_key")),
    recorded_at(),
    Column("member_ids", ARRAY(Uuid), nullable=False, comment="Everyone whom the event concerns."),
    Column("recompute_key", ForeignKey("recompute.recompute_key")),
    Column("failed_attempts", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
    comment="What the change feed will tell, written in the transaction of the change.",
)
