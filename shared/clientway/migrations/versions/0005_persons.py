"""Persons without a row that tenants would have to share.

Revision ID: 0005
Revises: 0004
"""

from clientway.migrations.run import apply_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply sql/0005_persons.sql."""
    apply_sql("0005_persons.sql")
