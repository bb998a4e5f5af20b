"""Health scores: the live report, the past one, and the recalculation over all accounts."""

from collections.abc import Callable
from dataclasses import fields
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.lifecycle.accounts.health import FORMULA_VERSION, Inputs, explain, trend
from clientway.lifecycle.accounts.health_sql import SCORES
from clientway.lifecycle.accounts.inputs_sql import INPUTS, PICK_ONE
from clientway.lifecycle.accounts.schemas import AccountHealthReport
from clientway.lifecycle.timeline.rules import TOUCH

BATCH = 1000
_TOUCHES = "{" + ",".join(sorted(TOUCH)) + "}"
_NAMES = tuple(field.name for field in fields(Inputs))

_THEN = """(select h.score from health_snapshots h where h.tenant_id = app.tenant() and h.client_account_id = {account}
             and h.day <= cast(:day as date) - 30 order by h.day desc limit 1)"""
_LIVE = text(f"{PICK_ONE}{INPUTS} select i.*, {_THEN.format(account='i.account_id')} as then_score from inputs i")
_PAST = text(f"""
select s.day, s.inputs, {_THEN.format(account="s.client_account_id")} as then_score from health_snapshots s
 where s.tenant_id = app.tenant() and s.client_account_id = :id and s.day <= cast(:day as date) order by s.day desc limit 1""")

# What was picked is locked, so two runs share the accounts between them. A snapshot is written only when something that
# counts differs from the last one: a day without one had the score of the day before.
_RECALCULATE = text(f"""
with picked as (
  select * from client_accounts
   where tenant_id = app.tenant() and (health_dirty_at is not null or health_computed_at is null or health_computed_at < :day)
   order by id limit :batch for no key update skip locked),
{INPUTS},
scored as ({SCORES}),
due as (
  select s.*, (to_jsonb(i) - 'account_id' - 'last_touch') as facts, i.last_touch, p.churn_risk as old_risk, {_THEN.format(account="s.account_id")} as then_score
    from scored s join inputs i on i.account_id = s.account_id join picked p on p.id = s.account_id),
written as (
  update client_accounts a
     set health_score = d.score, churn_risk = d.risk, health_confidence = d.confidence, health_computed_at = :now,
         health_trend = case when d.then_score is null or abs(d.score - d.then_score) < 5 then 'stable'
                             when d.score > d.then_score then 'improving' else 'declining' end,
         last_activity_at = coalesce(d.last_touch, a.last_activity_at), health_dirty_at = null
    from due d where a.tenant_id = app.tenant() and a.id = d.account_id),
kept as (
  insert into health_snapshots (client_account_id, day, score, risk, confidence, inputs, formula_version, computed_at)
  select d.account_id, cast(:day as date), d.score, d.risk, d.confidence, d.facts, :formula, :now from due d
   where jsonb_build_object('facts', d.facts, 'score', d.score) is distinct from (
     select jsonb_build_object('facts', s.inputs, 'score', s.score) from health_snapshots s
      where s.tenant_id = app.tenant() and s.client_account_id = d.account_id order by s.day desc limit 1)
  on conflict (tenant_id, client_account_id, day) do update
     set score = excluded.score, risk = excluded.risk, confidence = excluded.confidence, inputs = excluded.inputs,
         formula_version = excluded.formula_version, computed_at = excluded.computed_at),
told as (
  insert into outbox (id, topic, payload)
  select gen_random_uuid(), 'client_account.risk_changed', jsonb_build_object('client_account_id', d.account_id, 'from', d.old_risk, 'to', d.risk)
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
    components = [{**part, **{name: _number(part[name]) for name in ("points", "weight", "contribution")}} for part in document["components"]]
    adjustments = [{"name": step["name"], "reason": step["reason"], "points": _number(step["amount"])} for step in document["adjustments"]]
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
    given = {"now": tx.now, "day": tx.now.date(), "batch": batch, "touches": _TOUCHES, "formula": FORMULA_VERSION}
    return int(tx.execute(_RECALCULATE, given).scalar_one())


def recalculate_all(tenants: list[UUID], transaction: Callable[[UUID], Any], *, until: Callable[[], bool]) -> int:
    """Go round the tenants, a batch each, until nobody has anything left or `until` says stop; returns the accounts done."""
    done, waiting = 0, list(tenants)
    while waiting and not until():
        still = []
        for tenant_id in waiting:
            if until():
                break
            with transaction(tenant_id) as tx:
                count = recalculate(tx)
            done += count
            if count == BATCH:
                still.append(tenant_id)
        waiting = still
    return done


