"""POST /api/sign-in/oidc"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import SESSION_COOKIE, anonymous, api
from clientway.identity.sign_in import secrets, service
from clientway.identity.sign_in.schemas import OidcSignIn, SignedIn

app = api(__name__)


@app.post("/api/sign-in/oidc", summary="Sign in through the identity provider", tags=["Sign-in"], operation_id="sign_in_oidc")
def sign_in_oidc(request: OidcSignIn) -> Response[SignedIn]:
    """Turn an ID token (`Authorization: Bearer`, verified by the gateway) into a session."""
    # This route alone has the gateway's JWT authorizer; without one the claims are missing and nobody gets in.
    claims = app.event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims", {})
    with anonymous(app) as tx:
        answer = service.finish_oidc(tx, request, claims, app.current_event.headers.get("user-agent", ""))
    session = secrets.cookie(SESSION_COOKIE, answer.token, secrets.SESSION_SECONDS)
    return Response(200, content_type="application/json", body=answer, cookies=[session])


handler = app.lambda_handler
