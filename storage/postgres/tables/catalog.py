"""Tables of contracts."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from storage.postgres.tables.metadata import actor, metadata, recorded_at

contract_revision = Table(
    "contract_revision",
    metadata,
    Column("contract_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    recorded_at(),
    actor(),
    Column("document", JSONB, nullable=False),
    PrimaryKeyConstraint("contract_id", "revision"),
    Index("contract_revision_history_index", "contract_id", "recorded_at"),
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
