"""/api/messaging-settings"""

from clientway.http import api, if_match, transaction
from clientway.messaging.settings import service
from clientway.messaging.settings.schemas import MessagingSettings, MessagingSettingsPatch

app = api(__name__)


@app.get("/api/messaging-settings", summary="Read the messaging settings", tags=["Messages"], operation_id="read_messaging_settings")
def read_settings() -> MessagingSettings:
    """Who mails and texts come from, when nothing is sent, and when clients are reminded."""
    with transaction(app, needs="settings:read") as tx:
        return service.read(tx)


@app.patch("/api/messaging-settings", summary="Change the messaging settings", tags=["Messages"], operation_id="change_messaging_settings")
def change_settings(patch: MessagingSettingsPatch) -> MessagingSettings:
    """Change how the tenant writes to its clients. Reminders that are planned follow changed rules."""
    version = if_match(app)
    with transaction(app, needs="settings:write") as tx:
        return service.change(tx, patch, version=version)


handler = app.lambda_handler
