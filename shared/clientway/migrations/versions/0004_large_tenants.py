"""The planner expects every tenant to be a large one.

Revision ID: 0004
Revises: 0003
"""

from clientway.migrations.run import apply_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply sql/0004_large_tenants.sql."""
    apply_sql("0004_large_tenants.sql")
