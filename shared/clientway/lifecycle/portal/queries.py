"""What a contact sees, as one statement."""

from typing import Any

from sqlalchemy import text

from clientway.db import Tx


def info(tx: Tx, slug: str) -> str | None:
    """The front page of the signed-in contact's portal as JSON; None when the slug is another contact's."""
    found: Any = tx.scalar(_INFO, {"slug": slug, "now": tx.now})
    return found


# The contact comes from the credential and not from the path: the slug only has to agree. A plan or rep that the client
# account lacks is the organization's. Everybody sees the bills that are theirs, an organization's primary contact all of its own.
_INFO = text("""
select cast(json_build_object(
  'slug', c.slug,
  'name', concat_ws(' ', c.first_name, c.last_name),
  'email', c.email,
  'phone', c.phone,
  'tenant_name', (select t.name from tenants t where t.tenant_id = app.tenant()),
  'company', case when o.id is not null then json_build_object('name', coalesce(o.dba_name, o.legal_name), 'legal_name', o.legal_name) end,
  'plan', case when a.id is not null then json_build_object(
     'tier', a.support_plan_tier, 'status', a.support_plan_status, 'client_since', a.client_since,
     'hours_included', round(a.support_minutes_included / 60.0, 2), 'hours_used', round(a.support_minutes_used / 60.0, 2),
     'hours_remaining', round(greatest(a.support_minutes_included - a.support_minutes_used, 0) / 60.0, 2)) end,
  'rep', (select json_build_object('name', r.name, 'email', r.email, 'phone', r.phone) from reps r
           where r.tenant_id = app.tenant() and r.id = coalesce(a.assigned_rep_id, o.assigned_rep_id)),
  'open_tickets', coalesce((select json_agg(q) from (
     select k.id, k.subject, k.status, k.priority, k.created_at, k.updated_at from tickets k
      where k.tenant_id = app.tenant() and k.organization_id = o.id and k.status <> 'resolved'
      order by k.created_at desc, k.id desc limit 50) q), '[]'::json),
  'open_invoices', coalesce((select json_agg(q) from (
     select b.id, b.number_text as number, b.total_cents, b.balance_cents, b.currency, b.due_on, b.payment_url from (
       select i.* from invoices i where i.tenant_id = app.tenant() and i.contact_id = c.id and i.status = 'open'
       union
       select i.* from invoices i where i.tenant_id = app.tenant() and i.organization_id = o.id and c.is_primary and i.status = 'open') b
      where b.balance_cents > 0 order by b.due_on, b.number limit 50) q), '[]'::json),
  'recent_activities', coalesce((select json_agg(q) from (
     select v.id, v.activity_type, v.title, v.description, v.occurred_at from activities v
      where v.tenant_id = app.tenant() and v.organization_id = o.id and v.client_visible
      order by v.occurred_at desc, v.id desc limit 20) q), '[]'::json),
  'as_of', cast(:now as timestamptz)) as text)
  from contacts c
  left join organizations o on o.tenant_id = c.tenant_id and o.id = c.organization_id and o.deleted_at is null
  left join client_accounts a on a.tenant_id = o.tenant_id and a.organization_id = o.id
 where c.tenant_id = app.tenant() and c.deleted_at is null and c.slug = :slug
   and c.id = cast(nullif(split_part(current_setting('app.principal', true), 'portal:', 2), '') as uuid)
""")
