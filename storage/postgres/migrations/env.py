"""The environment of Alembic: one connection of psycopg, and one transaction for all migrations.

A migration that commits in steps also commits the migrations before it. The last transaction also stores which older
servers can use the new schema.
"""

from alembic import context
from sqlalchemy import create_engine, update
from sqlalchemy.pool import NullPool

from storage.postgres.sessions import MIGRATION, connect_blocking
from storage.postgres.tables import metadata
from storage.postgres.tables.deployment import schema_compatibility

url: str = context.config.attributes["url"]
serves_since: str | None = context.config.attributes.get("serves_since")
engine = create_engine(
    "postgresql+psycopg://", creator=lambda: connect_blocking(url, MIGRATION, autocommit=False), poolclass=NullPool
)

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
        if serves_since:
            connection.execute(update(schema_compatibility).values(serves_since=serves_since))
