"""Single mails in the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, func, select, text

from clientway.db import Tx
from clientway.messaging.mails.schemas import EmailMessage, EmailMessageLine
from clientway.messaging.policy import sql as policy
from clientway.messaging.tables import email_messages
from clientway.paging import Request, one, page

_COLUMNS = {"to": "to_addresses"}
_SHOWN = ", ".join(f'm.{_COLUMNS.get(name, name)} as "{name}"' for name in EmailMessage.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {_SHOWN} from written m) r"


def find(
    tx: Tx, request: Request, *, status: str | None, contact_id: UUID | None, created_from: datetime | None, created_before: datetime | None
) -> Any:
    """A page of mails, without what they say."""
    c = email_messages.c
    statement = select(*(c[_COLUMNS.get(name, name)].label(name) for name in EmailMessageLine.model_fields))
    statement = statement.where(c.tenant_id == func.app.tenant())
    if status is not None:
        statement = statement.where(c.status == status)
    if contact_id is not None:
        statement = statement.where(c.contact_id == contact_id)
    if created_from is not None:
        statement = statement.where(c.created_at >= created_from)
    if created_before is not None:
        statement = statement.where(c.created_at < created_before)
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


_READ = text(f"with written as (select m.* from email_messages m where m.tenant_id = app.tenant() and m.id = :id) {_ANSWER}")


def read(tx: Tx, message_id: UUID) -> Any:
    """One mail, or None."""
    return one(tx.execute(_READ, {"id": message_id}).one_or_none())


_INSERT = text(f"""
with written as (
  insert into email_messages (id, contact_id, to_addresses, template, data, subject, body_text, body_html, created_by, created_at,
                              updated_at)
  values (:id, cast(:contact_id as uuid), cast(:to as text[]), :template, cast(:data as jsonb), :subject, :body_text, :body_html,
          cast(:created_by as uuid), :now, :now) returning *)
{_ANSWER}""")


def insert(tx: Tx, message_id: UUID, row: Mapping[str, Any]) -> Any:
    """Keep a mail that is to be sent."""
    given = {**row, "data": json.dumps(row["data"]), "id": message_id, "created_by": tx.actor.id, "now": tx.now}
    return one(tx.execute(_INSERT, given).one())


_LOCK = text("select m.status from email_messages m where m.tenant_id = app.tenant() and m.id = :id for no key update of m")


def lock_status(tx: Tx, message_id: UUID) -> str | None:
    """Lock a mail; what became of it so far."""
    found: str | None = tx.execute(_LOCK, {"id": message_id}).scalar_one_or_none()
    return found


_AGAIN = text(f"""
with written as (
  update email_messages m set status = 'pending', error = null, attempts = 0, lease_until = null, lease_token = null,
         version = m.version + 1, updated_at = :now
   where m.tenant_id = app.tenant() and m.id = :id returning m.*)
{_ANSWER}""")


def again(tx: Tx, message_id: UUID) -> Any:
    """A locked mail waits to be sent again."""
    return one(tx.execute(_AGAIN, {"id": message_id, "now": tx.now}).one())


# What sends them ------------------------------------------------------------------------------------------------------------

_CLAIM = text("""
update email_messages m set status = 'sending', attempts = m.attempts + 1, lease_until = :until, lease_token = :token,
       version = m.version + 1, updated_at = :now
 where m.tenant_id = app.tenant() and m.id = :id
   and (m.status = 'pending' or (m.status = 'sending' and m.lease_until <= :now))
