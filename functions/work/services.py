"""/api/services"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page
from clientway.work.services import service as services
from clientway.work.services.schemas import Service, ServiceCreate

app = api(__name__)


@app.get("/api/services", summary="List services", tags=["Services"], operation_id="list_services")
def list_services(
    active: Annotated[bool | None, Query(description="Only what is offered, or only what is not any more.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[Service]:
    """What is done for clients, with how long it takes and what it costs."""
    with transaction(app, needs="services:read") as tx:
        return services.find(tx, Request(limit, cursor, sort, {"active": active}), active=active)


@app.post("/api/services", status_code=201, summary="Offer a service", tags=["Services"], operation_id="create_service")
def create_service(service: ServiceCreate) -> Service:
    """Add something that is done for clients."""
    with transaction(app, needs="services:write") as tx:
        return services.create(tx, service)


handler = app.lambda_handler
