"""How long the oldest effect waits.

Revision ID: 0006
Revises: 0005
"""

from clientway.migrations.run import apply_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply sql/0006_outbox_age.sql."""
    apply_sql("0006_outbox_age.sql")