returning m.contact_id, to_json(m.to_addresses) as to_addresses, m.subject, m.body_text, m.body_html, m.lease_token
""")


def claim(tx: Tx, message_id: UUID, lease: timedelta) -> Row[Any] | None:
    """Take a mail that waits, or whose worker is gone; None when there is nothing to do."""
    given = {"id": message_id, "now": tx.now, "until": tx.now + lease, "token": uuid4()}
    return tx.execute(_CLAIM, given).one_or_none()


# By the address, whosever it is, and by the contact that it was meant for, whatever their address is by now, and whoever they
# turned out to be.
_EXCLUDED = text(f"""
with given as (select w.address, w.n from unnest(cast(:to as text[])) with ordinality as w(address, n)),
known as (
  select g.n, {policy.exclusion("email", "transactional")} as reason
    from given g
    join contacts c on c.tenant_id = app.tenant() and c.deleted_at is null and c.email_norm = g.address
    {policy.joins("email", "transactional")}
  union all
  select g.n, {policy.exclusion("email", "transactional")} as reason
    from given g
    join contacts f on f.tenant_id = app.tenant() and f.id = cast(:contact_id as uuid)
    join contacts c on c.tenant_id = app.tenant() and c.id = coalesce(f.merged_into, f.id)
    {policy.joins("email", "transactional")}
  union all
  select g.n, 'suppressed' from given g
    join suppressions s on s.tenant_id = app.tenant() and s.channel = 'email' and s.lifted_at is null
     and s.address_hash = app.address_hash('email', g.address))
select g.address, (select min(k.reason) from known k where k.n = g.n) as reason from given g order by g.n
""")


def excluded(tx: Tx, to: Sequence[str], contact_id: UUID | None) -> list[tuple[str, str | None]]:
    """Each address with the reason why nothing is sent there, if there is one."""
    return [(row.address, row.reason) for row in tx.execute(_EXCLUDED, {"to": list(to), "contact_id": contact_id})]


_SETTLE = text("""
with settled as (
  update email_messages m
     set status = :status, error = :error, provider_message_id = coalesce(:provider_message_id, m.provider_message_id),
         sent_at = case when :status = 'sent' then cast(:now as timestamptz) else m.sent_at end, lease_until = null, lease_token = null,
         version = m.version + 1, updated_at = :now
   where m.tenant_id = app.tenant() and m.id = :id and m.status = 'sending' and m.lease_token = cast(:token as uuid)
  returning m.template, m.subject,
            (select coalesce(f.merged_into, f.id) from contacts f where f.tenant_id = app.tenant() and f.id = m.contact_id) as contact_id),
reached as (
  update contacts c set total_emails_received = c.total_emails_received + 1,
         last_contacted_at = greatest(c.last_contacted_at, cast(:now as timestamptz))
    from settled s
   where :status = 'sent' and c.tenant_id = app.tenant() and c.id = s.contact_id)
select s.contact_id, s.template, s.subject, c.organization_id
  from settled s left join contacts c on c.tenant_id = app.tenant() and c.id = s.contact_id
""")


@dataclass(frozen=True)
class Result:
    """What became of an attempt."""

    status: str
    error: str | None = None
    provider_message_id: str | None = None


def settle(tx: Tx, message_id: UUID, token: UUID, result: Result) -> Row[Any] | None:
    """Write down what became of it; None when the lease was lost and somebody else has it now."""
    given = {"id": message_id, "token": token, "now": tx.now, **result.__dict__}
    return tx.execute(_SETTLE, given).one_or_none()


_STALE = text("""
with found as (
  select m.id from email_messages m
   where m.tenant_id = app.tenant() and m.status in ('pending', 'sending') and m.updated_at <= :since
     and (m.status = 'pending' or m.lease_until <= :now)
   order by m.updated_at limit :most for no key update of m skip locked)
update email_messages m
   set status = case when m.attempts >= :attempts then 'failed' else 'pending' end,
       error = case when m.attempts >= :attempts then left('given up: ' || coalesce(m.error, 'no answer'), 500) else m.error end,
       lease_until = null, lease_token = null, version = m.version + 1, updated_at = :now
  from found f where m.tenant_id = app.tenant() and m.id = f.id
returning m.id, m.status
""")


def release_stale(tx: Tx, since: datetime, *, attempts: int, most: int) -> list[tuple[UUID, str]]:
    """Mails that nobody has touched since then, waiting anew; those tried often enough have failed."""
    given = {"since": since, "now": tx.now, "attempts": attempts, "most": most}
    return [(row.id, row.status) for row in tx.execute(_STALE, given)]
