"""Campaigns in the database."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.messaging.campaigns.schemas import (
    Campaign,
    CampaignOutcomes,
    CampaignSend,
    CampaignWithProgress,
    Filters,
    SendState,
)
from clientway.messaging.tables import campaign_sends, campaigns
from clientway.moments import rfc3339
from clientway.paging import Request, one, page

Row = Mapping[str, Any]

_LISTED: Final = tuple(Campaign.model_fields)
_SHOWN: Final = tuple(name for name in CampaignWithProgress.model_fields if name != "progress")
_STATES: Final = get_args(SendState)
# Outcome → the column that says since when.
_OUTCOMES: Final = {name: f"{name}_at" for name in CampaignOutcomes.model_fields}
# Where a provider tells of no delivery, there is nothing to divide by but what was sent.
_SHARES: Final = {
    "delivered": "sent", "bounced": "sent", "complained": "coalesce(nullif(delivered, 0), sent)", "opened": "delivered",
    "clicked": "delivered", "unsubscribed": "delivered",
}  # fmt: skip


def _progress(campaign: str) -> str:
    """How far a campaign is: its sends are read once."""
    grouped = ", ".join(f"count(x.{column}) as {name}" for name, column in _OUTCOMES.items())
    states = ", ".join(f"'{one}', coalesce(sum(n) filter (where state = '{one}'), 0)" for one in _STATES)
    totals = ", ".join(f"coalesce(sum({name}), 0) as {name}" for name in _OUTCOMES)
    outcomes = ", ".join(f"'{name}', {name}" for name in _OUTCOMES)
    rates = ", ".join(f"'{name}', round({name} / nullif({of}, 0), 4)" for name, of in _SHARES.items())
    return f"""(
      with g as (
        select x.state, case when x.state = 'skipped' then x.reason end as reason, count(*) as n, {grouped} from campaign_sends x
         where x.tenant_id = app.tenant() and x.campaign_id = {campaign} group by 1, 2),
      t as (select coalesce(sum(n), 0) as total, coalesce(sum(n) filter (where state = 'sent'), 0) as sent, {totals} from g)
      select json_build_object('total', t.total, 'states', (select json_build_object({states}) from g),
               'skipped', (select coalesce(json_object_agg(coalesce(reason, 'other'), n), '{{}}') from g where state = 'skipped'),
               'outcomes', json_build_object({outcomes}), 'rates', json_build_object({rates})) from t)"""


def _answer(source: str) -> str:
    names = ", ".join(f"s.{name}" for name in _SHOWN)
    return f"select row_to_json(r)::text, r.version from (select {names}, {_progress('s.id')} as progress from {source} s) r"


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of campaigns."""
    c = campaigns.c
    statement = select(*(c[name] for name in _LISTED)).where(c.tenant_id == func.app.tenant())
    for name in ("status", "channel"):
        if (wanted := getattr(filters, name)) is not None:
            statement = statement.where(c[name] == wanted)
    if filters.updated_since is not None:
        statement = statement.where(c.updated_at >= filters.updated_since)
    if not filters.include_deleted:
        statement = statement.where(c.deleted_at.is_(None))
    return page(tx, statement, request, {"updated_at": c.updated_at}, c.id)


_READ = text(_answer("(select x.* from campaigns x where x.tenant_id = app.tenant() and x.id = :id and x.deleted_at is null)"))


def read(tx: Tx, campaign_id: UUID) -> Any:
    """One campaign with its progress, or None."""
    return one(tx.execute(_READ, {"id": campaign_id}).one_or_none())


def insert(tx: Tx, row: Row) -> Any:
    """Insert a campaign."""
    statement = f"""
      with written as (
        insert into campaigns ({", ".join(row)}, created_at, updated_at)
        select {", ".join(f"g.{name}" for name in row)}, :now, :now
          from jsonb_populate_record(null::campaigns, cast(:row as jsonb)) g returning *)
      {_answer("written")}"""
    return one(tx.execute(text(statement), {"row": json.dumps(row, default=_spelt), "now": tx.now}).one())


