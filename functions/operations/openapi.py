"""GET /openapi.json"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import api
from clientway.operations import documents

app = api(__name__)


@app.get("/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    """The contract, OpenAPI 3.1."""
    return Response(200, content_type="application/json", body=documents.openapi(), headers={"Cache-Control": "public, max-age=300"})


handler = app.lambda_handler
