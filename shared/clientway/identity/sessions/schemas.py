"""What goes into and comes out of the endpoints of sessions and of the caller's own account."""

from typing import Literal

from clientway.identity.sign_in.schemas import TenantName
from clientway.schemas import Id, Schema, Timestamp


class TenantSettings(TenantName):
    """The tenant that a caller acts for."""

    time_zone: str
    currency: str


class Me(Schema):
    """Who the caller is and what they may do."""

    kind: Literal["user", "api_key"]
    id: Id
    name: str
    email: str | None
    role: str
    permissions: list[str]
    tenant: TenantSettings


class Session(Schema):
    """A live session of a member."""

    id: Id
    user_id: Id
    name: str
    email: str
    method: Literal["oidc", "email_link", "email_code"]
    user_agent: str | None
    is_current: bool
    created_at: Timestamp
    last_seen_at: Timestamp
    expires_at: Timestamp
