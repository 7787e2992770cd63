"""The schema: every table of the product, as the newest migration leaves it.

Surrogate keys end in `_key` (bigint, never leave the database); what callers know ends in `_id` (uuid). What is
recorded is only ever added: revisions, periods, differences, change requests, contract and member states are never
updated or deleted. Mutable are `enrollment_group` (its current revision), `recompute` (its state), and the feed, whose
entries end with their retention.
The statements stand beside their area (`contracts.py`, `members.py`, `enrollment.py` …); this file is the source of
migrations and of the test that compares both.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATEMULTIRANGE, DATERANGE, INT4MULTIRANGE, JSONB, ExcludeConstraint

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def _recorded_at() -> Column:  # type: ignore[type-arg]  # one column of many types
    return Column("recorded_at", DateTime(timezone=True), nullable=False)


deployment = Table(
    "deployment",
    metadata,
    Column("database_id", Uuid, primary_key=True),
    Column("token_key", LargeBinary, nullable=False),
    comment="One row: who this database is, and the key that its tokens are authenticated with.",
)

answered_request = Table(
    "answered_request",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", JSONB, nullable=False),
    _recorded_at(),
    comment="Every write that was answered, so that repeating it answers the same.",
)

contract_revision = Table(
    "contract_revision",
    metadata,
    Column("contract_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    _recorded_at(),
    Column("document", JSONB, nullable=False),
    PrimaryKeyConstraint("contract_id", "revision"),
    comment="Every recorded state of every contract, whole.",
)

contract_module = Table(
    "contract_module",
    metadata,
    Column("module_id", Uuid, primary_key=True),
    Column("contract_id", Uuid, nullable=False, index=True),
    Column("slot", Text),
    comment="To which contract a module belongs, and its slot, for ever.",
)

member_revision = Table(
    "member_revision",
    metadata,
    Column("member_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    _recorded_at(),
    Column("document", JSONB, nullable=False),
    PrimaryKeyConstraint("member_id", "revision"),
    comment="Every recorded state of every member with all facts, whole.",
)

enrollment_group = Table(
    "enrollment_group",
    metadata,
    Column("group_key", BigInteger, Identity(always=True), primary_key=True),
    Column("group_id", Uuid, nullable=False, unique=True),
    Column("contract_id", Uuid, nullable=False),
    Column("primary_id", Uuid, nullable=False, index=True),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    _recorded_at(),
    UniqueConstraint("contract_id", "primary_id"),
    comment="The head of a group: its row is locked by whoever changes the group.",
)

group_member = Table(
    "group_member",
    metadata,
    Column("member_id", Uuid, nullable=False),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False, index=True),
    _recorded_at(),
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
    _recorded_at(),
    Column("document", JSONB, nullable=False),
    Index(None, "group_key", "change_request_key"),
    Index(
        "change_request_changes_index",
        text("(document -> 'changes') jsonb_path_ops"),
        postgresql_using="gin",
    ),
    comment="What was asked for and what became of it; keys ascend in the order of judgement within a group.",
)

recompute = Table(
    "recompute",
    metadata,
    Column("recompute_key", BigInteger, Identity(always=True), primary_key=True),
    Column("recompute_id", Uuid, nullable=False, unique=True),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False),
    Column("trigger", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("today_override", Date, comment="The day that a --dev call took for today."),
    Column("failed_attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", DateTime(timezone=True), comment="After a failure: when it is tried again."),
    Column("failed_at", DateTime(timezone=True), comment="When it was given up."),
    Column("done_at", DateTime(timezone=True)),
    Column("revision", Integer, comment="The revision that it made."),
    Column("unmet", JSONB, comment="Once done: the approved enrolls that are not fully met."),
    Index(None, "group_key", "recompute_key"),
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
    _recorded_at(),
    Column("change_request_key", ForeignKey("change_request.change_request_key")),
    Column("recompute_key", ForeignKey("recompute.recompute_key")),
    Column("policy_event", Text, nullable=False),
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
    _recorded_at(),
    Column("member_ids", ARRAY(Uuid), nullable=False, comment="Everyone whom the event concerns."),
    Column("recompute_key", ForeignKey("recompute.recompute_key")),
    Column("failed_attempts", Integer),
    Column("next_attempt_at", DateTime(timezone=True)),
    comment="What the change feed will tell, written in the transaction of the change.",
)

feed_pending = Table(
    "feed_pending",
    metadata,
    Column("event_key", BigInteger, primary_key=True, autoincrement=False),
    _recorded_at(),
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

premium_price = Table(
    "premium_price",
    metadata,
    Column("price_key", BigInteger, Identity(always=True), primary_key=True),
    Column("price_id", Uuid, nullable=False, unique=True),
    Column("module_id", Uuid, nullable=False),
    Column("beneficiary_type", Text, nullable=False),
    Column("service_type", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("contribution_types", ARRAY(Text), nullable=False),
    Column("billed_entities", ARRAY(Text), nullable=False),
    Column("debtors", ARRAY(Text), nullable=False),
    Column("monthly_minor", ARRAY(BigInteger), nullable=False),
    Column("document", JSONB, nullable=False, comment="The price and the parameters of the engine, whole."),
    comment="Monthly amounts and how they came about, each once; arrays of equal length, in component order.",
)

premium_stretch = Table(
    "premium_stretch",
    metadata,
    Column("stretch_key", BigInteger, Identity(always=True), primary_key=True),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False, index=True),
    Column("contract_id", Uuid, nullable=False),
    Column("enrollment_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("first_month", Integer, nullable=False, comment="Twelve times the year, plus the month, less one."),
    Column("last_month", Integer, nullable=False),
    Column(
        "days",
        DATERANGE,
        comment="The days of the run; null with divisor and owed_minor where the months are whole.",
    ),
    Column("divisor", Integer),
    Column(
        "owed_minor",
        ARRAY(BigInteger),
        comment="What is owed, in component order, for an offset as for the entry that it takes back;"
        " null: the monthly amounts.",
    ),
    Column("price_key", ForeignKey("premium_price.price_key"), nullable=False),
    Column("version", Integer, nullable=False),
    Column(
        "cancels",
        ForeignKey("premium_stretch.stretch_key"),
        comment="The stretch of which this one, an offset, takes these months back.",
    ),
    Column("revision", Integer, nullable=False),
    Column("reasons", ARRAY(Text)),
    _recorded_at(),
    UniqueConstraint("enrollment_id", "first_month", "version", name="premium_stretch_version_key"),
    CheckConstraint(
        "first_month = last_month OR (first_month < last_month AND days IS NULL)",
        name="premium_stretch_one_month_check",
    ),
    CheckConstraint(
        "(days IS NULL) = (divisor IS NULL) AND (days IS NULL) = (owed_minor IS NULL)",
        name="premium_stretch_part_check",
    ),
    Index(None, "contract_id", "stretch_key"),
    Index(None, "cancels", postgresql_where=text("cancels IS NOT NULL")),
    ExcludeConstraint(
        (text("int8range(cancels, cancels, '[]')"), "&&"),
        (text("int4range(first_month, last_month, '[]')"), "&&"),
        where=text("cancels IS NOT NULL"),
        name="premium_stretch_taken_back_once_excl",
    ),
    comment="The ledger, never changed: an entry of one month, or equal ones of whole months that follow each other.",
)

premium_invoice_mark = Table(
    "premium_invoice_mark",
    metadata,
    Column("stretch_key", ForeignKey("premium_stretch.stretch_key"), nullable=False),
    Column("month", Integer, nullable=False),
    Column("debtor", Text, nullable=False),
    Column("invoice_id", Text, nullable=False),
    _recorded_at(),
    PrimaryKeyConstraint("stretch_key", "month", "debtor"),
    comment="On which invoice the components of an entry stand that are billed to a debtor.",
)

premium_policy = Table(
    "premium_policy",
    metadata,
    Column("group_key", ForeignKey("enrollment_group.group_key"), primary_key=True),
    Column("months", INT4MULTIRANGE, nullable=False),
    Column("failure", JSONB),
    comment="Which months of each policy were ever computed, and why following it failed last.",
)

premium_following = Table(
    "premium_following",
    metadata,
    Column("contract_id", Uuid, primary_key=True),
    _recorded_at(),
    comment="Contracts whose premiums follow enrollment.",
)

premium_run = Table(
    "premium_run",
    metadata,
    Column("run_key", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Uuid, nullable=False, unique=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("contract_id", Uuid),
    Column("first_month", Integer, nullable=False),
    Column("last_month", Integer, nullable=False),
    Column("parameters", JSONB),
    Column("stopped", Boolean, nullable=False),
    Column("policies", BigInteger, nullable=False),
    _recorded_at(),
    comment="Runs over many policies.",
)

premium_run_part = Table(
    "premium_run_part",
    metadata,
    Column("run_key", ForeignKey("premium_run.run_key"), nullable=False),
    Column("part", Integer, nullable=False),
    Column("group_keys", ARRAY(BigInteger), nullable=False),
    Column("done", Boolean, nullable=False),
    Column("offsets", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    PrimaryKeyConstraint("run_key", "part"),
    Index("premium_run_part_left_index", "run_key", "part", postgresql_where=text("NOT done")),
    comment="Policies of a run that are computed in one transaction; who locks the row does them.",
)

premium_run_failure = Table(
    "premium_run_failure",
    metadata,
    Column("run_key", ForeignKey("premium_run.run_key"), nullable=False),
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False),
    Column("failure", JSONB, nullable=False),
    PrimaryKeyConstraint("run_key", "group_key"),
    comment="Policies that a run has passed over, and why.",
)

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
    comment="Under which policy and member a coverage record is found; only ever added to.",
)

accumulator_policy = Table(
    "accumulator_policy",
    metadata,
    Column("group_id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("changed_by", BigInteger, nullable=False, index=True),
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
    Column(
        "changed_by",
        BigInteger,
        nullable=False,
        index=True,
        comment="The transaction that wrote it last: readers find by it what has changed.",
    ),
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
    _recorded_at(),
    Index(None, "group_id", "application_key"),
    Index(None, "member_id", "application_key"),
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
    _recorded_at(),
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

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("entry_key", BigInteger, Identity(always=True), primary_key=True),
    _recorded_at(),
    Column("call_id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("caller_kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("ids", JSONB, nullable=False, comment="The ids that the request names, by field."),
    Column("outcome", Text, nullable=False),
    Index(None, "recorded_at"),
    Index(None, "subject", "recorded_at"),
    Index(None, "ids", postgresql_using="gin", postgresql_ops={"ids": "jsonb_path_ops"}),
    comment="Who did what, when, by which call, and how it ended; never changed, not even readable to the application.",
)
