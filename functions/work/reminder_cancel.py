"""POST /api/reminders/{reminder_id}/cancel"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.work.reminders import service
from clientway.work.reminders.schemas import Reminder

app = api(__name__)


@app.post("/api/reminders/<reminder_id>/cancel", summary="Call off a reminder", tags=["Reminders"], operation_id="cancel_reminder")
def cancel_reminder(reminder_id: UUID) -> Reminder:
    """Have a scheduled reminder not go out, for good; one that is on its way or over is refused."""
    with transaction(app, needs="messages:write") as tx:
        return service.call_off(tx, reminder_id)


handler = app.lambda_handler
