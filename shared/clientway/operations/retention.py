"""What has served its time is forgotten: answers kept for replays, used links, outbox rows that were handed over."""

from dataclasses import dataclass

from sqlalchemy import text

from clientway.db import all_tenants, job_transaction


@dataclass
class Forgotten:
    """How many rows of each kind."""

    idempotency_keys: int = 0
    sign_in_links: int = 0
    outbox: int = 0


def forget() -> Forgotten:
    """Go through all tenants, each in a transaction of its own; safe to repeat, and to stop anywhere."""
    total = Forgotten()
    for tenant_id in all_tenants():
        with job_transaction(tenant_id) as tx:
            for kind, statement in _STATEMENTS.items():
                setattr(total, kind, getattr(total, kind) + tx.execute(statement, {"now": tx.now}).rowcount)
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
