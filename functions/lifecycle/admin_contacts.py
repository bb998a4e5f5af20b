"""GET /api/admin/contacts"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway import normalise
from clientway.http import api, transaction
from clientway.lifecycle.contacts import service
from clientway.lifecycle.contacts.schemas import ContactWithOrganization, Filters, RoleType, Status
from clientway.lifecycle.stages.rules import Stage
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/admin/contacts", summary="List all contacts", tags=["Contacts"], operation_id="list_contacts")
def list_contacts(
    organization_id: Annotated[UUID | None, Query()] = None,
    lifecycle_stage: Annotated[Stage | None, Query(description="Of the contact's organization.")] = None,
    email: Annotated[str | None, Query(min_length=1, max_length=300, description="The whole address, in any case.")] = None,
    role_type: Annotated[RoleType | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    source: Annotated[str | None, Query(min_length=1, max_length=300)] = None,
    is_primary: Annotated[bool | None, Query()] = None,
    is_decision_maker: Annotated[bool | None, Query()] = None,
    portal_enabled: Annotated[bool | None, Query()] = None,
    do_not_contact: Annotated[bool | None, Query()] = None,
    updated_since: Annotated[Timestamp | None, Query(description="Changed at this time or later.")] = None,
    created_before: Annotated[Timestamp | None, Query(description="Created before this time.")] = None,
    include_deleted: Annotated[bool | None, Query(description="Deleted ones too.")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="Part of a name, an e-mail or a phone.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at", "created_at", "-created_at", "name", "-name"], Query()] = "-updated_at",
) -> Page[ContactWithOrganization]:
    """All the tenant's contacts, each with its organization's name and stage, the latest changed first."""
    filters = Filters(
        organization_id=organization_id, lifecycle_stage=lifecycle_stage, email_norm=email and (normalise.email(email) or email),
        role_type=role_type, status=status, source=source,
        is_primary=is_primary, is_decision_maker=is_decision_maker, portal_enabled=portal_enabled, do_not_contact=do_not_contact,
        updated_since=updated_since, created_before=created_before, include_deleted=bool(include_deleted), q=q,
    )  # fmt: skip
    with transaction(app, needs="contacts:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, vars(filters)), filters)


handler = app.lambda_handler
