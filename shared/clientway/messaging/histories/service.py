"""What was sent to somebody, and what is due."""

from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.errors import NotFound
from clientway.messaging.histories import queries
from clientway.paging import Request


def of_contact(tx: Tx, contact_id: UUID, request: Request) -> Any:
    """A page of somebody's messages: of campaigns, reminders and single mails. Raises NotFound (404)."""
    answer = queries.of_contact(tx, contact_id, request)
    if not answer.rows and not queries.is_there(tx, contact_id):
        raise NotFound("There is no such contact.")
    return answer
