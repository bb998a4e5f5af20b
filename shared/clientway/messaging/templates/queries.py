"""Templates in the database."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.messaging.campaigns.content import PERSON
from clientway.messaging.tables import message_templates
from clientway.messaging.templates.rules import Source
from clientway.messaging.templates.schemas import MessageTemplate, MessageTemplateLine
from clientway.paging import Request, one, page

_NAMES = tuple(MessageTemplate.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(f't.{name}' for name in _NAMES)} from written t) r"


def source(tx: Tx, key: str, channel: str) -> Source | None:
    """The tenant's own template of a key, if it has one."""
    c = message_templates.c
    statement = select(c.subject, c.body_text, c.body_html).where(
        c.tenant_id == func.app.tenant(), c.key == key, c.channel == channel, c.deleted_at.is_(None)
    )
    row = tx.execute(statement).one_or_none()
    return None if row is None else Source(*row)


def by_id(tx: Tx, template_id: UUID) -> tuple[str, Source] | None:
    """A template's channel and words."""
    c = message_templates.c
    statement = select(c.channel, c.subject, c.body_text, c.body_html)
    row = tx.execute(statement.where(c.tenant_id == func.app.tenant(), c.id == template_id, c.deleted_at.is_(None))).one_or_none()
    return None if row is None else (row[0], Source(*row[1:]))


def own_keys(tx: Tx) -> dict[tuple[str, str], UUID]:
    """The tenant's own templates by key and channel."""
    c = message_templates.c
    found = tx.execute(select(c.key, c.channel, c.id).where(c.tenant_id == func.app.tenant(), c.deleted_at.is_(None)))
    return {(row.key, row.channel): row.id for row in found}


def find(tx: Tx, request: Request, *, channel: str | None, key: str | None) -> Any:
    """A page of the tenant's own templates, without their bodies."""
    c = message_templates.c
    statement = select(*(c[name] for name in MessageTemplateLine.model_fields)).where(
        c.tenant_id == func.app.tenant(), c.deleted_at.is_(None)
    )
    if channel is not None:
        statement = statement.where(c.channel == channel)
    if key is not None:
        statement = statement.where(c.key == key)
    return page(tx, statement, request, {"updated_at": c.updated_at}, c.id)


_READ = text(f"""
with written as (select t.* from message_templates t where t.tenant_id = app.tenant() and t.id = :id and t.deleted_at is null) {_ANSWER}
""")


def read(tx: Tx, template_id: UUID) -> Any:
    """One template, or None."""
    return one(tx.execute(_READ, {"id": template_id}).one_or_none())


_INSERT = text(f"""
with written as (
  insert into message_templates (id, key, channel, name, subject, body_text, body_html, created_by, created_at, updated_at)
  values (:id, :key, :channel, :name, :subject, :body_text, :body_html, cast(:created_by as uuid), :now, :now)
  on conflict (tenant_id, key, channel) where deleted_at is null do nothing returning *)
{_ANSWER}""")


def insert(tx: Tx, template_id: UUID, row: Mapping[str, Any]) -> Any:
    """Add a template; None when there is one of its key and channel."""
    given = {**row, "id": template_id, "created_by": tx.actor.id, "now": tx.now}
    return one(tx.execute(_INSERT, given).one_or_none())


def holder(tx: Tx, key: str, channel: str) -> UUID | None:
    """The template that has the key."""
    c = message_templates.c
    statement = select(c.id).where(c.tenant_id == func.app.tenant(), c.key == key, c.channel == channel, c.deleted_at.is_(None))
    return tx.execute(statement).scalar_one_or_none()


def lock(tx: Tx, template_id: UUID) -> Any:
    """A template's row, locked; None when there is none."""
    c = message_templates.c
    statement = select(c.channel, c.name, c.subject, c.body_text, c.body_html, c.version)
    where = (c.tenant_id == func.app.tenant(), c.id == template_id, c.deleted_at.is_(None))
    return tx.execute(statement.where(*where).with_for_update(key_share=True)).one_or_none()


_UPDATE = text(f"""
with written as (
  update message_templates t set name = :name, subject = :subject, body_text = :body_text, body_html = :body_html,
         version = t.version + 1, updated_at = :now
   where t.tenant_id = app.tenant() and t.id = :id returning t.*)
{_ANSWER}""")


def update(tx: Tx, template_id: UUID, row: Mapping[str, Any]) -> Any:
    """Replace what may change of a locked template."""
    return one(tx.execute(_UPDATE, {**row, "id": template_id, "now": tx.now}).one())


_DELETE = text("""
update message_templates t set deleted_at = :now, version = t.version + 1, updated_at = :now
 where t.tenant_id = app.tenant() and t.id = :id
""")


def delete(tx: Tx, template_id: UUID) -> None:
    """Put a locked template away."""
    tx.execute(_DELETE, {"id": template_id, "now": tx.now})


_PERSON = text(f"select c.email_norm, {PERSON} from contacts c where c.tenant_id = app.tenant() and c.id = :id and c.deleted_at is null")


def person(tx: Tx, contact_id: UUID) -> dict[str, Any] | None:
    """What a template may say of a contact, as campaigns.content.variables takes it; None when there is no such contact."""
    row = tx.execute(_PERSON, {"id": contact_id}).one_or_none()
    return None if row is None else row._asdict()


_PERSON_AND_SOURCE = text(f"""
select c.email_norm, {PERSON}, t.id is not null as own, t.subject, t.body_text, t.body_html
  from contacts c
  left join message_templates t on t.tenant_id = app.tenant() and t.key = :key and t.channel = 'email' and t.deleted_at is null
 where c.tenant_id = app.tenant() and c.id = :id and c.deleted_at is null
""")


def person_and_source(tx: Tx, contact_id: UUID, key: str) -> tuple[dict[str, Any], Source | None] | None:
    """Both at once, for a mail: `person`, and `source` of a mail."""
    row = tx.execute(_PERSON_AND_SOURCE, {"id": contact_id, "key": key}).one_or_none()
    return None if row is None else (row._asdict(), Source(row.subject, row.body_text, row.body_html) if row.own else None)
