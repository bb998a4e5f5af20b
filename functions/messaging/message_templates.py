"""/api/message-templates"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.messaging.delivery.message import Channel
from clientway.messaging.templates import service
from clientway.messaging.templates.schemas import MessageTemplate, MessageTemplateCreate, MessageTemplateLine, TemplateKey
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/message-templates", summary="List message templates", tags=["Messages"], operation_id="list_message_templates")
def list_templates(
    channel: Annotated[Channel | None, Query(description="For mails, or for text messages.")] = None,
    key: Annotated[TemplateKey | None, Query(description="What it is asked for by.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[MessageTemplateLine]:
    """The tenant's own templates; the built-in ones stand under `/api/message-templates/defaults`."""
    request = Request(limit, cursor, sort, {"channel": channel, "key": key})
    with transaction(app, needs="templates:read") as tx:
        return service.find(tx, request, channel=channel, key=key)


@app.post(
    "/api/message-templates",
    status_code=201,
    summary="Add a message template",
    tags=["Messages"],
    operation_id="create_message_template",
)
def create_template(template: MessageTemplateCreate) -> MessageTemplate:
    """Add a template. Its language is a small part of Jinja's: a closed list of variables, if, comparisons and a few filters."""
    with transaction(app, needs="templates:write") as tx:
        return service.create(tx, template)


handler = app.lambda_handler
