"""/api/suppressions"""

from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.messaging.delivery.message import Channel
from clientway.messaging.suppressions import service
from clientway.messaging.suppressions.schemas import Reason, Suppression, SuppressionCreate
from clientway.paging import Request
from clientway.schemas import Page, ShortText

app = api(__name__)


@app.get("/api/suppressions", summary="List suppressed addresses", tags=["Suppressions"], operation_id="list_suppressions")
def list_suppressions(
    channel: Annotated[Channel | None, Query()] = None,
    reason: Annotated[Reason | None, Query()] = None,
    address: Annotated[ShortText | None, Query(description="Exactly this address or number, in whichever way it is written.")] = None,
    include_lifted: Annotated[bool | None, Query(description="Also those that are written to again.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Suppression]:
    """The addresses that nothing is sent to, and why."""
    filters = {"channel": channel, "reason": reason, "address": address, "include_lifted": bool(include_lifted)}
    with transaction(app, needs="suppressions:read") as tx:
        request = Request(limit, cursor, sort, filters)
        return service.find(tx, request, channel=channel, reason=reason, address=address, standing=not include_lifted)


@app.post(
    "/api/suppressions",
    status_code=201,
    summary="Suppress an address",
    tags=["Suppressions"],
    operation_id="create_suppression",
    responses={
        200: {"description": "It was suppressed before", "content": {"application/json": {"model": Suppression}}},
        201: {"description": "Suppressed from now on", "content": {"application/json": {"model": Suppression}}},
    },
)
def create_suppression(suppression: SuppressionCreate) -> Response[Suppression]:
    """Send nothing to an address any more. One that is suppressed already stays as it is, and is answered with 200."""
    with transaction(app, needs="suppressions:write") as tx:
        answer, new = service.add(tx, suppression)
    return Response(HTTPStatus.CREATED if new else HTTPStatus.OK, content_type="application/json", body=answer)


handler = app.lambda_handler
