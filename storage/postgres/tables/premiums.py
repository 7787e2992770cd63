"""Tables of the premium ledger and of premium runs."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, INT4MULTIRANGE, JSONB, ExcludeConstraint

from storage.postgres.tables.metadata import actor, metadata, recorded_at

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
    Column("group_key", ForeignKey("enrollment_group.group_key"), nullable=False),
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
    recorded_at(),
    actor(),
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
    Index("premium_stretch_history_index", "group_key", "recorded_at"),
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
    recorded_at(),
    actor(),
    Column("group_key", ForeignKey("enrollment_group.group_key"), comment="The policy of the entry."),
    PrimaryKeyConstraint("stretch_key", "month", "debtor"),
    Index("premium_invoice_mark_invoice_index", "invoice_id", "stretch_key", "month"),
    Index("premium_invoice_mark_history_index", "group_key", "recorded_at"),
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

premium_stale = Table(
    "premium_stale",
    metadata,
    Column("group_key", ForeignKey("enrollment_group.group_key"), primary_key=True),
    Column("contract_id", Uuid, nullable=False),
    Column("from_month", Integer, nullable=False, comment="The first month whose amounts may have changed."),
    Column(
        "mark",
        BigInteger,
        Identity(),
        nullable=False,
        comment="Another number with every change, so that no change is overlooked.",
    ),
    Column(
        "caused_by",
        Text,
        comment="The subject who made the change; null: who caused the newest revision of the policy.",
    ),
    Column("failed", Boolean, nullable=False, comment="Whether computing failed since the last change."),
    Index("premium_stale_due_index", "contract_id", "mark", postgresql_where=text("NOT failed")),
    comment="Policies with computed months whose amounts may have changed since.",
)

premium_following = Table(
    "premium_following",
    metadata,
    Column("contract_id", Uuid, primary_key=True),
    recorded_at(),
    comment="Contracts whose premiums follow enrollment.",
)

IS_DONE = text("((done = policies)::integer)")

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
    recorded_at(),
    actor(),
    Column(
        "done",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="Number of policies of the parts that are done. A trigger adds up these four.",
    ),
    Column("failed", BigInteger, nullable=False, server_default=text("0")),
    Column("offsets", BigInteger, nullable=False, server_default=text("0")),
    Column("entries", BigInteger, nullable=False, server_default=text("0")),
    Index("premium_run_listed_index", IS_DONE, "stopped", "recorded_at", "run_key"),
    Index(
        "premium_run_listed_of_contract_index",
        "contract_id",
        IS_DONE,
        "stopped",
        text("recorded_at NULLS FIRST"),
        text("run_key NULLS FIRST"),
    ),
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
