"""What a change leaves behind: timeline, audit trail and outbox rows, gathered and written in one statement.

They commit with the change they belong to, and cost one flight together however many there are.
"""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Executable, text

from clientway.ids import uuid7

if TYPE_CHECKING:
    from clientway.db import Tx

_FLUSH = text("""
with activity as (
  insert into activities (id, organization_id, contact_id, client_account_id, activity_type, title, description, metadata,
                          machine, client_visible, performed_by_type, performed_by_id, event_key, occurred_at)
  select id, organization_id, contact_id, client_account_id, activity_type, title, description, metadata,
         machine, client_visible, performed_by_type, performed_by_id, event_key, occurred_at
    from jsonb_to_recordset(cast(:activities as jsonb)) as r(
      id uuid, organization_id uuid, contact_id uuid, client_account_id uuid, activity_type text, title text,
      description text, metadata jsonb, machine boolean, client_visible boolean, performed_by_type text,
      performed_by_id uuid, event_key text, occurred_at timestamptz)
  on conflict (tenant_id, event_key) where event_key is not null do nothing
), audit as (
  insert into audit_log (id, actor_type, actor_id, action, object_type, object_id, changes, request_id, at)
  select id, actor_type, actor_id, action, object_type, object_id, changes, request_id, at
    from jsonb_to_recordset(cast(:audit as jsonb)) as r(
      id uuid, actor_type text, actor_id uuid, action text, object_type text, object_id uuid, changes jsonb,
      request_id text, at timestamptz)
), answer as (
  update idempotency_keys k set status = r.status, headers = r.headers, body = r.body
    from jsonb_to_recordset(cast(:answers as jsonb)) as r(method text, route text, key text, status integer, headers jsonb, body text)
   where k.tenant_id = app.tenant() and k.principal = current_setting('app.principal', true)
     and k.method = r.method and k.route = r.route and k.key = r.key
)
insert into outbox (id, topic, payload)
select id, topic, payload from jsonb_to_recordset(cast(:outbox as jsonb)) as r(id uuid, topic text, payload jsonb)
""")


def record(
    tx: "Tx",
    activity_type: str,
    title: str,
    *,
    organization_id: UUID | None = None,
    contact_id: UUID | None = None,
    client_account_id: UUID | None = None,
    description: str | None = None,
    metadata: dict[str, Any] | None = None,
    machine: bool = False,
    client_visible: bool = False,
    event_key: str | None = None,
    occurred_at: datetime | None = None,
) -> UUID:
    """Put a line on the timeline; a second line with the same `event_key` is dropped. Returns the line's id."""
    line = {
        "id": uuid7(), "organization_id": organization_id, "contact_id": contact_id, "client_account_id": client_account_id,
        "activity_type": activity_type, "title": title[:500], "description": description, "metadata": metadata or {},
        "machine": machine, "client_visible": client_visible, "performed_by_type": tx.actor.kind,
        "performed_by_id": tx.actor.id, "event_key": event_key, "occurred_at": occurred_at or tx.now,
    }  # fmt: skip
    tx.effects["activities"].append(line)
    return line["id"]  # type: ignore[return-value]


def audit(tx: "Tx", action: str, object_type: str, object_id: UUID | None, changes: dict[str, Any] | None = None) -> None:
    """Write down who did what to which object; `changes` maps a field to its new value, secrets left out."""
    entry = {
        "id": uuid7(), "actor_type": tx.actor.kind, "actor_id": tx.actor.id, "action": action, "object_type": object_type,
        "object_id": object_id, "changes": changes or {}, "request_id": tx.request_id, "at": tx.now,
    }  # fmt: skip
    tx.effects["audit"].append(entry)


def publish(tx: "Tx", topic: str, payload: dict[str, Any]) -> UUID:
    """Queue an effect to be performed after the commit; its id is the receiver's idempotency key."""
    row = uuid7()
    tx.effects["outbox"].append({"id": row, "topic": topic, "payload": payload})
    return row


def answer(tx: "Tx", *, method: str, route: str, key: str, status: int, headers: dict[str, str], body: str) -> None:
    """Keep the answer to a request that carried an Idempotency-Key, for its replays."""
    tx.effects["answers"].append({"method": method, "route": route, "key": key, "status": status, "headers": headers, "body": body})


def pending(tx: "Tx") -> tuple[Executable, dict[str, str]] | None:
    """The one statement that writes everything gathered so far, with its parameters; None when there is nothing."""
    if not any(tx.effects.values()):
        return None
    given = {kind: json.dumps(tx.effects[kind], default=str) for kind in ("activities", "audit", "outbox", "answers")}
    tx.effects.clear()
    return _FLUSH, given


def flush(tx: "Tx") -> None:
    """Write everything gathered so far now, for statements that are to see it; the rest is written with the commit."""
    statement = pending(tx)
    if statement is not None:
        tx.execute(*statement)
