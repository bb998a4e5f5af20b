"""/api/services/{service_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.work.services import service as services
from clientway.work.services.schemas import Service, ServicePatch

app = api(__name__)


@app.get("/api/services/<service_id>", summary="Read a service", tags=["Services"], operation_id="read_service")
def read_service(service_id: UUID) -> Service:
    """One service, also one that is not offered any more."""
    with transaction(app, needs="services:read") as tx:
        return services.read(tx, service_id)


@app.patch("/api/services/<service_id>", summary="Change a service", tags=["Services"], operation_id="change_service")
def change_service(service_id: UUID, patch: ServicePatch) -> Service:
    """Replace what is sent; jobs and invoices that exist stay as they are."""
    version = if_match(app)
    with transaction(app, needs="services:write") as tx:
        return services.change(tx, service_id, patch, version=version)


@app.delete("/api/services/<service_id>", status_code=204, summary="Withdraw a service", tags=["Services"], operation_id="withdraw_service")
def withdraw_service(service_id: UUID) -> Response[Any]:
    """Stop offering a service: no new job can use it, and its name is free again. Its jobs and invoices keep it."""
    version = if_match(app)
    with transaction(app, needs="services:write") as tx:
        services.withdraw(tx, service_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
