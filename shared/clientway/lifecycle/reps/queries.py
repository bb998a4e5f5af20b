"""Reps in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal_column, select, text

from clientway.db import Tx
from clientway.lifecycle.organizations import queries as organizations
from clientway.lifecycle.organizations.schemas import Filters
from clientway.lifecycle.organizations.slugs import free_slug
from clientway.lifecycle.reps.schemas import Rep
from clientway.lifecycle.tables import reps
from clientway.paging import Request, one, page

_NAMES = tuple(Rep.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(_NAMES)} from written) r"
_MEMBER = """(g.user_id is null or exists (
  select from memberships m where m.tenant_id = app.tenant() and m.user_id = g.user_id and m.revoked_at is null))"""


@dataclass(frozen=True)
class Locked:
    """A rep whose row is locked."""

    version: int
    fields: Mapping[str, Any]
    is_member: bool
    """Whether the user that the change names is a member; also true when it names none."""


def find(tx: Tx, request: Request, *, active: bool | None) -> Any:
    """A page of reps."""
    statement = select(*(reps.c[name] for name in _NAMES)).where(reps.c.tenant_id == func.app.tenant())
    if active is not None:
        statement = statement.where(reps.c.active == active)
    return page(tx, statement, request, {"slug": reps.c.slug}, reps.c.id)


def read(tx: Tx, rep_id: UUID) -> Any:
    """One rep, or None."""
    statement = f"with written as (select * from reps where tenant_id = app.tenant() and id = :id) {_ANSWER}"
    return one(tx.execute(text(statement), {"id": rep_id}).one_or_none())


def insert(tx: Tx, row: Mapping[str, Any]) -> Any:
    """Insert a rep under the first free slug; None if the slug was just taken or the user is no member."""
    names = ", ".join(name for name in row if name != "slug")
    values = ", ".join(f"g.{name}" for name in row if name != "slug")
    statement = f"""
      with given as (select * from jsonb_populate_record(null::reps, cast(:row as jsonb))),
      written as (insert into reps ({names}, slug) select {values}, {free_slug("reps")} from given g where {_MEMBER}
                  on conflict (tenant_id, slug) do nothing returning *)
      {_ANSWER}"""
    return one(tx.execute(text(statement), {"row": json.dumps(row)}).one_or_none())


_IS_MEMBER = text("""
select exists (select from memberships m where m.tenant_id = app.tenant() and m.user_id = :user_id and m.revoked_at is null)
""")
_LOCK = text(f"""
select r.version, to_jsonb(r) as fields, {_MEMBER} as is_member
  from reps r, (select cast(:user_id as uuid) as user_id) g where r.tenant_id = app.tenant() and r.id = :id for no key update of r
""")


def is_member(tx: Tx, user_id: UUID) -> bool:
    """Whether a user is a member of this tenant."""
    return bool(tx.scalar(_IS_MEMBER, {"user_id": user_id}))


def lock(tx: Tx, rep_id: UUID, *, user_id: UUID | None) -> Locked | None:
    """Lock a rep and look whether the user it is to belong to is a member."""
    row = tx.execute(_LOCK, {"id": rep_id, "user_id": user_id}).one_or_none()
    return None if row is None else Locked(row.version, row.fields, row.is_member)


def update(tx: Tx, rep_id: UUID, row: Mapping[str, Any]) -> Any:
    """Replace columns of a locked rep."""
    changes = "".join(f"{name} = g.{name}, " for name in row)
    statement = f"""
      with given as (select * from jsonb_populate_record(null::reps, cast(:row as jsonb))),
      written as (update reps r set {changes} version = r.version + 1, updated_at = :now
                    from given g where r.tenant_id = app.tenant() and r.id = :id returning r.*)
      {_ANSWER}"""
    return one(tx.execute(text(statement), {"row": json.dumps(row), "id": rep_id, "now": tx.now}).one())


_ACCOUNT = """(select json_build_object('id', a.id, 'status', a.status, 'client_since', a.client_since,
  'support_plan_tier', a.support_plan_tier, 'support_plan_status', a.support_plan_status,
  'mrr_cents', a.mrr_cents, 'currency', a.currency, 'health_score', a.health_score,
  'health_trend', a.health_trend, 'churn_risk', a.churn_risk)
  from client_accounts a where a.tenant_id = app.tenant() and a.organization_id = o.id)"""


def clients(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of a rep's organizations, each with its client account."""
    statement = organizations.listing(filters).add_columns(literal_column(_ACCOUNT).label("client_account"))
    return page(tx, statement, request, organizations.SORTS, organizations.ROW_ID)


def exists(tx: Tx, slug: str) -> bool:
    """Whether a rep of this tenant has this slug."""
    return tx.execute(select(reps.c.id).where(reps.c.tenant_id == func.app.tenant(), reps.c.slug == slug)).first() is not None
