"""The spine: tenancy, organizations and their timeline, client accounts, imports.

Revision ID: 0001
Revises:
"""

from clientway.migrations.run import apply_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything of sql/0001_spine.sql; there is no way back past the first revision."""
    apply_sql("0001_spine.sql")
