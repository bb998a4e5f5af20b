"""Read and keep client accounts, and explain their health."""

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.lifecycle.accounts import queries, reports
from clientway.lifecycle.accounts.schemas import AccountHealthReport, ClientAccountPatch, Filters, SubscribedPlan
from clientway.paging import Request

if TYPE_CHECKING:
    from clientway.lifecycle.stages.schemas import Conversion

# What may follow which status by hand; churned ends by itself, with a new payment or a win-back.
_LEGAL = {"active": ("paused", "cancelled"), "paused": ("active", "cancelled"), "cancelled": (), "churned": ()}


class AccountStatusRefused(Conflict):
    """409: the account cannot go from its status to that one; `legal` lists those it can."""

    code, title = "account_status_refused", "Account status refused"


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of client accounts."""
    return queries.find(tx, request, filters)


def read(tx: Tx, account_id: UUID) -> Any:
    """One account. Raises NotFound (404)."""
    return _found(queries.read(tx, account_id=account_id))


def read_of_organization(tx: Tx, organization_id: UUID) -> Any:
    """The account of an organization. Raises NotFound (404)."""
    return _found(queries.read(tx, organization_id=organization_id))


def set_plan(tx: Tx, organization_id: UUID, conversion: "Conversion") -> None:
    """Give the account that was just opened its plan."""
    since = conversion.client_since or tx.now
    plan = {"tier": conversion.support_plan_tier, "minutes": conversion.support_minutes_included, "since": since}
    queries.set_plan(tx, organization_id, {**plan, "mrr_cents": conversion.mrr_cents, "currency": conversion.currency})


def follow_subscriptions(tx: Tx, organization_id: UUID, plan: SubscribedPlan) -> bool:
    """Bring an organization's account in line with its subscriptions, hours beginning anew with each period.

    Returns whether there is an account. The last subscription's end cancels it; the stage is the caller's to reconsider.
    """
    return queries.follow_subscriptions(tx, organization_id, plan)


def change(tx: Tx, account_id: UUID, patch: ClientAccountPatch, *, version: int) -> Any:
    """Change an account; cancelling it lets the organization churn.

    Raises NotFound (404), PreconditionFailed (412), AccountStatusRefused (409), Unprocessable (422) for an unknown rep.
    """
    from clientway.lifecycle.stages import service as stages  # noqa: PLC0415  (stages open accounts: the other way round is rare)

    locked = queries.lock(tx, account_id, patch.assigned_rep_id, organization_first=patch.status == "cancelled")
    if locked is None:
        raise NotFound("There is no such client account.")
    check_version(locked.version, version)
    changes = patch.model_dump(include=patch.model_fields_set)
    status = changes.get("status", locked.status)
    if status != locked.status and status not in _LEGAL[locked.status]:
        legal = _LEGAL[locked.status]
        raise AccountStatusRefused(f"An account that is {locked.status} cannot become {status}.", current=locked.status, legal=list(legal))
    if patch.assigned_rep_id is not None and not locked.rep_is_active:
        raise Unprocessable(
            "The rep cannot be assigned.", errors=[FieldError("#/assigned_rep_id", "unknown", "not an active rep of yours")]
        )
    if status == "cancelled" and status != locked.status:
        changes["support_plan_status"] = "cancelled"
    if not changes:
        return _found(queries.read(tx, account_id=account_id))
    answer = queries.update(tx, account_id, changes)
    effects.audit(tx, "client_account.updated", "client_account", account_id, changes)
    if status == "cancelled" and status != locked.status:
        stages.reconsider(tx, [locked.organization_id])
        answer = queries.read(tx, account_id=account_id)
    return answer


def health(tx: Tx, account_id: UUID, day: date | None) -> AccountHealthReport:
    """The health score, explained: from the facts as they are, or as it stood on a day. Raises NotFound (404)."""
    report = reports.live(tx, account_id) if day is None else reports.as_of(tx, account_id, day)
    if report is None and day is not None and queries.read(tx, account_id=account_id) is not None:
        raise NotFound(f"No health score was kept by {day}.")
    return _found(report)


def billing(tx: Tx, account_id: UUID) -> Any:
    """Plan, hours and money of an account. Raises NotFound (404)."""
    return _found(queries.billing(tx, account_id))


def _found(answer: Any) -> Any:
    if answer is None:
        raise NotFound("There is no such client account.")
    return answer
