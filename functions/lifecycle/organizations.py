"""/api/organizations"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.organizations import service
from clientway.lifecycle.organizations.rules import us_state
from clientway.lifecycle.organizations.schemas import Filters, Organization, OrganizationCreate
from clientway.lifecycle.stages.rules import Stage
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/organizations", summary="List organizations", tags=["Organizations"], operation_id="list_organizations")
def list_organizations(
    lifecycle_stage: Annotated[Stage | None, Query()] = None,
    source: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    tag: Annotated[str | None, Query(min_length=1, max_length=60)] = None,
    rep: Annotated[str | None, Query(min_length=1, max_length=100, description="A rep's id or slug.")] = None,
    state: Annotated[str | None, Query(min_length=1, max_length=100, description="Of one of its locations; code or name.")] = None,
    pos_system: Annotated[str | None, Query(min_length=1, max_length=100, description="Of the same location as `state`.")] = None,
    updated_since: Annotated[Timestamp | None, Query(description="Changed at this time or later.")] = None,
    created_before: Annotated[Timestamp | None, Query(description="Created before this time.")] = None,
    include_deleted: Annotated[bool | None, Query(description="Deleted ones too.")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="Part of a name, an e-mail or a phone.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at", "created_at", "-created_at", "name", "-name"], Query()] = "-updated_at",
) -> Page[Organization]:
    """The companies that the tenant sells to, the latest changed first."""
    filters = Filters(
        lifecycle_stage=lifecycle_stage, source=source, tag=tag, rep=rep, state=us_state(state), pos_system=pos_system,
        updated_since=updated_since, created_before=created_before, include_deleted=bool(include_deleted), q=q,
    )  # fmt: skip
    with transaction(app, needs="organizations:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, vars(filters)), filters)


@app.post(
    "/api/organizations",
    status_code=201,
    summary="Create an organization",
    tags=["Organizations"],
    operation_id="create_organization",
)
def create_organization(organization: OrganizationCreate) -> Organization:
    """Add a company as a lead; its stage moves by facts from then on."""
    with transaction(app, needs="organizations:write") as tx:
        return service.create(tx, organization)


handler = app.lambda_handler
