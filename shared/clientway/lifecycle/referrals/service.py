"""Referrals: whom clients have sent to the tenant."""

from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.lifecycle.records import Records
from clientway.lifecycle.referrals.schemas import Referral, ReferralCreate, ReferralPatch
from clientway.lifecycle.tables import referrals
from clientway.paging import Request

REFERRALS = Records("referral", referrals, Referral, references=("referred_organization_id",))


def of_organization(tx: Tx, organization_id: UUID, request: Request) -> Any:
    """A page of an organization's referrals. Raises NotFound (404)."""
    return REFERRALS.of_organization(tx, organization_id, request)


def read(tx: Tx, referral_id: UUID) -> Any:
    """One referral. Raises NotFound (404)."""
    return REFERRALS.read(tx, referral_id)


def create(tx: Tx, organization_id: UUID, referral: ReferralCreate) -> Any:
    """Record a referral. Raises NotFound (404), Unprocessable (422) for an organization that is not there or refers itself."""
    owner = REFERRALS.lock_owner(tx, organization_id, referral)
    referral_id, answer = REFERRALS.insert(tx, owner, referral.model_dump(mode="json"))
    effects.publish(tx, "referral.received", {"organization_id": organization_id, "referral_id": referral_id})
    return answer


def change(tx: Tx, referral_id: UUID, patch: ReferralPatch, *, version: int) -> Any:
    """Replace what was sent. Raises NotFound (404), PreconditionFailed (412), Unprocessable (422)."""
    before = REFERRALS.lock(tx, referral_id, patch, version=version)
    return REFERRALS.update(tx, before, patch.model_dump(mode="json", exclude_unset=True))
