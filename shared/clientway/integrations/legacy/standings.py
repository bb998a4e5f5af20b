"""Stages and client accounts of a chunk: everybody up to where they stood, their plans, then the former clients out."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.integrations.legacy import merging
from clientway.integrations.legacy.mapping import Given
from clientway.integrations.legacy.merging import Marks
from clientway.lifecycle.accounts import health
from clientway.lifecycle.bulk import accounts
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.stages.rules import RANK, Stage
from clientway.moments import rfc3339

TRIGGER = "migrated"
# The score is worked out anew and carried over only until then; the status goes by rules of its own.
_NOT_LATER = ("health_score", "status")

Row = dict[str, Any]


@dataclass
class Wanted:
    """Where the rows of one organization want it to stand, and the accounts that they give it."""

    stage: Stage
    reason: str
    was_client: bool = False
    plans: list[tuple[Given, Marks]] = field(default_factory=list)


@dataclass
class Standings:
    """What the rows of a chunk say of stages and accounts, by organization."""

    key: bytes
    currency: str
    wanted: dict[str, Wanted] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, organization_id: str, given: Given, last: Marks) -> None:
        """Take in a row. A stage that the row has said before is no news: what became of it here since stands."""
        stage = given.stage
        if stage is None:
            return
        news = last.get("stage") != merging.mark(stage, self.key)
        one = self.wanted.get(organization_id)
        if one is None:
            one = self.wanted[organization_id] = Wanted(Stage.LEAD, "")
        if news and _further(stage, one.stage):
            one.stage, one.reason = stage, given.reason
            one.was_client = last.get("stage") == merging.mark(Stage.CLIENT, self.key)
        if given.account:
            one.plans.append((given, last))

    def apply(self, tx: Tx, reps: dict[str, str]) -> set[str]:
        """Write it all; returns the organizations that something changed for."""
        clients = [one for one, wanted in self.wanted.items() if wanted.plans]
        had = accounts.of(tx, clients) if clients else {}
        up = {one: Stage.CLIENT if wanted.stage is Stage.CHURNED else wanted.stage for one, wanted in self.wanted.items()}
        moved = self._place(tx, {one: stage for one, stage in up.items() if stage is not Stage.LEAD})
        changed = moved | self._plans(tx, clients, had, reps)
        # A client of today whose row is seen for the first time stays one: what is known here is newer.
        ended = [one for one, wanted in self.wanted.items() if wanted.stage is Stage.CHURNED and (one in moved or wanted.was_client)]
        return changed | self._place(tx, dict.fromkeys(ended, Stage.CHURNED))

    def _place(self, tx: Tx, wanted: dict[str, Stage]) -> set[str]:
        if not wanted:
            return set()
        reasons = {UUID(one): self.wanted[one].reason for one in wanted}
        return {str(one) for one in stages.place(tx, {UUID(one): stage for one, stage in wanted.items()}, trigger=TRIGGER, reasons=reasons)}

    def _plans(self, tx: Tx, clients: list[str], had: dict[str, Row], reps: dict[str, str]) -> set[str]:
        if not clients:
            return set()
        there = accounts.of(tx, clients)
        wanted = {one["stripe_subscription_id"] for client in clients for one in (given.account for given, _ in self.wanted[client].plans)}
        holders = accounts.subscription_holders(tx, sorted(wanted - {None}))
        changes: dict[str, Row] = {}
        for client in clients:
            if client not in there:
                self.notes.append("the account was left out: the organization is churned or blacklisted here")
                continue
            account = there[client]
            fields: Row = {}
            for number, (given, last) in enumerate(self.wanted[client].plans):
                plan = self._plan(tx, given, client, holders, reps)
                new = client not in had and number == 0
                found = (
                    _opening({**plan, "currency": self.currency}, given, rfc3339(tx.now)) if new else _later(account, plan, last, self.key)
                )
                account.update(found)
                fields |= found
            if fields:
                changes[client] = fields
        accounts.write(tx, changes)
        return set(changes)

    def _plan(self, tx: Tx, given: Given, client: str, holders: dict[str, str], reps: dict[str, str]) -> Row:
        plan = {**given.account, "assigned_rep_id": reps.get((given.rep or "").casefold())}
        if plan["client_since"] and plan["client_since"] > rfc3339(tx.now):
            self.notes.append("client_since lies in the future and was left out")
            plan["client_since"] = None
        subscription = plan["stripe_subscription_id"]
        if subscription and holders.setdefault(subscription, client) != client:
            self.notes.append("its Stripe subscription belongs to another account and stays there")
            plan["stripe_subscription_id"] = None
        return plan


def _opening(plan: Row, given: Given, now: str) -> Row:
    """An account that was opened by this very row: all that it says."""
    since = plan["client_since"] or (given.created_at if given.created_at and given.created_at <= now else None)
    score = plan["health_score"]
    found = {**plan, "client_since": since, "status": "paused" if plan["status"] == "paused" else None}
    found["churn_risk"] = None if score is None else health.risk(score)
    return {name: value for name, value in found.items() if value is not None}


def _later(account: Row, plan: Row, last: Marks, key: bytes) -> Row:
    """An account that was there: blanks, and what has changed in the old system and not here."""
    found, _ = merging.changes(
        "account", account, {name: value for name, value in plan.items() if name not in _NOT_LATER}, last, key, blanks=accounts.BLANK
    )
    status, there = plan["status"], account["status"]
    if status != there and {status, there} == {"active", "paused"} and last.get("account.status") == merging.mark(there, key):
        found["status"] = status
    return found


def _further(stage: Stage, than: Stage) -> bool:
    """Churned stands above a prospect, below a client of today."""
    order = {**RANK, Stage.CHURNED: RANK[Stage.CLIENT] - 0.5, Stage.BLACKLIST: -1}
    return order[stage] > order[than]
