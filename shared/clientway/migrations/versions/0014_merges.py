"""Duplicates and merges of contacts.

Revision ID: 0014
Revises: 0013
"""

from clientway.migrations.run import apply_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Apply sql/0014_merges.sql."""
    apply_sql("0014_merges.sql")
