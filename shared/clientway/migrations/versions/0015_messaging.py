"""Reminders that are sent, segments, templates, campaigns and what becomes of each message.

Revision ID: 0015
Revises: 0014
"""

from clientway.migrations.run import apply_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply sql/0015_messaging.sql."""
    apply_sql("0015_messaging.sql")
