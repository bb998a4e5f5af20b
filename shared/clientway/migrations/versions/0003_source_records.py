"""Which record of another system became what here.

Revision ID: 0003
Revises: 0002
"""

from clientway.migrations.run import apply_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table of sql/0003_source_records.sql."""
    apply_sql("0003_source_records.sql")
