"""POST /api/person/sign-out"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import PERSON_COOKIE, api, personal
from clientway.identity.person_account import service
from clientway.identity.sign_in import secrets

app = api(__name__)


@app.post("/api/person/sign-out", status_code=204, summary="Sign out of your own account", tags=["Persons"], operation_id="person_sign_out")
def person_sign_out() -> Response[None]:
    """End the session of this request and clear its cookie."""
    with personal(app) as (tx, session):
        service.sign_out(tx, session)
    return Response(204, cookies=[secrets.cleared(PERSON_COOKIE)])


handler = app.lambda_handler
