"""POST /api/reminders/{reminder_id}/cancel"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.work.reminders import service
from clientway.work.reminders.schemas import Reminder

app = api(__name__)


@app.post("/api/reminders/<reminder_id>/cancel", summary="Cancel a reminder", tags=["Reminders"], operation_id="cancel_reminder")
def cancel_reminder(reminder_id: UUID) -> Reminder:
    """Cancel a scheduled reminder for good; one that is on its way or done is refused."""
    with transaction(app, needs="messages:write") as tx:
        return service.call_off(tx, reminder_id)


handler = app.lambda_handler
