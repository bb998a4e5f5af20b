"""Which support plan a price at Stripe stands for, as the tenant's staff say."""

from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, check_version
from clientway.ids import uuid7
from clientway.integrations.stripe import queries, subscriptions
from clientway.integrations.stripe.schemas import PlanCreate, PlanPatch
from clientway.paging import Request


class PlanExists(Conflict):
    """409: another plan is named for this lookup key."""

    code, title = "stripe_plan_exists", "Plan exists"


def find(tx: Tx, request: Request) -> Any:
    """A page of plans."""
    return queries.plans(tx, request)


def create(tx: Tx, plan: PlanCreate) -> Any:
    """Name a plan for a price. Raises PlanExists (409)."""
    plan_id = uuid7()
    answer = queries.insert_plan(tx, plan_id, plan.model_dump())
    if answer is None:
        raise PlanExists("There is already a plan for this lookup key.", errors=[FieldError("#/lookup_key", "taken", "already has a plan")])
    effects.audit(tx, "stripe_plan.created", "stripe_plan", plan_id, plan.model_dump())
    subscriptions.reread(tx)
    return answer


def change(tx: Tx, plan_id: UUID, patch: PlanPatch, *, version: int) -> Any:
    """Change what a price stands for. Raises NotFound (404), PreconditionFailed (412)."""
    _lock(tx, plan_id, version)
    changes = patch.model_dump(exclude_unset=True)
    effects.audit(tx, "stripe_plan.updated", "stripe_plan", plan_id, changes)
    subscriptions.reread(tx)
    return queries.update_plan(tx, plan_id, changes)


def delete(tx: Tx, plan_id: UUID, *, version: int) -> None:
    """Name no plan for a price any more. Raises NotFound (404), PreconditionFailed (412)."""
    _lock(tx, plan_id, version)
    queries.delete_plan(tx, plan_id)
    effects.audit(tx, "stripe_plan.deleted", "stripe_plan", plan_id)
    subscriptions.reread(tx)


def _lock(tx: Tx, plan_id: UUID, version: int) -> None:
    current = queries.lock_plan(tx, plan_id)
    if current is None:
        raise NotFound("There is no such plan.")
    check_version(current, version)
