"""A timeline is counted in its index alone.

Revision ID: 0007
Revises: 0006
"""

from clientway.migrations.run import apply_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply sql/0007_counted_timeline.sql."""
    apply_sql("0007_counted_timeline.sql")
