"""What the tables of all areas share."""

from sqlalchemy import Column, DateTime, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def recorded_at() -> Column:  # type: ignore[type-arg]  # one column of many types
    """Returns the column for the instant of recording (`storage/postgres/instants.py`)."""
    return Column("recorded_at", DateTime(timezone=True), nullable=False)


def actor() -> Column:  # type: ignore[type-arg]  # one column of many types
    """Returns the column for the actor.

    Rows that were written before it existed, or by servers that don't know it, have the default.
    """
    default = text("""'{"kind": "SYSTEM", "subject": "before-actors"}'""")
    return Column("actor", JSONB, nullable=False, server_default=default, comment="Who recorded the row.")
