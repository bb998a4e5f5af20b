"""GET and POST /api/api-keys"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway import paging
from clientway.http import api, transaction
from clientway.identity.api_keys import service
from clientway.identity.api_keys.schemas import ApiKey, ApiKeyCreate, ApiKeyCreated
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/api-keys", summary="List API keys", tags=["API keys"], operation_id="list_api_keys")
def list_api_keys(
    include_revoked: Annotated[bool, Query(description="Revoked and expired ones too.")] = False,  # noqa: FBT002  (a query parameter)
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[ApiKey]:
    """List the tenant's API keys, without their secrets."""
    with transaction(app, needs="keys:read") as tx:
        request = paging.Request(limit, cursor, sort, {"include_revoked": include_revoked})
        return service.page(tx, request, include_revoked=include_revoked)


@app.post("/api/api-keys", status_code=201, summary="Create an API key", tags=["API keys"], operation_id="create_api_key")
def create_api_key(request: ApiKeyCreate) -> ApiKeyCreated:
    """Create an API key. Its secret is in this answer alone: a repeated request is refused with 409."""
    with transaction(app, needs="keys:write", replay_refusal=service.SecretShownOnce()) as tx:
        return service.create(tx, request)


handler = app.lambda_handler
