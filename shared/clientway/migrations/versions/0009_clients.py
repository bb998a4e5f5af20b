"""Clients, consent, households, merges.

Revision ID: 0009
Revises: 0008
"""

from clientway.migrations.run import apply_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply sql/0009_clients.sql."""
    apply_sql("0009_clients.sql")
