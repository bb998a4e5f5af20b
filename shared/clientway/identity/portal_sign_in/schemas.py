"""What goes into and comes out of signing in to the portal."""

from pydantic import Field

from clientway.identity.sign_in.schemas import EmailText, Slug
from clientway.schemas import Schema, Timestamp


class PortalSignInStart(Schema):
    """Ask for a portal mail. A contact's slug is unique within its tenant only, so the tenant is named too."""

    tenant: Slug = Field(description="The tenant's slug.")
    email: EmailText = Field(description="The contact's own address.")


class PortalSignedIn(Schema):
    """A fresh portal session of one contact."""

    token: str = Field(description="Shown once. 30 minutes without a request end it.")
    expires_at: Timestamp
    slug: str
    name: str
