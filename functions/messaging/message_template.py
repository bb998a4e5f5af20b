"""/api/message-templates/{template_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.messaging.templates import service
from clientway.messaging.templates.schemas import MessageTemplate, MessageTemplatePatch

app = api(__name__)
_PATH = "/api/message-templates/<template_id>"


@app.get(_PATH, summary="Read a message template", tags=["Messages"], operation_id="read_message_template")
def read_template(template_id: UUID) -> MessageTemplate:
    """One template of the tenant's own."""
    with transaction(app, needs="templates:read") as tx:
        return service.read(tx, template_id)


@app.patch(_PATH, summary="Change a message template", tags=["Messages"], operation_id="change_message_template")
def change_template(template_id: UUID, patch: MessageTemplatePatch) -> MessageTemplate:
    """Replace what is sent; key and channel stay. What was launched or asked for with it stays as it was."""
    version = if_match(app)
    with transaction(app, needs="templates:write") as tx:
        return service.change(tx, template_id, patch, version=version)


@app.delete(_PATH, status_code=204, summary="Delete a message template", tags=["Messages"], operation_id="delete_message_template")
def delete_template(template_id: UUID) -> Response[Any]:
    """Delete a template; if it replaced a built-in one, that one is sent again."""
    version = if_match(app)
    with transaction(app, needs="templates:write") as tx:
        service.delete(tx, template_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
