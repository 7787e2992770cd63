"""Tables of the audit log and of erasures."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Identity, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from storage.postgres.tables.metadata import actor, metadata, recorded_at

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("entry_key", BigInteger, Identity(always=True), primary_key=True),
    recorded_at(),
    Column("call_id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("caller_kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("ids", JSONB, nullable=False, comment="The ids that the call named, returned or resolved, by field."),
    Column("outcome", Text, nullable=False),
    Column(
        "omitted_ids",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="How many further ids the call named or resolved.",
    ),
    Column(
        "database_role",
        Text,
        comment="The database role that added the entry; null: added before roles were recorded.",
    ),
    Column(
        "on_behalf_of",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="The subject for whom the caller acted; empty if there is none.",
    ),
    Index(None, "recorded_at"),
    Index(None, "subject", "recorded_at"),
    Index("audit_entry_method_name_index", text("split_part(method, '/', 3)"), "recorded_at"),
    Index("audit_entry_failure_index", "outcome", "recorded_at", postgresql_where=text("outcome <> 'OK'")),
    comment="Who did what, when, by which call, and how it ended. Functions add and list entries, and nothing changes"
    " any.",
)

audit_entry_id = Table(
    "audit_entry_id",
    metadata,
    Column("named_id", Uuid, primary_key=True),
    Column("entry_key", BigInteger, primary_key=True, autoincrement=False),
    comment="Which audit entries name an id: the search index of audit_entry.ids.",
)

erasure = Table(
    "erasure",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("member_id", Uuid, nullable=False),
    Column("erased_on", Date, nullable=False),
    Column("periods_removed", Boolean, nullable=False),
    recorded_at(),
    actor(),
    Index("erasure_history_index", "member_id", "recorded_at", "number"),
    comment="Every erasure, numbered in the order of commit: servers forget what they remember when a number is added.",
)

server_memory = Table(
    "server_memory",
    metadata,
    Column("server_id", Uuid, primary_key=True),
    Column("erasure_number", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    comment="The running servers, and up to which erasure each has forgotten.",
)
