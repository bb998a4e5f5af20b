"""Client accounts in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal_column, select, text

from clientway.db import Tx
from clientway.lifecycle.accounts.schemas import Filters, SubscribedPlan
from clientway.lifecycle.tables import client_accounts, reps
from clientway.paging import Request, one, page

_A = client_accounts.alias("a")
SORTS = {"updated_at": _A.c.updated_at, "created_at": _A.c.created_at}

# What came in before Clientway kept the payments, and every payment since.
_REVENUE = """a.total_revenue_cents + (
  select coalesce(sum(p.amount_cents - p.refunded_cents - p.lost_cents), 0)::bigint from payments p
   where p.tenant_id = app.tenant() and p.organization_id = a.organization_id and p.status = 'succeeded' and p.currency = a.currency)"""

COLUMNS: Mapping[str, str] = {
    "id": "a.id",
    "organization": "(select json_build_object('id', o.id, 'name', coalesce(o.dba_name, o.legal_name), 'slug', o.slug,"
    " 'lifecycle_stage', o.lifecycle_stage) from organizations o where o.tenant_id = app.tenant() and o.id = a.organization_id)",
    **{name: f"a.{name}" for name in (
        "status", "client_since", "support_plan_tier", "support_plan_status", "support_plan_started_at", "support_minutes_included",
        "support_minutes_used", "mrr_cents")},
    "total_revenue_cents": _REVENUE,
    **{name: f"a.{name}" for name in ("currency", "stripe_subscription_id", "nps_score")},
    "health": "json_build_object('score', a.health_score, 'trend', a.health_trend, 'churn_risk', a.churn_risk,"
    " 'confidence', a.health_confidence, 'computed_at', a.health_computed_at)",
    "last_activity_at": "a.last_activity_at",
    "last_support_ticket_at": "a.last_support_ticket_at",
    "assigned_rep": "(select json_build_object('id', r.id, 'slug', r.slug, 'name', r.name) from reps r"
    " where r.tenant_id = app.tenant() and r.id = a.assigned_rep_id)",
    "version": "a.version",
    "created_at": "a.created_at",
    "updated_at": "a.updated_at",
}  # fmt: skip


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of client accounts."""
    a = _A.c
    columns: list[Any] = [literal_column(sql).label(name) for name, sql in COLUMNS.items()]
    statement: Select[Any] = select(*columns).select_from(_A).where(a.tenant_id == func.app.tenant())
    for column, value in ((a.status, filters.status), (a.support_plan_tier, filters.tier), (a.churn_risk, filters.risk)):
        if value is not None:
            statement = statement.where(column == value)
    if filters.rep is not None:
        statement = statement.where(a.assigned_rep_id == _rep_id(filters.rep))
    if filters.updated_since is not None:
        statement = statement.where(a.updated_at >= filters.updated_since)
    return page(tx, statement, request, SORTS, a.id)


def _rep_id(rep: str) -> Any:
    try:
        return UUID(rep)
    except ValueError:
        return select(reps.c.id).where(reps.c.tenant_id == func.app.tenant(), reps.c.slug == rep).scalar_subquery()


def answer_sql(source: str) -> str:
    """SQL of (JSON text, version) of the account in `source`, which is named a."""
    columns = ", ".join(f"{sql} as {name}" for name, sql in COLUMNS.items())
    return f"select row_to_json(r)::text, r.version from (select {columns} from {source} a) r"


def read(tx: Tx, *, account_id: UUID | None = None, organization_id: UUID | None = None) -> Any:
    """One account by its id or its organization's, or None."""
    key = "organization_id" if account_id is None else "id"
    statement = answer_sql(f"(select x.* from client_accounts x where x.tenant_id = app.tenant() and x.{key} = :value)")
    return one(tx.execute(text(statement), {"value": account_id or organization_id}).one_or_none())


@dataclass(frozen=True)
class Locked:
    """What a change has to know of the account, whose row is locked."""

    organization_id: UUID
    version: int
    status: str
    rep_is_active: bool | None


_OWNER_FIRST = """
  with owner as materialized (
    select o.id from organizations o where o.tenant_id = app.tenant() and o.id = (
      select x.organization_id from client_accounts x where x.tenant_id = app.tenant() and x.id = :id) for no key update)"""


def lock(tx: Tx, account_id: UUID, assigned_rep_id: UUID | None, *, organization_first: bool) -> Locked | None:
    """Lock an account; `rep_is_active` is None when there is no such rep.

    A change that will also move the organization's stage locks that first, as all others that need both do.
    """
    joined = "join owner on owner.id = a.organization_id" if organization_first else ""
    statement = text(f"""{_OWNER_FIRST if organization_first else ""}
      select a.organization_id, a.version, a.status,
             (select r.active from reps r where r.tenant_id = app.tenant() and r.id = cast(:rep as uuid)) as rep_is_active
        from client_accounts a {joined}
       where a.tenant_id = app.tenant() and a.id = :id for no key update of a""")
    row = tx.execute(statement, {"id": account_id, "rep": assigned_rep_id}).one_or_none()
    return None if row is None else Locked(row.organization_id, row.version, row.status, row.rep_is_active)


