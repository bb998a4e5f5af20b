"""/api/reminders"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page, Timestamp
from clientway.work.reminders import service
from clientway.work.reminders.schemas import Reminder, ReminderChannel, ReminderState, ReminderType

app = api(__name__)


@app.get("/api/reminders", summary="List reminders", tags=["Reminders"], operation_id="list_reminders")
def list_reminders(
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["send_at", "-send_at"], Query()] = "send_at",
    state: Annotated[ReminderState | None, Query()] = None,
    type: Annotated[ReminderType | None, Query()] = None,  # noqa: A002  (its name in the query)
    channel: Annotated[ReminderChannel | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
    job_id: Annotated[UUID | None, Query()] = None,
    invoice_id: Annotated[UUID | None, Query()] = None,
    due_before: Annotated[Timestamp | None, Query(description="Whose time is before this.")] = None,
    due_after: Annotated[Timestamp | None, Query(description="Whose time is this or later.")] = None,
) -> Page[Reminder]:
    """What clients are sent about jobs and invoices and when: to come, sent, called off, and what could not be sent and why."""
    equal = {"state": state, "type": type, "channel": channel, "contact_id": contact_id, "job_id": job_id, "invoice_id": invoice_id}
    request = Request(limit, cursor, sort, {**equal, "due_before": due_before, "due_after": due_after})
    with transaction(app, needs="messages:read") as tx:
        return service.find(tx, request, equal, due_before=due_before, due_after=due_after)


handler = app.lambda_handler
