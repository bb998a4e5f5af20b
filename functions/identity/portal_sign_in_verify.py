"""POST /api/portal/{slug}/sign-in/verify"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import PORTAL_COOKIE, anonymous, api
from clientway.identity.portal_sign_in import service
from clientway.identity.portal_sign_in.schemas import PortalSignedIn
from clientway.identity.sign_in import secrets
from clientway.identity.sign_in.schemas import SignInFinish

app = api(__name__)


@app.post(
    "/api/portal/<slug>/sign-in/verify", summary="Open the portal by link or code", tags=["Portal"], operation_id="finish_portal_sign_in"
)
def finish_portal_sign_in(slug: str, request: SignInFinish) -> Response[PortalSignedIn]:
    """Open a portal session with the link's token or the mail's code, in the browser that asked for the mail."""
    nonce = secrets.nonce_in(app.event.get("cookies") or [], secrets.PORTAL_NONCE)
    with anonymous(app) as tx:
        answer = service.finish(tx, slug, request, nonce, app.current_event.headers.get("user-agent", ""))
    session = secrets.cookie(PORTAL_COOKIE, answer.token, secrets.SESSION_SECONDS)
    return Response(200, content_type="application/json", body=answer, cookies=[session, secrets.cleared(secrets.PORTAL_NONCE)])


handler = app.lambda_handler
