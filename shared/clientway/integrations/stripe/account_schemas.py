"""What connecting a Stripe account takes and answers."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Id, Schema, Timestamp, Version

Mode = Literal["key", "connect"]
Status = Literal["none", "pending", "connected", "restricted", "failed", "disconnected"]
# Pasted from a page, so blanks around it are nobody's wish. What Stripe gives out has a prefix that says what it is.
RestrictedKey = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^(rk|sk)_(test|live)_[A-Za-z0-9_]{8,250}$")]
WebhookSecret = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^whsec_[A-Za-z0-9+/=_-]{8,250}$")]


class StripeConnect(Schema):
    """How the tenant's account is to be reached."""

    mode: Mode = Field(description="`key`: by a restricted key of yours; `connect`: by an account under the platform's, set up at Stripe.")


class StripeUpload(Schema):
    """Where the key goes: never through the database."""

    url: str
    ticket: str = Field(description="Goes along with the key; works for ten minutes.")
    expires_at: Timestamp


class StripeAccount(Schema):
    """The tenant's Stripe account, as far as it is known here; keys are nowhere in it."""

    status: Status = Field(description="`restricted`: connected, but Stripe lets it take no payments yet.")
    mode: Mode | None
    endpoint_id: Id | None = Field(description="Names the webhook's path.")
    account_id: str | None
    livemode: bool | None = Field(description="False in test mode: no real money moves.")
    key_hint: str | None = Field(description="The key's kind and its last four characters.")
    onboarding_url: str | None = Field(
        description="Where Stripe asks for what it needs; works once, and for minutes. Post again for another."
    )
    error: str | None
    open_pages: int = Field(
        description="Payment pages of an account that was given up at which clients may still be able to pay. They are closed one by one."
    )
    version: Version | None
    updated_at: Timestamp | None


class StripeConnecting(StripeAccount):
    """The account, and what to do next."""

    upload: StripeUpload | None = Field(description="With mode `key`: post the key and the ticket here.")


class StripeKeyUpload(Schema):
    """A key, handed in with a ticket."""

    ticket: Annotated[str, Field(min_length=1, max_length=1000)]
    restricted_key: RestrictedKey
    webhook_secret: WebhookSecret | None = Field(
        None,
        description="Of an endpoint that you made at Stripe. Without it one is made: then the key has to write webhook endpoints.",
    )


class StripeKeyAccepted(Schema):
    """The key works and is kept; the account shows as connected in a moment."""

    account_id: str
    livemode: bool
    key_hint: str
    webhook: Literal["created", "kept", "given"]
