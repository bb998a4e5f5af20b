"""What goes into and comes out of the endpoints of referrals."""

from typing import ClassVar, Literal

from pydantic import Field

from clientway.schemas import Id, Patch, Schema, ShortText, Timestamp, Version

ReferralStatus = Literal["received", "converted", "declined"]


class ReferralCreate(Schema):
    """Somebody whom an organization has sent to the tenant."""

    referred_name: ShortText
    referred_organization_id: Id | None = Field(None, description="The one that was referred, once it is here.")


class ReferralPatch(Patch):
    """Change a referral; a declined one no longer counts for the referrer's health."""

    REQUIRED: ClassVar = frozenset({"referred_name", "status"})

    referred_name: ShortText | None = None
    referred_organization_id: Id | None = None
    status: ReferralStatus | None = None


class Referral(Schema):
    """A referral."""

    id: Id
    organization_id: Id = Field(description="Who referred.")
    referred_organization_id: Id | None
    referred_name: str
    status: ReferralStatus
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
