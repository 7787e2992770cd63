"""${message}"""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

STATEMENTS = """
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
