"""GET, PATCH and DELETE /api/members/{membership_id}"""

from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.identity.members import service
from clientway.identity.members.schemas import Member, MemberPatch

app = api(__name__)


@app.get("/api/members/<membership_id>", summary="Show a member", tags=["Members"], operation_id="get_member")
def get_member(membership_id: UUID) -> Member:
    """Show one member."""
    with transaction(app, needs="members:read") as tx:
        return service.get(tx, membership_id)


@app.patch("/api/members/<membership_id>", summary="Change a member's role", tags=["Members"], operation_id="change_member")
def change_member(membership_id: UUID, patch: MemberPatch) -> Member:
    """Give a member another role; their sessions end. The last administrator keeps theirs."""
    with transaction(app, needs="members:write") as tx:
        return service.change(tx, membership_id, if_match(app), patch)


@app.delete("/api/members/<membership_id>", status_code=204, summary="Remove a member", tags=["Members"], operation_id="remove_member")
def remove_member(membership_id: UUID) -> Response[None]:
    """Remove a member; their sessions end at once. The last administrator cannot be removed."""
    with transaction(app, needs="members:write") as tx:
        service.remove(tx, membership_id, if_match(app))
    return Response(204)


handler = app.lambda_handler
