"""Services, jobs, series, reminders.

Revision ID: 0010
Revises: 0009
"""

from clientway.migrations.run import apply_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply sql/0010_work.sql."""
    apply_sql("0010_work.sql")
