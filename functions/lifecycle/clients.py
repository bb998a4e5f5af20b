"""/api/clients"""

from typing import Annotated, Literal
from urllib.parse import parse_qs

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway import normalise
from clientway.http import api, transaction
from clientway.lifecycle.contacts import service
from clientway.lifecycle.contacts.schemas import ClientCreate, Contact, ContactWithOrganization, Filters, Status
from clientway.lifecycle.custom_fields import service as custom_fields
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)
_CUSTOM = "Of a custom field, as key:value or key>=value (also <=, <, >); may be repeated, all have to hold."


@app.get("/api/clients", summary="List clients", tags=["Clients"], operation_id="list_clients_of_tenant")
def list_clients_of_tenant(
    status: Annotated[Status | None, Query()] = None,
    tag: Annotated[str | None, Query(min_length=1, max_length=60)] = None,
    pricing_tier: Annotated[str | None, Query(min_length=1, max_length=60)] = None,
    email: Annotated[str | None, Query(min_length=1, max_length=300, description="Any of theirs, whole, in any case.")] = None,
    custom: Annotated[list[str] | None, Query(description=_CUSTOM)] = None,
    updated_since: Annotated[Timestamp | None, Query(description="Changed at this time or later.")] = None,
    include_deleted: Annotated[bool | None, Query(description="Deleted ones too.")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="Part of a name, an e-mail or a phone.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at", "created_at", "-created_at", "name", "-name"], Query()] = "-updated_at",
) -> Page[ContactWithOrganization]:
    """All people the tenant knows, private clients and those at organizations, the latest changed first."""
    # API Gateway joins what is repeated with commas, which values may have too.
    conditions = parse_qs(app.current_event.raw_query_string or "", keep_blank_values=True).get("custom", []) if custom is not None else []
    with transaction(app, needs="contacts:read") as tx:
        filters = Filters(
            status=status, tag=tag, pricing_tier=pricing_tier, email_norm=email and (normalise.email(email) or email),
            custom=custom_fields.filters(tx, conditions), updated_since=updated_since, include_deleted=bool(include_deleted), q=q,
        )  # fmt: skip
        return service.find(tx, Request(limit, cursor, sort, vars(filters)), filters)


@app.post("/api/clients", status_code=201, summary="Add a private client", tags=["Clients"], operation_id="create_client")
def create_client(client: ClientCreate) -> Contact:
    """Somebody without an organization; one of their own opens with their first job or invoice."""
    with transaction(app, needs="contacts:write") as tx:
        return service.create_client(tx, client)


handler = app.lambda_handler
