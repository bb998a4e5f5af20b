"""Health scores: the live report, the past one, and the recalculation over all accounts."""

from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.lifecycle.accounts.health import FORMULA_VERSION, Inputs, explain, trend
from clientway.lifecycle.accounts.health_sql import SCORES
from clientway.lifecycle.accounts.inputs_sql import INPUTS, PICK_ONE
from clientway.lifecycle.accounts.schemas import AccountHealthReport, HealthAdjustment, HealthComponent
from clientway.lifecycle.timeline.rules import TOUCH
from clientway.rounds import go_round

BATCH = 1000
_TOUCHES = "{" + ",".join(sorted(TOUCH)) + "}"
# These go up by themselves, every day.
_SLIDING = "{tenure_days,days_since_last_touch,past_due_days_max}"
_NAMES = tuple(field.name for field in fields(Inputs))

_THEN = """(select h.score from health_snapshots h where h.tenant_id = app.tenant() and h.client_account_id = {account}
             and h.day <= cast(:day as date) - 30 order by h.day desc limit 1)"""
_LIVE = text(f"{PICK_ONE}{INPUTS} select i.*, {_THEN.format(account='i.account_id')} as then_score from inputs i")
_PAST = text(f"""
select s.day, s.inputs, {_THEN.format(account="s.client_account_id")} as then_score from health_snapshots s
 where s.tenant_id = app.tenant() and s.client_account_id = :id and s.day <= cast(:day as date) order by s.day desc limit 1""")

# Locked in a statement of its own: the next one's snapshot then holds every change whose mark is about to be cleared, and
# a later change waits for the lock and marks again. Two runs share the accounts between them. A new account is marked.
PICK = text("""
select id from (select id from client_accounts where tenant_id = app.tenant() and health_dirty_at is not null
                 order by health_dirty_at, id limit :batch for no key update skip locked) changed
union
select id from (select id from client_accounts
                 where tenant_id = app.tenant() and health_computed_at < cast(:day as timestamp) at time zone 'UTC'
                 order by health_computed_at, id limit :batch for no key update skip locked) aged
limit :batch""")

# A snapshot is written only when more than the passing of days differs from the last one, or what follows from it does:
# a day without one had the score of the day before.
RECALCULATE = text(f"""
with picked as (select * from client_accounts where tenant_id = app.tenant() and id = any (cast(:ids as uuid[]))),
{INPUTS},
scored as ({SCORES}),
due as (
  select s.*, (to_jsonb(i) - 'account_id' - 'last_touch' - 'last_ticket') as facts, i.last_touch, i.last_ticket,
         p.churn_risk as old_risk, {_THEN.format(account="s.account_id")} as then_score
    from scored s join inputs i on i.account_id = s.account_id join picked p on p.id = s.account_id),
written as (
  update client_accounts a
     set health_score = d.score, churn_risk = d.risk, health_confidence = d.confidence, health_computed_at = :now,
         health_trend = case when d.then_score is null or abs(d.score - d.then_score) < 5 then 'stable'
                             when d.score > d.then_score then 'improving' else 'declining' end,
         last_activity_at = coalesce(d.last_touch, a.last_activity_at),
         last_support_ticket_at = coalesce(d.last_ticket, a.last_support_ticket_at), health_dirty_at = null
    from due d where a.tenant_id = app.tenant() and a.id = d.account_id),
kept as (
  insert into health_snapshots (client_account_id, day, score, risk, confidence, inputs, formula_version, computed_at)
  select d.account_id, cast(:day as date), d.score, d.risk, d.confidence, d.facts, :formula, :now from due d
   where (d.facts - cast(:sliding as text[]))
         || jsonb_build_object('score', d.score, 'confidence', cast(d.confidence as numeric(4, 3))) is distinct from (
     select (s.inputs - cast(:sliding as text[])) || jsonb_build_object('score', s.score, 'confidence', s.confidence)
       from health_snapshots s
      where s.tenant_id = app.tenant() and s.client_account_id = d.account_id order by s.day desc limit 1)
  on conflict (tenant_id, client_account_id, day) do update
     set score = excluded.score, risk = excluded.risk, confidence = excluded.confidence, inputs = excluded.inputs,
         formula_version = excluded.formula_version, computed_at = excluded.computed_at),
told as (
  insert into outbox (id, topic, payload)
  select gen_random_uuid(), 'client_account.risk_changed',
         jsonb_build_object('client_account_id', d.account_id, 'from', d.old_risk, 'to', d.risk)
    from due d where d.risk <> d.old_risk)
select count(*) from due
""")


def live(tx: Tx, account_id: UUID) -> AccountHealthReport | None:
    """The score from the facts as they are now; None when there is no such account."""
    row = tx.execute(_LIVE, {"id": account_id, "now": tx.now, "touches": _TOUCHES, "day": tx.now.date()}).mappings().one_or_none()
    return None if row is None else _report(account_id, tx.now.date(), {name: row[name] for name in _NAMES}, row["then_score"])


def as_of(tx: Tx, account_id: UUID, day: date) -> AccountHealthReport | None:
    """The score as it stood on a day: its stored facts, replayed; None when nothing was stored by then."""
    row = tx.execute(_PAST, {"id": account_id, "day": day}).mappings().one_or_none()
    return None if row is None else _report(account_id, row["day"], row["inputs"], row["then_score"])


def _report(account_id: UUID, day: date, inputs: dict[str, Any], then_score: int | None) -> AccountHealthReport:
    explanation = explain(Inputs(**inputs))
    document = explanation.as_dict()
    # JSON numbers: the strings that as_dict keeps exact are for storage.
    components = [
        HealthComponent.model_validate({**part, **{name: _number(part[name]) for name in ("points", "weight", "contribution")}})
        for part in document["components"]
    ]
    told = document["adjustments"]
    adjustments = [HealthAdjustment(name=step["name"], reason=step["reason"], points=float(step["amount"])) for step in told]
    return AccountHealthReport(
        client_account_id=account_id,
        as_of=day,
        score=explanation.score,
        churn_risk=explanation.risk,
        trend=trend(explanation.score, then_score),
        confidence=float(explanation.confidence),
        insufficient_data=explanation.insufficient_data,
        capped_by=explanation.capped_by,
        components=components,
        adjustments=adjustments,
        formula_version=explanation.formula_version,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def recalculate(tx: Tx, *, batch: int = BATCH) -> int:
    """Score the next accounts of the tenant whose facts changed, or that time alone has moved on; returns how many.

    The marks on the accounts are the cursor: whatever a run leaves behind, the next one takes up.
    """
    day = tx.now.date()
    picked = tx.execute(PICK, {"day": day, "batch": batch}).scalars().all()
    if picked:
        ids = "{" + ",".join(map(str, picked)) + "}"
        tx.execute(RECALCULATE, {"ids": ids, **parameters(tx.now)})
    return len(picked)


def parameters(now: datetime) -> dict[str, Any]:
    """What RECALCULATE is given besides the accounts' ids."""
    return {"now": now, "day": now.date(), "touches": _TOUCHES, "formula": FORMULA_VERSION, "sliding": _SLIDING}


def recalculate_all(tenants: list[UUID], transaction: Callable[[UUID], Any], *, until: Callable[[], bool]) -> int:
    """Go round the tenants, a batch each, until nobody has anything left or `until` says stop; returns the accounts done.

    A tenant whose batch fails is left for the next run and keeps nobody else waiting; all failures are raised at the end.
    """
    return go_round(tenants, transaction, recalculate, batch=BATCH, until=until, failed="health was not recalculated for every tenant")
