"""POST /api/upsert-person"""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, transaction
from clientway.lifecycle.people import service
from clientway.lifecycle.people.schemas import PersonInput, UpsertedPerson

app = api(__name__)


@app.post(
    "/api/upsert-person",
    status_code=201,
    summary="Find or add a person",
    tags=["Clients"],
    operation_id="upsert_person",
    responses={
        200: {"description": "The tenant knew them", "content": {"application/json": {"model": UpsertedPerson}}},
        201: {"description": "New to the tenant", "content": {"application/json": {"model": UpsertedPerson}}},
    },
)
def upsert_person(person: PersonInput) -> Response[UpsertedPerson]:
    """The contact that an e-mail or a phone belongs to: found (200), or made as a lead (201). New details are added."""
    with transaction(app, needs="contacts:write") as tx:
        found = service.upsert_by_reach(tx, person)
    body: Any = found
    return Response(HTTPStatus.CREATED if found.is_new else HTTPStatus.OK, content_type="application/json", body=body)


handler = app.lambda_handler
