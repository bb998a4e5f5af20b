"""Plans are the same for every tenant.

Revision ID: 0008
Revises: 0007
"""

from clientway.migrations.run import apply_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply sql/0008_tenants_alike.sql."""
    apply_sql("0008_tenants_alike.sql")
