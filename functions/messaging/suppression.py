"""/api/suppressions/{suppression_id}"""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, if_match, transaction
from clientway.messaging.suppressions import service
from clientway.messaging.suppressions.schemas import Explanation, Suppression

app = api(__name__)


@app.get("/api/suppressions/<suppression_id>", summary="Read a suppression", tags=["Suppressions"], operation_id="read_suppression")
def read_suppression(suppression_id: UUID) -> Suppression:
    """One entry, whether it stands or was lifted."""
    with transaction(app, needs="suppressions:read") as tx:
        return service.read(tx, suppression_id)


@app.delete(
    "/api/suppressions/<suppression_id>",
    status_code=204,
    summary="Lift a suppression",
    tags=["Suppressions"],
    operation_id="lift_suppression",
)
def lift_suppression(
    suppression_id: UUID, reason: Annotated[Explanation, Query(description="Why it is right to write there again.")]
) -> Response[Any]:
    """Write to an address again; the entry is kept with the reason. What a recipient asked for themselves only an admin lifts."""
    version = if_match(app)
    with transaction(app, needs="suppressions:write") as tx:
        service.remove(tx, suppression_id, reason, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
