"""POST /api/portal/{slug}/sign-in"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import anonymous, api
from clientway.identity.portal_sign_in import service
from clientway.identity.portal_sign_in.schemas import PortalSignInStart
from clientway.identity.sign_in import secrets
from clientway.identity.sign_in.schemas import SignInStarted

app = api(__name__)


@app.post(
    "/api/portal/<slug>/sign-in", status_code=202, summary="Ask for a portal mail", tags=["Portal"], operation_id="start_portal_sign_in"
)
def start_portal_sign_in(slug: str, request: PortalSignInStart) -> Response[SignInStarted]:
    """Send a link and a code to a contact's address. The answer is the same for every slug, tenant and address."""
    secret = secrets.challenge(secrets.nonce_in(app.event.get("cookies") or [], secrets.PORTAL_NONCE))
    with anonymous(app) as tx:
        answer = service.start(tx, slug, request, secret)
    nonce = secrets.cookie(secrets.PORTAL_NONCE, secret.nonce, secrets.LINK_SECONDS)
    return Response(202, content_type="application/json", body=answer, cookies=[nonce])


handler = app.lambda_handler
