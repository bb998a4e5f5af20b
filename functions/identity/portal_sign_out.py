"""POST /api/portal/{slug}/sign-out"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import PORTAL_COOKIE, api, transaction
from clientway.identity.portal_sign_in import service
from clientway.identity.sign_in import secrets

app = api(__name__)


@app.post("/api/portal/<slug>/sign-out", status_code=204, summary="Leave the portal", tags=["Portal"], operation_id="portal_sign_out")
def portal_sign_out(slug: str) -> Response[None]:  # noqa: ARG001  (the session says whose portal it is)
    """End the portal session of this request and clear its cookie."""
    with transaction(app, needs="portal:write") as tx:
        service.sign_out(tx)
    return Response(204, cookies=[secrets.cleared(PORTAL_COOKIE)])


handler = app.lambda_handler
