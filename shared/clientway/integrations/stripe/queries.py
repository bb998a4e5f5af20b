"""What was heard of Stripe's objects, in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx, job_connection
from clientway.ids import uuid7
from clientway.integrations.stripe.rules import Running
from clientway.integrations.stripe.schemas import Plan
from clientway.integrations.tables import stripe_plans as plan_table
from clientway.integrations.tables import subscriptions as table
from clientway.lifecycle.accounts.schemas import PlanTier
from clientway.paging import Request, one, page
from clientway.schemas import Schema

_TENANT = text("select app.stripe_tenant(cast(:endpoint as uuid), :account_id)")


def tenant_of(endpoint: str, account_id: str | None) -> UUID | None:
    """Whose events come by an endpoint; by the platform's own (`connect`), whose account it is."""
    with job_connection() as connection:
        found: UUID | None = connection.scalar(_TENANT, {"endpoint": None if endpoint == "connect" else endpoint, "account_id": account_id})
    return found


@dataclass(frozen=True)
class Before:
    """What was known of an object; its row is locked."""

    fetched_at: datetime | None
    state_hash: str


# The update that changes nothing takes the row's lock, and answers with the row as whoever held it before has left it.
_LOCK_OBJECT = text("""
insert into stripe_objects (object_id, kind, fetched_at, state_hash) values (:object_id, :kind, '-infinity', '')
on conflict (tenant_id, object_id) do update set kind = excluded.kind
returning nullif(fetched_at, '-infinity') as fetched_at, state_hash
""")
_KEEP = text("""
with kept as (
  update stripe_objects set fetched_at = :fetched_at, state_hash = :state_hash
   where tenant_id = app.tenant() and object_id = cast(:object_id as text) and fetched_at < :fetched_at and :state_hash <> '')
insert into stripe_events (event_id, type, object_id, outcome, detail)
values (:event_id, :type, cast(:object_id as text), :outcome, :detail)
on conflict (tenant_id, event_id) do nothing returning 1
""")
_FORGET_SUBSCRIPTIONS = text("update stripe_objects set state_hash = '' where tenant_id = app.tenant() and kind = 'subscription'")
_HEARD = text("select exists (select from stripe_events where tenant_id = app.tenant() and event_id = :event_id)")


def lock_object(tx: Tx, object_id: str, kind: str) -> Before:
    """Lock what is known of an object, so that its states are weighed one after the other."""
    row = tx.execute(_LOCK_OBJECT, {"object_id": object_id, "kind": kind}).one()
    return Before(row.fetched_at, row.state_hash)


def forget_subscriptions(tx: Tx) -> None:
    """Have the next state of each subscription weighed anew, though it may be the same."""
    tx.execute(_FORGET_SUBSCRIPTIONS)


def heard(tx: Tx, event_id: str) -> bool:
    """Whether an event had its effect already."""
    found: bool = tx.execute(_HEARD, {"event_id": event_id}).scalar_one()
    return found


def keep(tx: Tx, **given: Any) -> bool:
    """Write down an event with what came of it, and the newest state's hash if it was applied; False when somebody else just has."""
    return tx.execute(_KEEP, {"detail": None, "object_id": None, "state_hash": "", **given}).first() is not None


@dataclass(frozen=True)
class Subscriber:
    """Whose subscription it is, locked, with all that its account depends on."""

    organization_id: UUID
    has_account: bool
    status: str | None
    tier: str | None
    others: tuple[Running, ...]
    plans: Mapping[str, tuple[PlanTier, int]]


_SUBSCRIBER = text("""
with known as (
  select s.organization_id from subscriptions s
   where s.tenant_id = app.tenant() and s.provider = 'stripe' and s.provider_id = :provider_id),
named as (
  select o.id from organizations o
   where o.tenant_id = app.tenant() and o.deleted_at is null
     and o.id = coalesce((select organization_id from known), cast(:organization_id as uuid),
       (select x.id from organizations x
         where x.tenant_id = app.tenant() and x.stripe_customer_id = cast(:customer as text) and x.deleted_at is null),
       (select y.organization_id from subscriptions y
         where y.tenant_id = app.tenant() and y.provider_customer_id = cast(:customer as text) limit 1))
     for no key update)
select n.id as organization_id,
       exists (select from client_accounts a where a.tenant_id = app.tenant() and a.organization_id = n.id) as has_account,
       (select json_build_object('status', s.status, 'tier', s.support_plan_tier) from subscriptions s
         where s.tenant_id = app.tenant() and s.provider = 'stripe' and s.provider_id = :provider_id) as own,
       coalesce((select json_agg(json_build_object('provider_id', s.provider_id, 'status', s.status, 'tier', s.support_plan_tier,
           'minutes', coalesce(p.support_minutes_included, 0), 'mrr_cents', s.mrr_cents, 'period_start', s.current_period_start,
           'ends_at', s.ends_at))
         from subscriptions s left join stripe_plans p on p.tenant_id = s.tenant_id and p.lookup_key = s.lookup_key
        where s.tenant_id = app.tenant() and s.organization_id = n.id and s.provider_id <> :provider_id), '[]'::json) as others,
       coalesce((select json_object_agg(p.lookup_key, json_build_array(p.support_plan_tier, p.support_minutes_included))
         from stripe_plans p where p.tenant_id = app.tenant()), '{}'::json) as plans
  from named n
""")


