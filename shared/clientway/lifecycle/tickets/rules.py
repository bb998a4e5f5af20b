"""What a change makes of a ticket: when it was resolved, and what may be rated."""

from collections.abc import Mapping
from typing import Any, Literal

from clientway.errors import FieldError, Unprocessable

TicketStatus = Literal["open", "pending", "resolved"]
Priority = Literal["low", "normal", "high", "urgent"]


def revise(before: Mapping[str, Any], sent: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The columns to write when `sent` comes to the ticket `before`; `now` is when it is resolved or rated.

    Raises Unprocessable (422) for a rating of a ticket that is not resolved.
    """
    changes = dict(sent)
    was, resolved = (row["status"] == "resolved" for row in (before, {**before, **sent}))
    if resolved != was:
        changes["resolved_at"] = now if resolved else None
    if "csat" in sent:
        if sent["csat"] is not None and not resolved:
            pointer = FieldError("#/csat", "not_resolved", "rates how a ticket was resolved")
            raise Unprocessable("Only a resolved ticket can be rated.", errors=[pointer])
        changes["csat_at"] = None if sent["csat"] is None else now
    return changes
