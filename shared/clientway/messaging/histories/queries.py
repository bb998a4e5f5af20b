"""What was sent to somebody, whatever it was, in the database."""

from typing import Any
from uuid import UUID

from sqlalchemy import TIMESTAMP, Uuid, column, select, text

from clientway.db import Tx
from clientway.messaging.histories.schemas import ContactMessage
from clientway.paging import Request, page

# What somebody got stays theirs when they turn out to be another one, whose list has it.
_PEOPLE = "(select p.id from contacts p where p.tenant_id = app.tenant() and (p.id = :contact_id or p.merged_into = :contact_id))"
_ALL = f"""
select 'campaign_send' as kind, s.id, s.contact_id, s.channel, s.created_at as at, c.name as title, s.state, s.reason, s.campaign_id,
       null::uuid as job_id, null::uuid as invoice_id, s.sent_at, s.delivered_at, s.opened_at, s.clicked_at, s.bounced_at, s.complained_at
  from campaign_sends s join campaigns c on c.tenant_id = app.tenant() and c.id = s.campaign_id
 where s.tenant_id = app.tenant() and s.contact_id in {_PEOPLE}
union all
select 'email_message', m.id, m.contact_id, 'email', m.created_at, m.subject, m.status, m.error, null, null, null, m.sent_at,
       m.delivered_at, m.opened_at, m.clicked_at, m.bounced_at, m.complained_at
  from email_messages m where m.tenant_id = app.tenant() and m.contact_id in {_PEOPLE}
union all
select 'reminder', r.id, r.contact_id, r.channel, r.send_at, r.type, r.state, r.state_reason, null, r.job_id, r.invoice_id, r.sent_at,
       r.delivered_at, null, null, r.bounced_at, null
  from reminders r where r.tenant_id = app.tenant() and r.contact_id in {_PEOPLE}
"""
_TYPES: dict[str, Any] = {"id": Uuid(), "at": TIMESTAMP(timezone=True)}
_COLUMNS = [column(name, _TYPES.get(name)) for name in ContactMessage.model_fields]
_THERE = text("select 1 from contacts c where c.tenant_id = app.tenant() and c.id = :contact_id")


def of_contact(tx: Tx, contact_id: UUID, request: Request) -> Any:
    """A page of somebody's messages."""
    found = text(_ALL).bindparams(contact_id=contact_id).columns(*_COLUMNS).subquery("m")
    return page(tx, select(*found.c), request, {"at": found.c.at}, found.c.id)


def is_there(tx: Tx, contact_id: UUID) -> bool:
    """Whether there is such a contact."""
    return tx.execute(_THERE, {"contact_id": contact_id}).first() is not None
