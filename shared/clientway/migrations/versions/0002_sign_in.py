"""Signing in by e-mail link, code or OIDC, and invitations.

Revision ID: 0002
Revises: 0001
"""

from clientway.migrations.run import apply_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the functions of sql/0002_sign_in.sql."""
    apply_sql("0002_sign_in.sql")