def _loaded(lock: str) -> str:
    """A campaign, the template it takes its words from, and what a launch has to know of the tenant."""
    return f"""
      select c.*, t.key as template_key, t.channel as template_channel, t.subject as template_subject, t.body_text as template_text,
             t.body_html as template_html, t.deleted_at as template_deleted_at, s.postal_address
        from campaigns c
        left join message_templates t on t.tenant_id = app.tenant() and t.id = c.template_id
        left join messaging_settings s on s.tenant_id = app.tenant()
       where c.tenant_id = app.tenant() and c.id = :id and c.deleted_at is null {lock}"""


_LOAD, _LOCK = text(_loaded("")), text(_loaded("for no key update of c"))


def load(tx: Tx, campaign_id: UUID) -> dict[str, Any] | None:
    """A campaign as it is, or None."""
    return _mapped(tx.execute(_LOAD, {"id": campaign_id}).one_or_none())


def lock(tx: Tx, campaign_id: UUID) -> dict[str, Any] | None:
    """Lock a campaign: until the commit nothing of it is claimed."""
    return _mapped(tx.execute(_LOCK, {"id": campaign_id}).one_or_none())


def _mapped(row: Any) -> dict[str, Any] | None:
    return None if row is None else dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name for it)


def update(tx: Tx, campaign_id: UUID, changes: Row) -> Any:
    """Write columns of a locked campaign. Returns the answer."""
    statement, given = _change(tx, campaign_id, changes)
    return one(tx.execute(text(f"with written as ({statement} returning s.*) {_answer('written')}"), given).one())


def write(tx: Tx, campaign_id: UUID, changes: Row) -> None:
    """Write columns of a locked campaign, where nobody asks for the answer."""
    statement, given = _change(tx, campaign_id, changes)
    tx.later(text(statement), given)


def _change(tx: Tx, campaign_id: UUID, changes: Row) -> tuple[str, dict[str, Any]]:
    assignments = "".join(f"{name} = g.{name}, " for name in changes)
    statement = f"""
      update campaigns s set {assignments} version = s.version + 1, updated_at = :now
        from jsonb_populate_record(null::campaigns, cast(:changes as jsonb)) g
       where s.tenant_id = app.tenant() and s.id = :id"""
    return statement, {"changes": json.dumps(changes, default=_spelt), "id": campaign_id, "now": tx.now}


_TEMPLATE = text("""
select m.channel, m.subject, m.body_text, m.body_html from message_templates m
 where m.tenant_id = app.tenant() and m.id = :id and m.deleted_at is null
""")


def template(tx: Tx, template_id: UUID) -> Any:
    """A template's channel, subject and bodies; None when there is none."""
    return tx.execute(_TEMPLATE, {"id": template_id}).one_or_none()


def sends(tx: Tx, campaign_id: UUID, request: Request, *, state: SendState | None, contact_id: UUID | None) -> Any:
    """A page of a campaign's sends."""
    c = campaign_sends.c
    statement = select(*(c[name] for name in CampaignSend.model_fields)).where(
        c.tenant_id == func.app.tenant(), c.campaign_id == campaign_id
    )
    if state is not None:
        statement = statement.where(c.state == state)
    if contact_id is not None:
        statement = statement.where(c.contact_id == contact_id)
    return page(tx, statement, request, {"contact_id": c.contact_id}, c.id)


_CANCEL = text("""
with waiting as (
  select x.id from campaign_sends x
   where x.tenant_id = app.tenant() and x.campaign_id = :id and x.state = 'queued' order by x.chunk limit :most for update)
update campaign_sends x set state = 'canceled', updated_at = :now
  from waiting w where x.tenant_id = app.tenant() and x.id = w.id
""")


def cancel_sends(tx: Tx, campaign_id: UUID, most: int) -> int:
    """Cancel so many of what nobody has claimed; returns how many there were."""
    return tx.execute(_CANCEL, {"id": campaign_id, "most": most, "now": tx.now}).rowcount


def _spelt(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)
