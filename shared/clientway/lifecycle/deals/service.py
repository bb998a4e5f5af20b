"""Deals: the revenue that is expected, and how it turned out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.lifecycle.deals import rules
from clientway.lifecycle.deals.rules import DealStage, DealStatus
from clientway.lifecycle.deals.schemas import Deal, DealCreate, DealPatch
from clientway.lifecycle.records import Records, Row
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.tables import deals
from clientway.moments import rfc3339
from clientway.paging import Request

DEALS = Records("deal", deals, Deal, references=("contact_id", "owner_rep_id"))


def find(
    tx: Tx,
    request: Request,
    *,
    status: DealStatus | None,
    stage: DealStage | None,
    owner_rep_id: UUID | None,
    updated_since: datetime | None,
) -> Any:
    """A page of the tenant's deals, each with its organization."""
    return DEALS.find(tx, request, updated_since=updated_since, status=status, stage=stage, owner_rep_id=owner_rep_id)


def of_organization(tx: Tx, organization_id: UUID, request: Request, *, status: DealStatus | None) -> Any:
    """A page of an organization's deals. Raises NotFound (404)."""
    return DEALS.of_organization(tx, organization_id, request, status=status)


def read(tx: Tx, deal_id: UUID) -> Any:
    """One deal. Raises NotFound (404)."""
    return DEALS.read(tx, deal_id)


def create(tx: Tx, organization_id: UUID, deal: DealCreate) -> Any:
    """Open a deal; the organization becomes an opportunity.

    Raises NotFound (404), Unprocessable (422) for somebody else's contact or no active rep.
    """
    owner = DEALS.lock_owner(tx, organization_id, deal)
    given = deal.model_dump(mode="json")
    given["currency"] = deal.currency or owner.currency
    given["probability"] = rules.PROBABILITY[deal.stage] if deal.probability is None else deal.probability
    deal_id, answer = DEALS.insert(tx, owner, given)
    _tell(tx, "deal_created", deal.name, {**given, "id": deal_id, "organization_id": organization_id})
    stages.reconsider(tx, [organization_id], event_key=f"deal:{deal_id}:open")
    return answer


def change(tx: Tx, deal_id: UUID, patch: DealPatch, *, version: int) -> Any:
    """Replace what was sent; winning, losing or opening it again lets the organization's stage follow.

    Raises NotFound (404), PreconditionFailed (412), DealClosed (409), Unprocessable (422).
    """
    before = DEALS.lock(tx, deal_id, patch, version=version)
    changes = rules.revise(before, patch.model_dump(mode="json", exclude_unset=True), rfc3339(tx.now))
    answer = DEALS.update(tx, before, changes)
    after = {**before, **changes}
    if after["status"] != before["status"]:
        kind = {"won": "deal_won", "lost": "deal_lost"}.get(after["status"], "deal_stage_changed")
        _tell(tx, kind, f"{after['name']}: {before['status']} → {after['status']}", after, description=after["lost_reason"])
        stages.reconsider(tx, [UUID(before["organization_id"])])
    elif after["stage"] != before["stage"]:
        _tell(tx, "deal_stage_changed", f"{after['name']}: {before['stage']} → {after['stage']}", after)
    return answer


def _tell(tx: Tx, kind: str, title: str, deal: Row, *, description: str | None = None) -> None:
    metadata = {"deal_id": str(deal["id"])} | {name: deal[name] for name in ("stage", "amount_cents", "currency")}
    organization_id, contact_id = UUID(str(deal["organization_id"])), deal["contact_id"] and UUID(deal["contact_id"])
    effects.record(tx, kind, title, organization_id=organization_id, contact_id=contact_id, description=description, metadata=metadata)
    effects.publish(tx, kind.replace("_", ".", 1), {"organization_id": organization_id, **metadata})
