"""DELETE /api/households/{household_id}/members/{contact_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, transaction
from clientway.lifecycle.households import service

app = api(__name__)


@app.delete(
    "/api/households/<household_id>/members/<contact_id>",
    status_code=204,
    summary="Remove a household member",
    tags=["Households"],
    operation_id="remove_household_member",
)
def remove_household_member(household_id: UUID, contact_id: UUID) -> Response[Any]:
    """Take a contact out of a household; the contact stays."""
    with transaction(app, needs="households:write") as tx:
        service.put_out(tx, household_id, contact_id)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
