"""Who somebody is, in the database: by e-mail or phone, locked for a job or an invoice, and with an organization of their own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.identity.people import service as people
from clientway.lifecycle.organizations.slugs import free_slug
from clientway.lifecycle.people.rules import SHARED_FROM

Row = Mapping[str, Any]


def region(tx: Tx) -> str:
    """Where a phone without a country code is from."""
    return str(tx.scalar(text("select t.phone_region from tenants t where t.tenant_id = app.tenant()")))


# An e-mail is of one live contact at most; of a phone's, as many are looked at as it takes to see that it is shared.
_HOLDERS = text(f"""
with hits as (
  select e.contact_id, true as by_email, e.verified_at is not null as verified, false as by_phone from contact_emails e
   where e.tenant_id = app.tenant() and e.email_norm = cast(:email as text) and e.live
  union all
  select p.contact_id, false, false, true from (
    select distinct n.contact_id from contact_phones n
     where n.tenant_id = app.tenant() and n.phone_e164 = cast(:phone as text) and n.live limit {SHARED_FROM}) p
), holders as (
  select h.contact_id, bool_or(h.by_email) as by_email, bool_or(h.verified) as verified, bool_or(h.by_phone) as by_phone
    from hits h group by h.contact_id)
select coalesce(json_agg(json_build_object(
         'id', c.id, 'organization_id', c.organization_id, 'version', c.version, 'first_name', c.first_name, 'last_name', c.last_name,
         'birth_date', c.birth_date, 'email', c.email, 'phone', c.phone,
         'by_email', h.by_email, 'verified', h.verified, 'by_phone', h.by_phone,
         'emails', array(select x.email_norm from contact_emails x
                          where x.tenant_id = app.tenant() and x.contact_id = c.id order by x.is_primary desc),
         'phones', array(select x.phone_e164 from contact_phones x
                          where x.tenant_id = app.tenant() and x.contact_id = c.id and x.phone_e164 is not null)) order by c.id), '[]'),
       (select e.contact_id from contact_emails e
          join contacts d on d.tenant_id = app.tenant() and d.id = e.contact_id and d.deleted_at is not null and d.merged_into is null
         where e.tenant_id = app.tenant() and e.email_norm = cast(:email as text) and not e.live order by d.deleted_at desc limit 1)
  from holders h join contacts c on c.tenant_id = app.tenant() and c.id = h.contact_id and c.deleted_at is null
""")


def holders(tx: Tx, *, email: str | None, phone: str | None) -> tuple[list[Row], UUID | None]:
    """The live contacts that have the e-mail or the phone, and the deleted one that last had the e-mail."""
    found = tx.execute(_HOLDERS, {"email": email, "phone": phone}).one()
    return found[0], found[1]


def insert(tx: Tx, row: Row, person: people.Reachable, suggestions: Sequence[Row]) -> bool:
    """Insert a contact without an organization under the first free slug; False if that or its e-mail was just taken."""
    names = ", ".join(name for name in row if name != "slug")
    values = ", ".join(f"g.{name}" for name in row if name != "slug")
    statement = f"""
      with written as (
        insert into contacts ({names}, slug) select {values}, {free_slug("contacts")}
          from jsonb_populate_record(null::contacts, cast(:row as jsonb)) g
        on conflict do nothing returning id),
      suggested as ({_SUGGEST} where exists (select from written) on conflict do nothing)
      select {people.LINK_SQL}::text from written"""
    given = {"row": json.dumps(row), "people": people.blind([person]), "suggestions": json.dumps(suggestions)}
    return tx.execute(text(statement), given).first() is not None


_SUGGEST = """
insert into duplicate_suggestions (id, contact_id, other_id, score, reasons, created_at, updated_at)
select s.id, s.contact_id, s.other_id, s.score, s.reasons, s.at, s.at
  from jsonb_to_recordset(cast(:suggestions as jsonb)) as s(
    id uuid, contact_id uuid, other_id uuid, score integer, reasons jsonb, at timestamptz)"""
_SUGGEST_ALONE = text(f"{_SUGGEST} on conflict do nothing")


def suggest(tx: Tx, suggestions: Sequence[Row]) -> None:
    """Write down pairs that somebody should look at; one that was dismissed stays dismissed."""
    tx.execute(_SUGGEST_ALONE, {"suggestions": json.dumps(suggestions)})


@dataclass(frozen=True)
class Held:
    """A contact, locked, with its organization, locked too, and the tenant's ways."""

    contact: Row
    organization: Row | None
    tenant: Row


# As in organizations.dossier: the organization first, then the contact. Who waited for the contact's lock may not have seen the
# organization that it got meanwhile: `stale` tells, and the statement is run again, now without a wait.
_HOLD = text("""
select to_jsonb(c) as contact, o.organization,
       c.xmin::text <> (select s.xmin::text from contacts s where s.tenant_id = app.tenant() and s.id = c.id) as stale,
       (select jsonb_build_object('currency', t.currency, 'time_zone', t.time_zone) from tenants t
         where t.tenant_id = app.tenant()) as tenant
  from contacts c
  left join lateral (
    select jsonb_build_object('id', x.id, 'deleted_at', x.deleted_at, 'lifecycle_stage', x.lifecycle_stage) as organization
      from organizations x where x.tenant_id = app.tenant() and x.id = c.organization_id for no key update of x) o on true
 where c.tenant_id = app.tenant() and c.id = :contact_id for no key update of c
""")


def hold(tx: Tx, contact_id: UUID) -> Held | None:
    """Lock a contact and the organization it belongs to."""
    given = {"contact_id": contact_id}
    row = tx.execute(_HOLD, given).one_or_none()
    if row is not None and row.stale:
        row = tx.execute(_HOLD, given).one_or_none()
    return None if row is None else Held(row.contact, row.organization, row.tenant)


def open_organization(tx: Tx, contact_id: UUID, row: Row, transitions: Sequence[Row]) -> bool:
    """Insert a locked contact's own organization under the first free slug and take the contact in; False if the slug was just taken."""
    names = ", ".join(name for name in row if name != "slug")
    values = ", ".join(f"g.{name}" for name in row if name != "slug")
    statement = f"""
      with written as (
        insert into organizations ({names}, slug) select {values}, {free_slug("organizations")}
          from jsonb_populate_record(null::organizations, cast(:row as jsonb)) g
        on conflict do nothing returning id),
      moved as (
        insert into lifecycle_transitions (id, organization_id, sequence, from_stage, to_stage, trigger, automatic, actor_type, actor_id,
                                           changed_at, seconds_in_stage)
        select m.id, w.id, m.sequence, m.from_stage, m.to_stage, m.trigger, m.automatic, m.actor_type, m.actor_id, m.changed_at,
               m.seconds_in_stage
          from written w, jsonb_populate_recordset(null::lifecycle_transitions, cast(:transitions as jsonb)) m)
      update contacts c set organization_id = w.id, is_primary = true, version = c.version + 1, updated_at = :now
        from written w where c.tenant_id = app.tenant() and c.id = :contact_id returning c.id"""
    given = {"row": json.dumps(row), "transitions": json.dumps(transitions), "contact_id": contact_id, "now": tx.now}
    return tx.execute(text(statement), given).first() is not None
