"""DELETE /api/api-keys/{api_key_id}"""

from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, transaction
from clientway.identity.api_keys import service

app = api(__name__)


@app.delete("/api/api-keys/<api_key_id>", status_code=204, summary="Revoke an API key", tags=["API keys"], operation_id="revoke_api_key")
def revoke_api_key(api_key_id: UUID) -> Response[None]:
    """Revoke an API key; it stops working with the next request."""
    with transaction(app, needs="keys:write") as tx:
        service.revoke(tx, api_key_id)
    return Response(204)


handler = app.lambda_handler
