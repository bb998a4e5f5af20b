"""Write to and read from the timeline of an organization."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable
from clientway.lifecycle.organizations import existence
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.timeline import queries
from clientway.lifecycle.timeline.rules import BY_HAND, PORTAL_VISIBLE, ActivityType, stage_fact
from clientway.lifecycle.timeline.schemas import ActivityCreate
from clientway.paging import Request

_MOST_METADATA = 8 * 1024
# Clocks differ: an event from a server a little ahead of ours is no event of the future.
_CLOCK_SKEW = timedelta(minutes=5)
# Written by the product itself, together with the change they tell of: by hand they would tell of nothing.
_OWN = frozenset(ActivityType).difference(BY_HAND) | {ActivityType.STAGE_CHANGED}


def add(tx: Tx, organization_id: UUID, activity: ActivityCreate) -> Any:
    """Put a line on the timeline and let the stage follow if the line is a fact that stages depend on.

    Raises NotFound (404), Unprocessable (422) for a time to come, a contact of somebody else, or too much metadata.
    """
    moves = bool(stage_fact(activity.activity_type, machine=activity.machine)) or activity.metadata.get("callback_requested") is True
    existence.require(tx, organization_id, lock=moves)
    _check(tx, organization_id, activity)
    visible = activity.activity_type in PORTAL_VISIBLE if activity.client_visible is None else activity.client_visible
    line = effects.record(
        tx, activity.activity_type.value, activity.title, organization_id=organization_id, contact_id=activity.contact_id,
        description=activity.description, metadata=activity.metadata, machine=activity.machine, client_visible=visible,
        event_key=activity.event_key, occurred_at=activity.occurred_at,
    )  # fmt: skip
    effects.flush(tx)
    if moves:
        stages.reconsider(tx, [organization_id], event_key=activity.event_key)
    return queries.line(tx, line, activity.event_key)


def list_lines(
    tx: Tx, organization_id: UUID, request: Request, *, kind: ActivityType | None, since: datetime | None, before: datetime | None
) -> Any:
    """A page of the timeline, newest first unless asked otherwise. Raises NotFound (404)."""
    answer = queries.timeline(tx, organization_id, request, kind=kind, since=since, before=before)
    if not answer.rows:
        existence.require(tx, organization_id)
    return answer


def _check(tx: Tx, organization_id: UUID, activity: ActivityCreate) -> None:
    errors = []
    if activity.activity_type in _OWN:
        errors.append(FieldError("#/activity_type", "reserved", "written by Clientway itself, together with the change"))
    if activity.occurred_at is not None and activity.occurred_at > tx.now + _CLOCK_SKEW:
        errors.append(FieldError("#/occurred_at", "in_the_future", "lies in the future"))
    if len(json.dumps(activity.metadata)) > _MOST_METADATA:
        errors.append(FieldError("#/metadata", "too_large", f"at most {_MOST_METADATA} bytes of JSON"))
    # Without escaped backslashes, or somebody who writes about "\u0000" would be taken for one who sends it.
    if "\\u0000" in json.dumps(activity.metadata).replace("\\\\", ""):
        errors.append(FieldError("#/metadata", "invalid", "must not contain a NUL character"))
    if not errors and activity.contact_id is not None and not queries.contact_belongs(tx, activity.contact_id, organization_id):
        errors.append(FieldError("#/contact_id", "unknown", "not a contact of this organization"))
    if errors:
        raise Unprocessable("The activity breaks a rule.", errors=errors)
