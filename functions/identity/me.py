"""GET /api/me"""

from clientway.http import api, transaction
from clientway.identity.sessions import service
from clientway.identity.sessions.schemas import Me

app = api(__name__)


@app.get("/api/me", summary="Who am I", tags=["Sign-in"], operation_id="get_me")
def me() -> Me:
    """Show the caller, the tenant it acts for, and its permissions."""
    with transaction(app, needs="self:read") as tx:
        return service.me(tx)


handler = app.lambda_handler
