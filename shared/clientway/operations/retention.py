"""What has served its time is forgotten: answers kept for replays, used links, ended sessions, outbox rows that went out."""

from dataclasses import dataclass

from sqlalchemy import text

from clientway.db import all_tenants, job_connection, job_transaction


@dataclass
class Forgotten:
    """How many rows of each kind."""

    idempotency_keys: int = 0
    sign_in_links: int = 0
    outbox: int = 0
    person_links: int = 0
    person_sessions: int = 0
    platform_outbox: int = 0


def forget() -> Forgotten:
    """Go through all tenants, each in a transaction of its own; safe to repeat, and to stop anywhere."""
    total = Forgotten()
    for tenant_id in all_tenants():
        with job_transaction(tenant_id) as tx:
            for kind, statement in _STATEMENTS.items():
                setattr(total, kind, getattr(total, kind) + tx.execute(statement, {"now": tx.now}).rowcount)
    # People's own accounts are no tenant's.
    with job_connection() as connection:
        for kind, rows in connection.execute(text("select app.forget_persons()")).scalar_one().items():
            setattr(total, kind, rows)
    return total


_STATEMENTS = {
    # Covers providers that repeat a webhook for three days.
    "idempotency_keys": text(
        "delete from idempotency_keys where tenant_id = app.tenant() and created_at < cast(:now as timestamptz) - interval '72 hours'"
    ),
    # Fifteen minutes long they open something; a day long their failed tries count.
    "sign_in_links": text(
        "delete from sign_in_links where tenant_id = app.tenant() and created_at < cast(:now as timestamptz) - interval '2 days'"
    ),
    "outbox": text("delete from outbox where tenant_id = app.tenant() and sent_at < cast(:now as timestamptz) - interval '30 days'"),
}
