"""The consent ledger in the database."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, literal_column, select, text

from clientway.db import Tx
from clientway.lifecycle.client_tables import consent_events
from clientway.lifecycle.consents.schemas import ConsentEvent
from clientway.lifecycle.contacts.existence import LIVE
from clientway.paging import Request, page

_NAMES = tuple(ConsentEvent.model_fields)
_CURRENT = "exists (select from contact_consents k where k.tenant_id = app.tenant() and k.contact_id = e.contact_id and k.event_id = e.id)"


def find(tx: Tx, contact_id: UUID, request: Request, *, channel: str | None, purpose: str | None, current: bool | None) -> Any:
    """A page of a contact's ledger."""
    e = consent_events.alias("e").c
    counts: ColumnElement[bool] = literal_column(_CURRENT)
    columns = (counts.label(name) if name == "is_current" else e[name] for name in _NAMES)
    statement = select(*columns).where(e.tenant_id == func.app.tenant(), e.contact_id == contact_id)
    statement = statement.where(*(e[name] == value for name, value in (("channel", channel), ("purpose", purpose)) if value is not None))
    if current is not None:
        statement = statement.where(counts if current else ~counts)
    return page(tx, statement, request, {"occurred_at": e.occurred_at}, e.id)


# A denial of marketing e-mails also stands in the contact, where whoever sends one looks first; a later consent lifts it.
_COUNTS = """current as (
  insert into contact_consents as k (contact_id, channel, purpose, state, event_id, since)
  select w.contact_id, w.channel, w.purpose, w.state, w.id, w.occurred_at from written w
  on conflict (tenant_id, contact_id, channel, purpose) do update
     set state = excluded.state, event_id = excluded.event_id, since = excluded.since where k.since <= excluded.since
  returning k.contact_id, k.channel, k.purpose, k.state, k.since),
subscribed as (
  update contacts c set unsubscribed_at = case when k.state = 'denied' then k.since end, version = c.version + 1, updated_at = :now
    from current k
   where c.tenant_id = app.tenant() and c.id = k.contact_id and k.channel = 'email' and k.purpose = 'marketing'
     and (c.unsubscribed_at is null) = (k.state = 'denied'))"""
_INSERT = text(f"""
with {LIVE}, written as (
  insert into consent_events (id, contact_id, channel, purpose, state, source, text_shown, ip_hash, evidence, actor_type, actor_id,
                              occurred_at, created_at)
  select cast(:id as uuid), h.id, :channel, :purpose, :state, :source, :text_shown, :ip_hash, cast(:evidence as jsonb), :actor_type,
         cast(:actor_id as uuid), :occurred_at, :now
    from held h returning *),
{_COUNTS}
select row_to_json(r)::text, null::bigint, (select h.organization_id from held h) as organization_id
  from (select {", ".join("exists (select from current) as is_current" if name == "is_current" else f"e.{name}" for name in _NAMES)}
          from written e) r
""")
# Somebody's own word counts for whoever they turned out to be, and for a record that was deleted: it may come back. The walk goes
# up from who was asked for; only the last of it is locked.
_HOLD = text("""
with recursive chain as (
  select c.id, c.merged_into from contacts c where c.tenant_id = app.tenant() and c.id = :contact_id
  union
  select c.id, c.merged_into from chain h join contacts c on c.tenant_id = app.tenant() and c.id = h.merged_into)
select c.id, c.organization_id from contacts c
 where c.tenant_id = app.tenant() and c.id = (select h.id from chain h where h.merged_into is null) and c.merged_into is null
   for no key update
""")
# What holds already is not written down again, but since when it was last said is: what was said before that and is heard later
# must not undo it.
_SETTLE = text(f"""
with confirmed as (
  update contact_consents k set since = greatest(k.since, :occurred_at)
   where k.tenant_id = app.tenant() and k.contact_id = :contact_id and k.channel = :channel and k.state = :state
     and k.purpose in (select l.purpose from jsonb_to_recordset(cast(:lines as jsonb)) as l(purpose text))
  returning k.purpose),
written as (
  insert into consent_events (id, contact_id, channel, purpose, state, source, evidence, actor_type, actor_id, occurred_at, created_at)
  select l.id, :contact_id, :channel, l.purpose, :state, :source, cast(:evidence as jsonb), :actor_type, cast(:actor_id as uuid),
         :occurred_at, :now
    from jsonb_to_recordset(cast(:lines as jsonb)) as l(id uuid, purpose text)
   where l.purpose not in (select f.purpose from confirmed f)
  returning *),
{_COUNTS}
select w.id as event_id, w.purpose from written w
""")


def insert(tx: Tx, event_id: UUID, contact_id: UUID, row: Mapping[str, Any]) -> Row[Any] | None:
    """Add a line for a live contact: its answer, and the contact's organization; None when there is no such contact."""
    actor = {"actor_type": tx.actor.kind, "actor_id": tx.actor.id}
    given = {**row, "evidence": json.dumps(row["evidence"]), "id": event_id, "contact_id": contact_id, "now": tx.now, **actor}
    return tx.execute(_INSERT, given).one_or_none()


def hold(tx: Tx, contact_id: UUID) -> Row[Any] | None:
    """A contact, or whoever it was merged into, locked; None when there is none, or it was merged this very moment."""
    return tx.execute(_HOLD, {"contact_id": contact_id}).one_or_none()


def settle(tx: Tx, contact_id: UUID, lines: list[dict[str, Any]], given: Mapping[str, Any]) -> list[Row[Any]]:
    """Add lines of one channel for a contact that is held; a row for each that was new."""
    actor = {"actor_type": tx.actor.kind, "actor_id": tx.actor.id}
    written = {**given, "evidence": json.dumps(given["evidence"], default=str), "lines": json.dumps(lines, default=str)}
    return list(tx.execute(_SETTLE, {**written, "contact_id": contact_id, "now": tx.now, **actor}))
