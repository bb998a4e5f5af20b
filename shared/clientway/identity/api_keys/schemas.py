"""What goes into and comes out of the endpoints of API keys."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Id, Schema, Timestamp, Trimmed

Role = Literal["admin", "editor", "viewer"]
Name = Annotated[Trimmed, StringConstraints(max_length=200)]


class ApiKeyCreate(Schema):
    """A machine that is to act for the tenant."""

    name: Name
    role: Role
    expires_at: Timestamp | None = Field(None, description="Without it the key lives until it is revoked.")


class ApiKey(Schema):
    """An API key, without its secret."""

    id: Id
    name: str
    prefix: str = Field(description="The beginning of the secret, to recognise it by.")
    role: Role
    created_by: Id | None
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp | None
    revoked_at: Timestamp | None


class ApiKeyCreated(ApiKey):
    """A new API key with its secret, which is shown in this answer and never again."""

    token: str
