"""How a migration of plain SQL is run: one statement after the other."""

from alembic import op


def execute_all(statements: str) -> None:
    """Runs statements that each end with a semicolon at the end of a line."""
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)


def only_forward() -> None:
    """What every downgrade says."""
    raise NotImplementedError("migrations only go forward; restore a backup instead")
