"""What goes into and comes out of signing in."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from clientway.schemas import Id, Schema, Text, Timestamp

Slug = Annotated[Text, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
EmailText = Annotated[
    Text,
    StringConstraints(min_length=3, max_length=254, strip_whitespace=True),
    # Three characters are left when it has been trimmed.
    Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]+[^\s\x00][^\x00]*$"}),
]
LinkToken = Annotated[Text, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
Code = Annotated[Text, StringConstraints(pattern=r"^[0-9]{6}$")]


class SignInStart(Schema):
    """Ask for a sign-in mail."""

    email: EmailText
    tenant: Slug | None = Field(None, description="The tenant's slug, for members of several; otherwise the one used last.")


class SignInStarted(Schema):
    """Always the same answer: whether the address is known is nobody's business."""

    message: str
    expires_in_seconds: int


class SignInFinish(Schema):
    """The token of the mail's link, or the code that stands in the mail; exactly one of them."""

    token: LinkToken | None = Field(None, description="From the link, which carries it behind the `#`.")
    code: Code | None = Field(None, description="For another device: five tries.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "SignInFinish":
        if (self.token is None) == (self.code is None):
            message = "send either token or code"
            raise ValueError(message)
        return self


class OidcSignIn(Schema):
    """Turn the identity provider's token, which the gateway has verified, into a session."""

    tenant: Slug | None = Field(None, description="The tenant's slug, for members of several; otherwise the one used last.")


class TenantName(Schema):
    """A tenant by its names."""

    id: Id
    name: str
    slug: str


class SignedIn(Schema):
    """A fresh session. Browsers hold it as a cookie; API clients send `token` as a bearer."""

    token: str = Field(description="Shown once. 30 minutes without a request end it.")
    expires_at: Timestamp
    role: str
    name: str
    email: str
    tenant: TenantName
    tenants: list[TenantName] = Field(description="All that this person is a member of; sign in again with `tenant` to change.")
