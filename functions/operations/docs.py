"""GET /docs"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import api
from clientway.operations import documents

app = api(__name__)


@app.get("/docs", include_in_schema=False)
def docs() -> Response[str]:
    """The contract as a page to read and try (Swagger UI)."""
    return Response(200, content_type="text/html; charset=utf-8", body=documents.page(), headers={"Cache-Control": "public, max-age=300"})


handler = app.lambda_handler
