"""/api/contacts/{contact_id}/consents"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.consents import service
from clientway.lifecycle.consents.schemas import Channel, ConsentCreate, ConsentEvent, Purpose
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/contacts/<contact_id>/consents", summary="List a contact's consents", tags=["Contacts"], operation_id="list_contact_consents"
)
def list_contact_consents(
    contact_id: UUID,
    channel: Annotated[Channel | None, Query()] = None,
    purpose: Annotated[Purpose | None, Query()] = None,
    current: Annotated[bool | None, Query(description="Only what counts now: one line for each channel and purpose.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["occurred_at", "-occurred_at"], Query()] = "-occurred_at",
) -> Page[ConsentEvent]:
    """The ledger of what somebody allowed and forbade, the latest first."""
    request = Request(limit, cursor, sort, {"contact_id": contact_id, "channel": channel, "purpose": purpose, "current": current})
    with transaction(app, needs="consents:read") as tx:
        return service.find(tx, contact_id, request, channel=channel, purpose=purpose, current=current)


@app.post(
    "/api/contacts/<contact_id>/consents",
    status_code=201,
    summary="Record a consent",
    tags=["Contacts"],
    operation_id="record_contact_consent",
)
def record_contact_consent(contact_id: UUID, consent: ConsentCreate) -> ConsentEvent:
    """Write down what somebody allowed or forbade, with its evidence. Nothing is ever taken out of the ledger."""
    with transaction(app, needs="consents:write") as tx:
        return service.add(tx, contact_id, consent)


handler = app.lambda_handler
