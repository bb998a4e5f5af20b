"""POST /api/sign-in/email/verify"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import SESSION_COOKIE, anonymous, api
from clientway.identity.sign_in import secrets, service
from clientway.identity.sign_in.schemas import SignedIn, SignInFinish

app = api(__name__)


@app.post("/api/sign-in/email/verify", summary="Sign in by link or code", tags=["Sign-in"], operation_id="finish_sign_in")
def finish_sign_in(request: SignInFinish) -> Response[SignedIn]:
    """Open a session with the link's token or the mail's code, in the browser that asked for the mail."""
    nonce = secrets.nonce_in(app.event.get("cookies") or [], secrets.STAFF_NONCE)
    with anonymous(app) as tx:
        answer = service.finish(tx, request, nonce, app.current_event.headers.get("user-agent", ""))
    session = secrets.cookie(SESSION_COOKIE, answer.token, secrets.SESSION_SECONDS)
    return Response(200, content_type="application/json", body=answer, cookies=[session, secrets.cleared(secrets.STAFF_NONCE)])


handler = app.lambda_handler
