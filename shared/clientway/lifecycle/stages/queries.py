"""Stages in the database: the facts they follow from, and the one statement that moves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.ids import uuid7
from clientway.lifecycle.stages.rules import Facts, Move, Stage
from clientway.lifecycle.tables import lifecycle_transitions
from clientway.moments import rfc3339
from clientway.paging import Request, page

WEIGHED: Final = ("email_clicked", "email_opened", "email_replied", "sms_replied", "call_inbound", "quote_sent", "meeting_scheduled")
"""The lines of the timeline that stages follow from; every other fact has a table of its own."""

# Since when facts count: what came before a churn, the end of a ban or a step back by hand was already weighed then,
# and must not push the organization up again behind the back of whoever moved it.
_FACTS = text(f"""
select o.id, o.lifecycle_stage, o.lifecycle_sequence, o.lifecycle_changed_at,
       exists (select from contacts c
                where c.tenant_id = o.tenant_id and c.organization_id = o.id and c.deleted_at is null
                  and c.email_norm is not null and c.updated_at >= s.since)
         or exists (select from locations l
                     where l.tenant_id = o.tenant_id and l.organization_id = o.id and l.deleted_at is null
                       and l.email_norm is not null and l.updated_at >= s.since) as email_valid,
       exists (select from locations l
                where l.tenant_id = o.tenant_id and l.organization_id = o.id and l.deleted_at is null and l.phone_e164 is not null)
         or exists (select from contacts c
                     where c.tenant_id = o.tenant_id and c.organization_id = o.id and c.deleted_at is null
                       and c.phone_e164 is not null) as has_phone,
       exists (select from locations l
                where l.tenant_id = o.tenant_id and l.organization_id = o.id and l.deleted_at is null
                  and l.website_url is not null) as has_website,
       coalesce(a.clicked, false) as clicked, coalesce(a.opened, false) as opened_by_human,
       coalesce(a.opened_machine, false) as opened_by_machine,
       coalesce(a.replied, false) as replied, coalesce(a.callback, false) as callback_requested,
       coalesce(a.talking, false) as quote_sent_or_call_scheduled,
       exists (select from deals d
                where d.tenant_id = o.tenant_id and d.organization_id = o.id
                  and d.status = 'open' and d.created_at >= s.since) as has_open_deal,
       exists (select from deals d
                where d.tenant_id = o.tenant_id and d.organization_id = o.id and d.status = 'lost' and d.closed_at >= s.since)
         and not exists (select from deals d
                          where d.tenant_id = o.tenant_id and d.organization_id = o.id
                            and d.status = 'won' and d.closed_at >= s.since) as last_open_deal_lost,
       (select min(p.captured_at) from payments p
         where p.tenant_id = o.tenant_id and p.organization_id = o.id
           and p.status = 'succeeded' and p.created_at >= s.since) as first_payment_at,
       exists (select from jobs j
                where j.tenant_id = o.tenant_id and j.organization_id = o.id and j.status in ('scheduled', 'in_progress')) as open_job,
       o.lifecycle_stage <> 'churned'
         and exists (select from client_accounts n
                      where n.tenant_id = o.tenant_id and n.organization_id = o.id
                        and n.status in ('cancelled', 'churned')) as subscription_ended,
       t.counts_machine_opens
  from organizations o
  join tenants t on t.tenant_id = o.tenant_id
  cross join lateral (
    select coalesce(max(x.changed_at), '-infinity') as since from lifecycle_transitions x
     where x.tenant_id = o.tenant_id and x.organization_id = o.id
       and (x.to_stage = 'churned' or x.from_stage = 'blacklist' or (not x.automatic and array_position(cast(:ladder as text[]), x.to_stage)
            < array_position(cast(:ladder as text[]), x.from_stage)))) s
  left join lateral (
    select bool_or(v.activity_type = 'email_clicked' and not v.machine) as clicked,
           bool_or(v.activity_type = 'email_opened' and not v.machine) as opened,
           bool_or(v.activity_type = 'email_opened' and v.machine) as opened_machine,
           bool_or(v.activity_type in ('email_replied', 'sms_replied') and not v.machine) as replied,
           bool_or(v.activity_type = 'call_inbound' and v.metadata ->> 'callback_requested' = 'true') as callback,
           bool_or(v.activity_type in ('quote_sent', 'meeting_scheduled')) as talking
      from activities v
     where v.tenant_id = o.tenant_id and v.organization_id = o.id and v.created_at >= s.since
       and v.activity_type in ({", ".join(f"'{kind}'" for kind in WEIGHED)})
  ) a on true
 where o.tenant_id = app.tenant() and o.id = any (cast(:ids as uuid[])) and o.deleted_at is null
 order by o.id
   for no key update of o
