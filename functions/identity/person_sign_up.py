"""POST /api/person/sign-up"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import anonymous, api
from clientway.identity.person_account import service
from clientway.identity.person_account.schemas import PersonSignUp
from clientway.identity.sign_in import secrets
from clientway.identity.sign_in.schemas import SignInStarted

app = api(__name__)


@app.post("/api/person/sign-up", status_code=202, summary="Ask for a mail", tags=["Persons"], operation_id="start_person_sign_up")
def start_person_sign_up(request: PersonSignUp) -> Response[SignInStarted]:
    """Send a link and a code to an address, to make an account or to come back to it. The answer is the same for every address."""
    secret = secrets.challenge(secrets.nonce_in(app.event.get("cookies") or [], secrets.PERSON_NONCE))
    with anonymous(app) as tx:
        answer = service.sign_up(tx, request, secret, app.event["requestContext"]["http"].get("sourceIp", ""))
    nonce = secrets.cookie(secrets.PERSON_NONCE, secret.nonce, secrets.LINK_SECONDS)
    return Response(202, content_type="application/json", body=answer, cookies=[nonce])


handler = app.lambda_handler
