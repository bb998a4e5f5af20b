"""POST /api/sign-in/email"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import anonymous, api
from clientway.identity.sign_in import secrets, service
from clientway.identity.sign_in.schemas import SignInStart, SignInStarted

app = api(__name__)


@app.post("/api/sign-in/email", status_code=202, summary="Ask for a sign-in mail", tags=["Sign-in"], operation_id="start_sign_in")
def start_sign_in(request: SignInStart) -> Response[SignInStarted]:
    """Send a link and a code to a member's address. The answer is the same for every address."""
    secret = secrets.challenge(secrets.nonce_in(app.event.get("cookies") or [], secrets.STAFF_NONCE))
    with anonymous(app) as tx:
        answer = service.start(tx, request, secret)
    nonce = secrets.cookie(secrets.STAFF_NONCE, secret.nonce, secrets.LINK_SECONDS)
    return Response(202, content_type="application/json", body=answer, cookies=[nonce])


handler = app.lambda_handler