""")

_MOVE = text("""
with move as (
  select * from jsonb_to_recordset(cast(:moves as jsonb)) as r(
    id uuid, organization_id uuid, sequence integer, from_stage text, to_stage text, trigger text, automatic boolean,
    reason text, event_key text, at timestamptz, account_id uuid)
), before as (
  select o.id, o.lifecycle_changed_at from organizations o join move m on m.organization_id = o.id where o.tenant_id = app.tenant()
), last_move as (
  select distinct on (organization_id) * from move order by organization_id, sequence desc
), moved as (
  update organizations o
     set lifecycle_stage = m.to_stage, lifecycle_changed_at = m.at, lifecycle_changed_by = :changed_by, lifecycle_sequence = m.sequence,
         version = o.version + 1, updated_at = :now
    from last_move m where o.tenant_id = app.tenant() and o.id = m.organization_id
), churned as (
  update client_accounts a
     set status = 'churned', version = a.version + 1, updated_at = :now, health_dirty_at = coalesce(a.health_dirty_at, :now)
    from last_move m
   where a.tenant_id = app.tenant() and a.organization_id = m.organization_id and m.to_stage = 'churned' and a.status <> 'churned'
), opened as (
  insert into client_accounts as a (id, organization_id, client_since, assigned_rep_id, currency)
  select m.account_id, m.organization_id, :now, o.assigned_rep_id, t.currency
    from last_move m
    join organizations o on o.tenant_id = app.tenant() and o.id = m.organization_id
    join tenants t on t.tenant_id = app.tenant()
   where m.to_stage = 'client'
  on conflict (tenant_id, organization_id) do update
     set status = 'active', version = a.version + 1, updated_at = :now, health_dirty_at = coalesce(a.health_dirty_at, :now)
   where a.status in ('cancelled', 'churned')
), silenced as (
  update contacts c set do_not_contact = true, version = c.version + 1, updated_at = :now
    from last_move m
   where c.tenant_id = app.tenant() and c.organization_id = m.organization_id and m.to_stage = 'blacklist' and not c.do_not_contact
)
insert into lifecycle_transitions (id, organization_id, sequence, from_stage, to_stage, trigger, automatic, reason, event_key,
                                   actor_type, actor_id, changed_at, seconds_in_stage)
select m.id, m.organization_id, m.sequence, m.from_stage, m.to_stage, m.trigger, m.automatic, m.reason, m.event_key,
       :actor_type, :actor_id, m.at,
       case when m.sequence = min(m.sequence) over (partition by m.organization_id)
            then floor(extract(epoch from m.at - b.lifecycle_changed_at))::bigint else 0 end
  from move m join before b on b.id = m.organization_id
""")


@dataclass(frozen=True)
class Standing:
    """Where an organization stands and what is known of it; its row is locked."""

    organization_id: UUID
    stage: Stage
    sequence: int
    changed_at: datetime
    facts: Facts
    literal_open_rule: bool


@dataclass(frozen=True)
class Applied:
    """A move of one organization from where it stands; the second one of a transaction is one `step` further."""

    standing: Standing
    move: Move
    reason: str | None = None
    event_key: str | None = None
    step: int = 1

    @property
    def organization_id(self) -> UUID:
        """Whose move it is."""
        return self.standing.organization_id

    def at(self, tx: Tx) -> datetime:
        """When: no chain runs back in time, although whoever waited longest for the lock came with the oldest clock."""
        return max(tx.now, self.standing.changed_at)


def lock_standings(tx: Tx, organization_ids: Sequence[UUID]) -> list[Standing]:
    """Lock live organizations in the order of their ids and read the facts that their stages follow from."""
    given = {"ids": "{" + ",".join(str(one) for one in organization_ids) + "}", "ladder": "{lead,prospect,mql,sql,opportunity,client}"}
    rows = tx.execute(_FACTS, given).mappings()
    names = Facts.__dataclass_fields__
    return [
        Standing(
            organization_id=row["id"],
            stage=Stage(row["lifecycle_stage"]),
            sequence=row["lifecycle_sequence"],
            changed_at=row["lifecycle_changed_at"],
            facts=Facts(**{name: row[name] for name in names if name in row}),
            literal_open_rule=row["counts_machine_opens"],
        )
        for row in rows
    ]


def apply(tx: Tx, moves: Sequence[Applied]) -> None:
    """Move organizations (locked before), extend their chains, and open, reopen or end their client accounts.

    A ban also stops all contact; lifting it gives no consent back.
    """
    rows = [
        {
            "id": str(uuid7()), "organization_id": str(one.organization_id), "sequence": one.standing.sequence + one.step,
            "from_stage": one.move.from_stage, "to_stage": one.move.to_stage, "trigger": one.move.trigger,
            "automatic": one.move.automatic, "reason": one.reason, "event_key": one.event_key,
            "at": rfc3339(one.at(tx)), "account_id": str(uuid7()),
        }
        for one in moves
    ]  # fmt: skip
    actor = tx.actor
    who = {"changed_by": actor.name or actor.kind, "actor_type": actor.kind, "actor_id": actor.id}
    tx.later(_MOVE, {"moves": json.dumps(rows), "now": tx.now, **who})


def transitions(tx: Tx, organization_id: UUID, request: Request) -> Any:
    """A page of an organization's chain of stages."""
    t = lifecycle_transitions.c
    columns = (t.id, t.sequence, t.from_stage, t.to_stage, t.trigger, t.automatic, t.reason, t.actor_type, t.actor_id)
    statement = select(*columns, t.changed_at, t.seconds_in_stage)
    statement = statement.where(t.tenant_id == func.app.tenant(), t.organization_id == organization_id)
    return page(tx, statement, request, {"sequence": t.sequence}, t.id)
