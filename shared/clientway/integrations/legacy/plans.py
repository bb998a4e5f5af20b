"""Where an old client or lead stood, and their support plan: pure.

Source: seed 0, "Migration Strategy" and "Lifecycle Stage Definitions"; design 3, §4 and §14. A plan that has ended is a
former client: "churned: subscription cancelled".
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from clientway.integrations.legacy import values
from clientway.integrations.legacy.reading import Kind
from clientway.lifecycle.stages.rules import Stage

_TIERS: Final = {"none": "none", "core": "core", "professional": "professional", "pro": "professional", "premium": "premium"}
_STATUSES: Final = {
    **dict.fromkeys(("active", "trialing", "trial", "past_due", "current"), "active"),
    **dict.fromkeys(("paused", "unpaid", "on_hold", "suspended"), "paused"),
    **dict.fromkeys(("cancelled", "canceled", "churned", "ended", "expired", "terminated"), "cancelled"),
    **dict.fromkeys(("inactive", "incomplete", "incomplete_expired", "pending"), "inactive"),
}
_FORMER: Final = frozenset({"churned", "cancelled", "canceled", "former", "ended", "lost", "terminated"})
_ON_HOLD: Final = frozenset({"paused", "on_hold", "suspended"})
_HIGHEST_HEALTH: Final = 100


class Cells(Protocol):
    """What a plan is read from."""

    warnings: list[str]

    def raw(self, target: str) -> Any:
        """The first of the target's columns that says something."""

    def text(self, target: str, longest: int = 300) -> str | None:
        """The same as text."""

    def read(self, target: str, reader: Callable[[Any], Any]) -> Any:
        """The same as `reader` understands it."""

    def time(self, target: str) -> str | None:
        """The same as a time."""


def standing(cells: Cells, kind: Kind) -> tuple[dict[str, Any], Stage, str]:
    """The account (empty without a plan), the stage, and the reason that the move is recorded with."""
    if kind is Kind.HUBSPOT:
        return {}, Stage.LEAD, ""
    if kind is Kind.LEAD:
        active = values.word(cells.raw("lead.status")) == "active"
        return {}, Stage.PROSPECT if active else Stage.LEAD, "Active lead in the old system."
    account = _account(cells)
    if not account:
        # Known and spoken with, but nothing says that they ever paid.
        return {}, Stage.PROSPECT, "Client without a support plan in the old system."
    since = account["client_since"]
    reason = f"Client in the old system{f' since {since[:10]}' if since else ''}."
    if account["status"] == "churned":
        return account, Stage.CHURNED, reason
    return account, Stage.CLIENT, reason


def _account(cells: Cells) -> dict[str, Any]:
    tier, status = _tier(cells), _status(cells)
    started, since = cells.time("plan.started"), cells.time("plan.since")
    money = {
        "mrr_cents": cells.read("plan.mrr", values.cents),
        "total_revenue_cents": cells.read("plan.revenue", values.cents),
        "stripe_subscription_id": cells.text("plan.subscription"),
    }
    client_status = values.word(cells.raw("plan.client_status"))
    if not any((tier not in (None, "none"), status, started, since, *money.values(), client_status in _FORMER)):
        return {}
    ended = status == "cancelled" or client_status in _FORMER
    held = status == "paused" or client_status in _ON_HOLD
    if status is None:
        # A tier that nobody ended is in force.
        status = "active" if tier not in (None, "none") else "inactive"
    return {
        "client_since": since or started,
        "status": "churned" if ended else "paused" if held else "active",
        "support_plan_tier": tier or "none",
        "support_plan_status": "cancelled" if ended else status,
        "support_plan_started_at": started,
        "support_minutes_included": _minutes(cells, "included"),
        "support_minutes_used": _minutes(cells, "used"),
        **money,
        "health_score": _between(cells, "plan.health", 0, _HIGHEST_HEALTH),
        "nps_score": _between(cells, "plan.nps", -100, 100),
    }


def _tier(cells: Cells) -> str | None:
    return cells.read("plan.tier", lambda raw: _TIERS.get(values.word(raw)))


def _status(cells: Cells) -> str | None:
    """A status that is not known says at least that there is a plan (seed 0: support_plan_status IS NOT NULL)."""
    if cells.raw("plan.status") is None:
        return None
    return cells.read("plan.status", lambda raw: _STATUSES.get(values.word(raw))) or "inactive"


def _minutes(cells: Cells, which: str) -> int | None:
    found = cells.read(f"plan.hours_{which}", values.minutes)
    return found if found is not None else _between(cells, f"plan.minutes_{which}", 0, values.MOST_MINUTES)


def _between(cells: Cells, target: str, low: int, high: int) -> int | None:
    def reader(raw: Any) -> int | None:
        found = values.whole(raw)
        return found if found is not None and low <= found <= high else None

    return cells.read(target, reader)
