"""GET /sign-in"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import api
from clientway.identity.sign_in import page

app = api(__name__)


@app.get("/sign-in", include_in_schema=False)
def sign_in_page() -> Response[str]:
    """The page behind the mail's link; opening it changes nothing."""
    return Response(200, content_type="text/html; charset=utf-8", body=page.html(), headers=page.headers())


handler = app.lambda_handler
