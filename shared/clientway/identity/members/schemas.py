"""What goes into and comes out of the endpoints of members."""

from typing import Literal

from pydantic import Field

from clientway.identity.api_keys.schemas import Role
from clientway.identity.sign_in.schemas import EmailText
from clientway.schemas import Id, Schema, Timestamp, Version


class MemberInvite(Schema):
    """Somebody who is to work for the tenant."""

    email: EmailText = Field(json_schema_extra={"format": "email"})
    role: Role


class MemberPatch(Schema):
    """Change what a member may do."""

    role: Role


class Member(Schema):
    """A person's membership of the tenant."""

    id: Id
    user_id: Id
    email: str
    name: str = Field(description="Empty until the person has signed in here.")
    role: Role
    status: Literal["invited", "active"]
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
