"""/u/{token}"""

from aws_lambda_powertools.event_handler import Response

from clientway import pages
from clientway.http import api
from clientway.messaging.unsubscribe import service

app = api(__name__)


@app.get("/u/<token>", include_in_schema=False)
def unsubscribe_page(token: str) -> Response[str]:
    """What the link in a message opens; looking changes nothing."""
    status, body = service.look(token)
    return Response(status, content_type="text/html; charset=utf-8", body=body, headers=pages.headers())


@app.post("/u/<token>", include_in_schema=False)
def unsubscribe(token: str) -> Response[str]:
    """RFC 8058's one click, and the page's button: done at once, without cookie, session or redirect."""
    given = app.current_event
    status, body = service.unsubscribe(token, given.headers.get("content-type", ""), given.decoded_body or "")
    return Response(status, content_type="text/html; charset=utf-8", body=body, headers=pages.headers())


handler = app.lambda_handler
