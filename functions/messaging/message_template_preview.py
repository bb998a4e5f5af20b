"""POST /api/message-templates/preview"""

from clientway.http import api, transaction
from clientway.messaging.templates import service
from clientway.messaging.templates.schemas import TemplatePreview, TemplatePreviewed

app = api(__name__)


@app.post(
    "/api/message-templates/preview", summary="Preview a message template", tags=["Messages"], operation_id="preview_message_template"
)
def preview_template(asked: TemplatePreview) -> TemplatePreviewed:
    """Show a template, saved or not, as a contact would get it. Nothing is sent or saved."""
    with transaction(app, needs="templates:read") as tx:
        return service.preview(tx, asked)


handler = app.lambda_handler
