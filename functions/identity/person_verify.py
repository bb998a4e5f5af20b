"""POST /api/person/verify"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import PERSON_COOKIE, anonymous, api
from clientway.identity.person_account import service
from clientway.identity.person_account.schemas import PersonSignedIn
from clientway.identity.sign_in import secrets
from clientway.identity.sign_in.schemas import SignInFinish

app = api(__name__)


@app.post("/api/person/verify", summary="Sign in to your own account", tags=["Persons"], operation_id="finish_person_sign_up")
def finish_person_sign_up(request: SignInFinish) -> Response[PersonSignedIn]:
    """Open an account with the link's token or the mail's code, in the browser that asked for the mail; the first time makes it."""
    nonce = secrets.nonce_in(app.event.get("cookies") or [], secrets.PERSON_NONCE)
    with anonymous(app) as tx:
        answer = service.verify(tx, request, nonce)
    session = secrets.cookie(PERSON_COOKIE, answer.token, secrets.SESSION_SECONDS)
    return Response(200, content_type="application/json", body=answer, cookies=[session, secrets.cleared(secrets.PERSON_NONCE)])


handler = app.lambda_handler
