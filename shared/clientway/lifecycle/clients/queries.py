"""Clients in the database: one client's timeline, the sums over all, and search."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, bindparam, case, column, func, literal_column, select, text, true, union_all

from clientway.db import Tx
from clientway.lifecycle.clients.rules import ACTIVITIES, LineType
from clientway.lifecycle.organizations.rules import Term
from clientway.lifecycle.tables import activities, contacts
from clientway.paging import Request, narrowed, one, page

MOST_HITS = 1000
"""What a search looks at, at most, of each kind of address."""

# The record that was asked for, or the one it was merged into in the end, and all that were merged into that. The limits keep
# the joins what they are: a look into an index for each, where the planner would read all contacts once.
_SELVES = """
with recursive up as (
  select c.id, c.merged_into, c.deleted_at from contacts c where c.tenant_id = app.tenant() and c.id = :contact_id
  union
  select n.id, n.merged_into, n.deleted_at
    from up u cross join lateral (
      select c.id, c.merged_into, c.deleted_at from contacts c where c.tenant_id = app.tenant() and c.id = u.merged_into limit 1) n
), found as (
  select u.id from up u where u.merged_into is null and u.deleted_at is null
  union
  select n.id
    from found f cross join lateral (
      select c.id from contacts c where c.tenant_id = app.tenant() and c.merged_into = f.id limit 1000) n
)
select id from found"""


def timeline(tx: Tx, contact_id: UUID, request: Request, *, kind: LineType | None, since: datetime | None, before: datetime | None) -> Any:
    """A page of the lines of a client and of whoever was merged into them; no more than a page is read of each."""
    a = activities.c
    selves = text(_SELVES).bindparams(bindparam("contact_id", contact_id, Uuid)).columns(column("id", Uuid)).cte("selves")
    lines = select(a.id, a.activity_type, a.occurred_at, a.title, a.description, a.contact_id, a.metadata)
    lines = lines.where(a.tenant_id == func.app.tenant(), a.contact_id == selves.c.id).correlate(selves)
    if since is not None:
        lines = lines.where(a.occurred_at >= since)
    if before is not None:
        lines = lines.where(a.occurred_at < before)
    if kind is None:
        line = narrowed(lines, request, a.occurred_at, a.id).lateral("line")
    else:
        # Each by itself: how rare it is decides which index finds it.
        each = (narrowed(lines.where(a.activity_type == name), request, a.occurred_at, a.id) for name in ACTIVITIES[kind])
        line = union_all(*each).lateral("line")
    c = line.c
    named = case(*((c.activity_type.in_(names), line_type.value) for line_type, names in ACTIVITIES.items()))
    shown = (c.id, named.label("type"), c.activity_type, c.occurred_at.label("created_at"), c.title, c.description, c.contact_id)
    statement = select(*shown, c.metadata.label("data")).select_from(selves.join(line, true()))
    return page(tx, statement, request, {"created_at": c.occurred_at}, c.id)


def exists(tx: Tx, contact_id: UUID) -> bool:
    """Whether there is a client under this id, or one that it was merged into."""
    return tx.execute(text(f"{_SELVES} limit 1"), {"contact_id": contact_id}).first() is not None


_COUNTED = """
  select count(*) filter (where c.status = 'active') as active_clients, count(*) filter (where c.status = 'lead') as lead_clients,
         count(*) filter (where c.status = 'inactive') as inactive_clients, count(*) filter (where c.ltv_cents > 0) as paying_clients,
         coalesce(sum(c.ltv_cents), 0)::bigint as total_ltv_cents
    from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null"""
_KEPT = """
  select coalesce(sum(k.active_clients), 0)::bigint as active_clients, coalesce(sum(k.lead_clients), 0)::bigint as lead_clients,
         coalesce(sum(k.inactive_clients), 0)::bigint as inactive_clients, coalesce(sum(k.paying_clients), 0)::bigint as paying_clients,
         coalesce(sum(k.ltv_cents), 0)::bigint as total_ltv_cents
    from client_counts k where k.tenant_id = app.tenant()"""
_SAME = " and ".join(
    f"k.{name} = n.{name}" for name in ("active_clients", "lead_clients", "inactive_clients", "paying_clients", "total_ltv_cents")
)
_STATS = """
with kept as ({kept}),
totalled as (select k.*, k.active_clients + k.lead_clients + k.inactive_clients as total_clients from kept k)
{counted}
select row_to_json(r)::text from (
  select k.total_clients, k.active_clients, k.lead_clients, k.inactive_clients, k.paying_clients, k.total_ltv_cents,
         coalesce(floor(k.total_ltv_cents::numeric / nullif(k.total_clients, 0)), 0)::bigint as avg_ltv_cents,
         coalesce(floor(k.total_ltv_cents::numeric / nullif(k.paying_clients, 0)), 0)::bigint as avg_ltv_per_payer_cents,
         t.currency, cast(:now as timestamptz) as as_of, {verification} as verification
    from totalled k, tenants t where t.tenant_id = app.tenant()) r"""
STATS = text(_STATS.format(kept=_KEPT, counted="", verification="null"))
_CHECK = f"""(select row_to_json(v) from (
  select n.active_clients + n.lead_clients + n.inactive_clients as total_clients, n.*, ({_SAME}) as agrees from counted n, kept k) v)"""
VERIFIED_STATS = text(_STATS.format(kept=_KEPT, counted=f", counted as ({_COUNTED})", verification=_CHECK))


def stats(tx: Tx, *, verify: bool) -> Any:
    """The sums as they are kept; with `verify`, a full count of the same moment beside them."""
    return one(tx.execute(VERIFIED_STATS if verify else STATS, {"now": tx.now}).one())


_FOLD = text("""
with gone as (
  delete from client_counts k where k.tenant_id = app.tenant() and not k.is_base
  returning k.lead_clients, k.active_clients, k.inactive_clients, k.paying_clients, k.ltv_cents
), summed as (
  select count(*) as lines, coalesce(sum(g.lead_clients), 0) as lead, coalesce(sum(g.active_clients), 0) as active,
         coalesce(sum(g.inactive_clients), 0) as inactive, coalesce(sum(g.paying_clients), 0) as paying,
         coalesce(sum(g.ltv_cents), 0) as ltv
    from gone g
), base as (
  insert into client_counts (is_base, lead_clients, active_clients, inactive_clients, paying_clients, ltv_cents)
  select true, s.lead, s.active, s.inactive, s.paying, s.ltv from summed s where s.lines > 0
  on conflict (tenant_id) where is_base do update
    set lead_clients = client_counts.lead_clients + excluded.lead_clients,
        active_clients = client_counts.active_clients + excluded.active_clients,
        inactive_clients = client_counts.inactive_clients + excluded.inactive_clients,
        paying_clients = client_counts.paying_clients + excluded.paying_clients, ltv_cents = client_counts.ltv_cents + excluded.ltv_cents
)
select lines from summed""")


def fold_counts(tx: Tx) -> int:
    """Put the changes so far into the one line; returns how many they were. Nobody who writes or reads waits for it."""
    return int(tx.scalar(_FOLD))


_C = contacts.alias("c")
_TAGS = (
    "coalesce((select json_agg(g.tag order by g.tag) from contact_tags g"
    " where g.tenant_id = app.tenant() and g.contact_id = c.id), '[]'::json)"
)
SORTS = {"name": _C.c.name_norm.collate("C").label("name_norm"), "created_at": _C.c.created_at, "updated_at": _C.c.updated_at}


def search(tx: Tx, term: Term | None, request: Request) -> Any:
    """A page of the live clients that a term finds."""
    c = _C.c
    shown: tuple[ColumnElement[Any], ...] = (
        c.id.label("org_client_id"), c.id.label("person_id"), c.first_name, c.last_name, c.email.label("primary_email"),
        c.phone_e164.label("primary_phone_e164"), c.status, c.ltv_cents, literal_column(_TAGS).label("tags"), c.created_at,
    )  # fmt: skip
    statement = select(*shown).where(c.tenant_id == func.app.tenant(), c.deleted_at.is_(None))
    if term is not None and term.pattern is not None:
        statement = statement.where(c.id.in_(select(func.app.search_clients(term.pattern, MOST_HITS).column_valued("hit"))))
    elif term is not None:
        statement = statement.where(c.name_norm.collate("C").op("^@", is_comparison=True)(term.prefix))
    return page(tx, statement, request, SORTS, c.id)


def has_account(tx: Tx, contact_id: UUID) -> bool | None:
    """Whether the person behind a live contact, under any id it had, has signed in since it is one; None when there is no such contact."""
    found: bool | None = tx.scalar(text(f"select bool_or(app.has_account(s.id)) from ({_SELVES}) s"), {"contact_id": contact_id})
    return found
