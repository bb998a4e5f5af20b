"""Client accounts of many organizations at a time: what a migration carries over."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import text

from clientway.db import Tx

Row = dict[str, Any]

# What an account is opened with says nothing yet: a migration may fill it in.
BLANK: Mapping[str, Any] = {
    "support_plan_tier": "none", "support_plan_status": "inactive", "support_minutes_included": 0, "support_minutes_used": 0,
    "mrr_cents": 0, "total_revenue_cents": 0,
}  # fmt: skip

_OF = text("""
select a.organization_id, to_jsonb(a) as account from client_accounts a
 where a.tenant_id = app.tenant() and a.organization_id = any (cast(:ids as uuid[])) order by a.id for no key update of a
""")
_SUBSCRIPTIONS = text("""
select a.stripe_subscription_id, a.organization_id from client_accounts a
 where a.tenant_id = app.tenant() and a.stripe_subscription_id = any (cast(:ids as text[]))
""")
_REPS = text("select r.id, r.slug, r.name, r.email from reps r where r.tenant_id = app.tenant() and r.active order by r.created_at, r.id")


def of(tx: Tx, organization_ids: Iterable[str]) -> dict[str, Row]:
    """Lock and read the accounts of organizations, by the organization's id."""
    rows = tx.execute(_OF, {"ids": "{" + ",".join(organization_ids) + "}"})
    return {str(row.organization_id): dict(row.account) for row in rows}


def subscription_holders(tx: Tx, subscription_ids: Iterable[str]) -> dict[str, str]:
    """The organizations whose accounts have these Stripe subscriptions; one belongs to one account."""
    wanted = list(subscription_ids)
    return {row.stripe_subscription_id: str(row.organization_id) for row in tx.execute(_SUBSCRIPTIONS, {"ids": wanted})} if wanted else {}


def rep_names(tx: Tx) -> dict[str, str]:
    """The ids of active reps by everything they are called: slug, name, e-mail and id, folded."""
    found: dict[str, str] = {}
    for row in tx.execute(_REPS):
        for name in (str(row.id), row.slug, row.name, row.email):
            if name:
                found.setdefault(name.casefold(), str(row.id))
    return found


def write(tx: Tx, changes: Mapping[str, Row]) -> None:
    """Change accounts, given by their organizations' ids. Their health is worked out again."""
    names = sorted({name for fields in changes.values() for name in fields})
    if not names:
        return
    sets = ", ".join(f"{name} = case when r.fields ? '{name}' then b.{name} else a.{name} end" for name in names)
    statement = text(f"""
      update client_accounts a set {sets}, version = a.version + 1, updated_at = :now, health_dirty_at = coalesce(a.health_dirty_at, :now)
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(organization_id uuid, fields jsonb)
       cross join lateral jsonb_populate_record(null::client_accounts, r.fields) b
       where a.tenant_id = app.tenant() and a.organization_id = r.organization_id""")
    rows = [{"organization_id": one, "fields": fields} for one, fields in changes.items() if fields]
    tx.execute(statement, {"rows": json.dumps(rows, default=str), "now": tx.now})
