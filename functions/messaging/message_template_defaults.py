"""/api/message-templates/defaults"""

from clientway.http import api, transaction
from clientway.messaging.templates import service
from clientway.messaging.templates.schemas import DefaultTemplates

app = api(__name__)


@app.get(
    "/api/message-templates/defaults",
    summary="List the built-in templates",
    tags=["Messages"],
    operation_id="list_default_templates",
)
def list_defaults() -> DefaultTemplates:
    """The templates that are there from the start, and the variables and filters that any template may use."""
    with transaction(app, needs="templates:read") as tx:
        return service.defaults(tx)


handler = app.lambda_handler
