"""Invoices, payments and the ledger.

Revision ID: 0011
Revises: 0010
"""

from clientway.migrations.run import apply_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply sql/0011_billing.sql."""
    apply_sql("0011_billing.sql")