def lock_subscriber(tx: Tx, provider_id: str, customer: str | None, organization_id: str | None) -> Subscriber | None:
    """Lock the organization that a subscription is of: the one it was of before, the one its metadata names, or the customer's."""
    try:
        named = str(UUID(organization_id)) if organization_id else None
    except ValueError:
        named = None
    row = tx.execute(_SUBSCRIBER, {"provider_id": provider_id, "customer": customer, "organization_id": named}).one_or_none()
    if row is None:
        return None
    own = row.own or {}
    others = tuple(Running(**{**one, "period_start": _time(one["period_start"]), "ends_at": _time(one["ends_at"])}) for one in row.others)
    plans = {key: (tier, minutes) for key, (tier, minutes) in row.plans.items()}
    return Subscriber(row.organization_id, row.has_account, own.get("status"), own.get("tier"), others, plans)


_KEEP_SUBSCRIPTION = text("""
insert into subscriptions as s (id, organization_id, provider_id, provider_customer_id, status, support_plan_tier, lookup_key, mrr_cents,
                                currency, current_period_start, current_period_end, ends_at, ended_at)
select :id, :organization_id, r.provider_id, r.provider_customer_id, r.status, r.support_plan_tier, r.lookup_key, r.mrr_cents,
       r.currency, r.current_period_start, r.current_period_end, r.ends_at, r.ended_at
  from jsonb_populate_record(null::subscriptions, cast(:row as jsonb)) r
on conflict (tenant_id, provider, provider_id) do update
   set provider_customer_id = excluded.provider_customer_id, status = excluded.status, support_plan_tier = excluded.support_plan_tier,
       lookup_key = excluded.lookup_key, mrr_cents = excluded.mrr_cents, currency = excluded.currency,
       current_period_start = excluded.current_period_start, current_period_end = excluded.current_period_end,
       ends_at = excluded.ends_at, ended_at = excluded.ended_at, version = s.version + 1, updated_at = :now
""")


def keep_subscription(tx: Tx, organization_id: UUID, row: Mapping[str, Any]) -> None:
    """Write a subscription as it is now."""
    tx.execute(_KEEP_SUBSCRIPTION, {"id": uuid7(), "organization_id": organization_id, "row": json.dumps(row), "now": tx.now})


def subscriptions(tx: Tx, request: Request, answer: type[Schema], *, organization_id: UUID | None, status: str | None) -> Any:
    """A page of subscriptions."""
    c = table.c
    statement = select(*(c[name] for name in answer.model_fields)).where(c.tenant_id == func.app.tenant())
    if organization_id is not None:
        statement = statement.where(c.organization_id == organization_id)
    if status is not None:
        statement = statement.where(c.status == status)
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


_CUSTOMER = text("""
select coalesce(
  (select o.id from organizations o where o.tenant_id = app.tenant() and o.stripe_customer_id = :customer and o.deleted_at is null),
  (select s.organization_id from subscriptions s where s.tenant_id = app.tenant() and s.provider_customer_id = :customer limit 1))
""")


def organization_of_customer(tx: Tx, customer: str) -> UUID | None:
    """Who a customer at Stripe is."""
    found: UUID | None = tx.scalar(_CUSTOMER, {"customer": customer})
    return found


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


_PLAN = "id, lookup_key, support_plan_tier, support_minutes_included, version, created_at, updated_at"
_WRITTEN = f"select row_to_json(r)::text, r.version from (select {_PLAN} from written) r"


def plans(tx: Tx, request: Request) -> Any:
    """A page of plans."""
    c = plan_table.c
    statement = select(*(c[name] for name in Plan.model_fields)).where(c.tenant_id == func.app.tenant())
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


def insert_plan(tx: Tx, plan_id: UUID, row: Mapping[str, Any]) -> Any:
    """Insert a plan; the answer, or None when there is one for this lookup key."""
    statement = f"""
      with written as (
        insert into stripe_plans (id, lookup_key, support_plan_tier, support_minutes_included, created_at, updated_at)
        values (:id, :lookup_key, :support_plan_tier, :support_minutes_included, :now, :now)
        on conflict (tenant_id, lookup_key) do nothing returning *)
      {_WRITTEN}"""
    return one(tx.execute(text(statement), {"id": plan_id, "now": tx.now, **row}).one_or_none())


def lock_plan(tx: Tx, plan_id: UUID) -> int | None:
    """Lock a plan; its version, or None."""
    found: int | None = tx.scalar(
        text("select version from stripe_plans where tenant_id = app.tenant() and id = :id for no key update"), {"id": plan_id}
    )
    return found


def update_plan(tx: Tx, plan_id: UUID, changes: Mapping[str, Any]) -> Any:
    """Change a locked plan; the answer."""
    assignments = "".join(f"{name} = :{name}, " for name in changes)
    statement = f"""
      with written as (
        update stripe_plans set {assignments} version = version + 1, updated_at = :now
         where tenant_id = app.tenant() and id = :id returning *)
      {_WRITTEN}"""
    return one(tx.execute(text(statement), {"id": plan_id, "now": tx.now, **changes}).one())


def delete_plan(tx: Tx, plan_id: UUID) -> None:
    """Delete a locked plan."""
    tx.execute(text("delete from stripe_plans where tenant_id = app.tenant() and id = :id"), {"id": plan_id})
