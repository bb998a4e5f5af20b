"""POST /api/sign-out"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import SESSION_COOKIE, api, transaction
from clientway.identity.sessions import service
from clientway.identity.sign_in import secrets

app = api(__name__)


@app.post("/api/sign-out", status_code=204, summary="Sign out", tags=["Sign-in"], operation_id="sign_out")
def sign_out() -> Response[None]:
    """End the session of this request and clear its cookie."""
    with transaction(app, needs="self:write") as tx:
        service.sign_out(tx)
    return Response(204, cookies=[secrets.cleared(SESSION_COOKIE)])


handler = app.lambda_handler
