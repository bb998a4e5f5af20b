"""GET and POST /api/members"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway import paging
from clientway.http import api, transaction
from clientway.identity.api_keys.schemas import Role
from clientway.identity.members import service
from clientway.identity.members.schemas import Member, MemberInvite
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/members", summary="List members", tags=["Members"], operation_id="list_members")
def list_members(
    role: Annotated[Role | None, Query(description="Only members with this role.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[Member]:
    """List the people who work for the tenant."""
    with transaction(app, needs="members:read") as tx:
        return service.page(tx, paging.Request(limit, cursor, sort, {"role": role}), role=role)


@app.post("/api/members", status_code=201, summary="Invite a member", tags=["Members"], operation_id="invite_member")
def invite_member(request: MemberInvite) -> Member:
    """Give somebody a role and invite them by mail; they sign in with that address."""
    with transaction(app, needs="members:write") as tx:
        return service.invite(tx, request)


handler = app.lambda_handler
