"""Runs the statements of a migration in plain SQL."""

from collections.abc import Mapping

from alembic import op


def execute_all(statements: str) -> None:
    """Executes statements one after the other. Each must end with a semicolon at the end of a line."""
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)


def build_indexes(indexes: Mapping[str, str]) -> None:
    """Builds indexes, by name, while servers write to their tables. Must be called in an autocommit block."""
    for name, columns in indexes.items():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # a failed attempt leaves an invalid one
        op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")


def only_forward() -> None:
    """Rejects a downgrade."""
    raise NotImplementedError("Migrations cannot be downgraded. Restore a backup instead.")