def update(tx: Tx, account_id: UUID, changes: Mapping[str, Any]) -> Any:
    """Write changed columns; names come from the schema, never from a caller."""
    assignments = ", ".join(f"{name} = :{name}" for name in changes)
    if changes.get("support_plan_status") == "active":
        assignments += ", support_plan_started_at = coalesce(support_plan_started_at, :now)"
    statement = f"""
      with written as (
        update client_accounts
           set {assignments}, version = version + 1, updated_at = :now, health_dirty_at = coalesce(health_dirty_at, :now)
         where tenant_id = app.tenant() and id = :id returning *)
      {answer_sql("written")}"""
    return one(tx.execute(text(statement), {**changes, "id": account_id, "now": tx.now}).one())


def set_plan(tx: Tx, organization_id: UUID, plan: Mapping[str, Any]) -> None:
    """Give the account that a conversion opened its plan."""
    statement = text("""
      update client_accounts
         set support_plan_tier = :tier, support_plan_status = case when :tier = 'none' then 'inactive' else 'active' end,
             support_plan_started_at = case when :tier = 'none' then null else cast(:since as timestamptz) end,
             support_minutes_included = :minutes, mrr_cents = :mrr_cents, currency = coalesce(:currency, currency),
             client_since = cast(:since as timestamptz)
       where tenant_id = app.tenant() and organization_id = :organization_id""")
    tx.execute(statement, {**plan, "organization_id": organization_id})


# An older period than the account's changes no hours: what is told late was told of already.
_FOLLOW = text("""
update client_accounts a
   set support_plan_tier = :tier, support_plan_status = :standing, support_minutes_included = :minutes, mrr_cents = :mrr_cents,
       support_plan_started_at = case when a.support_plan_tier <> :tier then :now else a.support_plan_started_at end,
       support_minutes_used = case when cast(:period_start as timestamptz) > coalesce(a.support_period_start, '-infinity') then 0
                                   else a.support_minutes_used end,
       support_period_start = greatest(a.support_period_start, cast(:period_start as timestamptz)),
       plan_ends_at = :ends_at, stripe_subscription_id = :provider_id,
       status = case when :ended and a.status in ('active', 'paused') then 'cancelled'
                     when :standing = 'active' and a.status = 'cancelled' then 'active' else a.status end,
       health_dirty_at = coalesce(a.health_dirty_at, :now), version = a.version + 1, updated_at = :now
 where a.tenant_id = app.tenant() and a.organization_id = :organization_id
""")


def follow_subscriptions(tx: Tx, organization_id: UUID, plan: SubscribedPlan) -> bool:
    """Write what subscriptions come to; returns whether there is an account."""
    return tx.execute(_FOLLOW, {**vars(plan), "organization_id": organization_id, "now": tx.now}).rowcount == 1


_BILLING = text(f"""
select row_to_json(r)::text from (
  select a.id as client_account_id, a.support_plan_tier, a.support_plan_status, a.support_plan_started_at, a.support_minutes_included,
         a.support_minutes_used, greatest(0, a.support_minutes_included - a.support_minutes_used) as support_minutes_left, a.mrr_cents,
         {_REVENUE} as total_revenue_cents, a.currency, o.stripe_customer_id, a.stripe_subscription_id,
         (select json_build_object(
            'paid_cents', p.paid_cents, 'paid_count', p.paid_count, 'due_cents', i.due_cents, 'overdue_cents', i.overdue_cents,
            'last_paid_at', p.last_paid_at, 'next_due_on', i.next_due_on, 'open_disputes', p.open_disputes)
            from (select coalesce(sum(y.amount_cents - y.refunded_cents - y.lost_cents), 0)::bigint as paid_cents, count(*) as paid_count,
                         max(y.captured_at) as last_paid_at, coalesce(sum(y.open_disputes), 0)::bigint as open_disputes
                    from payments y
                   where y.tenant_id = app.tenant() and y.organization_id = a.organization_id and y.status = 'succeeded') p,
                 (select coalesce(sum(v.balance_cents), 0)::bigint as due_cents, min(v.due_on) as next_due_on,
                         coalesce(sum(v.balance_cents) filter (where v.due_on < cast(:today as date)), 0)::bigint as overdue_cents
                    from invoices v
                   where v.tenant_id = app.tenant() and v.organization_id = a.organization_id and v.status = 'open') i) as payments
    from client_accounts a join organizations o on o.tenant_id = app.tenant() and o.id = a.organization_id
   where a.tenant_id = app.tenant() and a.id = :id) r
""")


def billing(tx: Tx, account_id: UUID) -> Any:
    """Plan, hours and money of an account, or None."""
    return one(tx.execute(_BILLING, {"id": account_id, "today": tx.now.date()}).one_or_none())
