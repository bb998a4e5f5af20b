"""Bills and money as they stand in the database, for what is counted from them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from clientway.ids import uuid7


def invoice(connection: Connection, tenant_id: UUID, organization_id: UUID, cents: int, due_on: Any, paid_at: Any = None) -> UUID:
    """An open invoice, or one that was paid."""
    row_id = uuid7()
    connection.execute(
        text("""insert into invoices (tenant_id, id, organization_id, number, status, currency, subtotal_cents, total_cents, credited_cents,
                                      issued_on, due_on, opened_at, paid_at)
                values (:t, :i, :o, (select coalesce(max(number), 0) + 1 from invoices where tenant_id = :t), :s, 'USD', :c, :c,
                        case when :s = 'paid' then :c else 0 end, :d, :d, now(), :p)"""),
        {"t": tenant_id, "i": row_id, "o": organization_id, "c": cents, "s": "paid" if paid_at else "open", "d": due_on, "p": paid_at},
    )
    return row_id


def payment(connection: Connection, tenant_id: UUID, organization_id: UUID, cents: int, captured_at: Any) -> UUID:
    """Money that came in."""
    row_id = uuid7()
    connection.execute(
        text("""insert into payments (tenant_id, id, organization_id, amount_cents, currency, status, method, captured_at)
                values (:t, :i, :o, :c, 'USD', 'succeeded', 'other', :p)"""),
        {"t": tenant_id, "i": row_id, "o": organization_id, "c": cents, "p": captured_at},
    )
    return row_id


def dispute(connection: Connection, tenant_id: UUID, organization_id: UUID, payment_id: UUID) -> UUID:
    """An open dispute of a payment."""
    row_id = uuid7()
    connection.execute(
        text("""insert into disputes (tenant_id, id, organization_id, payment_id, amount_cents, currency, status, opened_at)
                values (:t, :i, :o, :p, 1, 'USD', 'open', now())"""),
        {"t": tenant_id, "i": row_id, "o": organization_id, "p": payment_id},
    )
    return row_id
