"""/api/organizations/{organization_id}/nps-answers"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.surveys import service
from clientway.lifecycle.surveys.schemas import NpsAnswer, NpsAnswerCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/organizations/<organization_id>/nps-answers",
    summary="List an organization's NPS answers",
    tags=["Surveys"],
    operation_id="list_nps_answers",
)
def list_surveys(
    organization_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["answered_at", "-answered_at"], Query()] = "-answered_at",
) -> Page[NpsAnswer]:
    """How likely people there are to recommend us, latest first."""
    with transaction(app, needs="surveys:read") as tx:
        request = Request(limit, cursor, sort, {"organization_id": organization_id})
        return service.of_organization(tx, organization_id, request)


@app.post(
    "/api/organizations/<organization_id>/nps-answers",
    status_code=201,
    summary="Record an NPS answer",
    tags=["Surveys"],
    operation_id="create_nps_answer",
)
def create_answer(organization_id: UUID, answer: NpsAnswerCreate) -> NpsAnswer:
    """Record an answer; it counts for the health score for 180 days."""
    with transaction(app, needs="surveys:write") as tx:
        return service.create(tx, organization_id, answer)


handler = app.lambda_handler
