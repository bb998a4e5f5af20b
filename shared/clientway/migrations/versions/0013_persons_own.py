"""Clients as a whole; what people see of themselves.

Revision ID: 0013
Revises: 0012
"""

from clientway.migrations.run import apply_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply sql/0013_persons_own.sql."""
    apply_sql("0013_persons_own.sql")
