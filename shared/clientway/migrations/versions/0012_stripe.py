"""Stripe accounts, events and subscriptions.

Revision ID: 0012
Revises: 0011
"""

from clientway.migrations.run import apply_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply sql/0012_stripe.sql."""
    apply_sql("0012_stripe.sql")
