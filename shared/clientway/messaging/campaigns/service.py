"""Campaigns: drafts of messages to many, and how far each is."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from clientway import access, effects, wake
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.messaging.campaigns import audience, queries, rules
from clientway.messaging.campaigns.schemas import CampaignCreate, CampaignPatch, Filters, SendState
from clientway.messaging.templates import rules as templates
from clientway.paging import Request

# A time further off than this is a slip of the pen.
_FARTHEST: Final = timedelta(days=2 * 366)
_OWN_WORDS: Final = ("subject", "body_text", "body_html")
_WHEN_SCHEDULED: Final = {"name", "scheduled_at", "ends_at"}
_SOMETHING: Final = "a template, or a text of its own"


class CampaignRefused(Unprocessable):
    """422: a campaign breaks a rule; `errors` say which."""

    code, title = "campaign_refused", "Campaign refused"


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of campaigns."""
    return queries.find(tx, request, filters)


def read(tx: Tx, campaign_id: UUID) -> Any:
    """One campaign with its progress. Raises NotFound (404)."""
    answer = queries.read(tx, campaign_id)
    if answer is None:
        raise absent()
    return answer


def create(tx: Tx, campaign: CampaignCreate) -> Any:
    """Create a campaign as a draft. Raises CampaignRefused, TemplateRefused and what segments refuse (422)."""
    row: dict[str, Any] = {name: getattr(campaign, name) for name in CampaignCreate.model_fields}
    if row["quiet_hours"] is None:
        row["quiet_hours"] = campaign.channel == "sms"
    _check(tx, row, row.keys())
    row |= {"id": uuid7(), "created_by": tx.actor.id}
    answer = queries.insert(tx, row)
    effects.audit(tx, "campaign.created", "campaign", row["id"], row)
    return answer


def change(tx: Tx, campaign_id: UUID, patch: CampaignPatch, *, version: int) -> Any:
    """Change a draft, or when a scheduled one goes out.

    Raises NotFound (404), Forbidden (403), PreconditionFailed (412), MoveRefused (409), and what `create` does.
    """
    before = held(tx, campaign_id)
    if before["status"] != "draft":
        # A draft is launched by somebody who may: that is the time to ask.
        may_send(tx, before)
    check_version(before["version"], version)
    changes: dict[str, Any] = {name: getattr(patch, name) for name in patch.model_fields_set}
    scheduled = before["status"] == "scheduled" and not changes.keys() - _WHEN_SCHEDULED
    rules.after(before["status"], "reschedule" if scheduled else "edit")
    changes |= _replaced(changes)
    after = {**before, **changes}
    _check(tx, after, changes.keys())
    if scheduled and after["scheduled_at"] is None:
        raise refused("scheduled_at", "missing", "a scheduled campaign has a time; cancel it if it has none any more")
    answer = queries.update(tx, campaign_id, changes) if changes else queries.read(tx, campaign_id)
    changed = {name: value for name, value in changes.items() if value != before[name]}
    if changed:
        effects.audit(tx, "campaign.updated", "campaign", campaign_id, changed)
    if scheduled and "scheduled_at" in changed:
        wake.at(tx, after["scheduled_at"], "messages")
    return answer


def delete(tx: Tx, campaign_id: UUID, *, version: int) -> None:
    """Delete a campaign that is a draft or over. What was sent stays on record. Raises NotFound, PreconditionFailed, MoveRefused."""
    before = held(tx, campaign_id)
    check_version(before["version"], version)
    rules.after(before["status"], "delete")
    queries.write(tx, campaign_id, {"deleted_at": tx.now})
    effects.audit(tx, "campaign.deleted", "campaign", campaign_id)


def sends(tx: Tx, campaign_id: UUID, request: Request, *, state: SendState | None, contact_id: UUID | None) -> Any:
    """A page of a campaign's recipients. Raises NotFound (404)."""
    answer = queries.sends(tx, campaign_id, request, state=state, contact_id=contact_id)
    if not answer.rows and queries.load(tx, campaign_id) is None:
        raise absent()
    return answer


def held(tx: Tx, campaign_id: UUID) -> dict[str, Any]:
    """A campaign's row, locked. Raises NotFound (404)."""
    row = queries.lock(tx, campaign_id)
    if row is None:
        raise absent()
    return row


def may_send(tx: Tx, campaign: Mapping[str, Any]) -> None:
    """Raise Forbidden (403) for a transactional campaign, unless the caller may send one: consent to marketing does not limit it."""
    if campaign["purpose"] == "transactional":
        detail = "A transactional campaign reaches those who have unsubscribed from marketing, too: only an admin may launch or change it."
        access.require(tx.actor.role, "campaigns:transactional", detail)


def words(campaign: Mapping[str, Any]) -> dict[str, Any]:
    """What the campaign says: until the launch its template's words as they are, else its own. Raises CampaignRefused (422)."""
    if campaign["template_id"] is None or campaign["launched_at"] is not None:
        return {name: campaign[name] for name in _OWN_WORDS}
    if campaign["template_deleted_at"] is not None:
        raise refused("template_id", "unknown_template", "the template has been deleted")
    return {
        "subject": campaign["template_subject"],
        "body_text": campaign["template_text"],
        "body_html": campaign["template_html"],
    }


def refused(name: str, code: str, message: str) -> CampaignRefused:
    """The refusal of one field."""
    return CampaignRefused("The campaign breaks a rule.", errors=[FieldError(f"#/{name}", code, message)])


def absent() -> NotFound:
    """What is answered for no campaign of this tenant."""
    return NotFound("There is no such campaign.")


def check_times(scheduled_at: datetime | None, ends_at: datetime | None, now: datetime) -> None:
    """Raise CampaignRefused (422) unless it ends after it begins, and both lie in a time that anybody plans for."""
    for name, moment in (("scheduled_at", scheduled_at), ("ends_at", ends_at)):
        if moment is not None and moment > now + _FARTHEST:
            raise refused(name, "too_far", "more than two years from now")
    if ends_at is not None and ends_at <= max(scheduled_at or now, now):
        raise refused("ends_at", "before_start", "it has to end after it begins, and not in the past")


def _replaced(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What gives way to what was sent: a segment to the other kind, a template to a text and the other way round."""
    gone: dict[str, Any] = {}
    for name, other in (("segment_id", "segment"), ("segment", "segment_id")):
        if changes.get(name) is not None and other not in changes:
            gone[other] = None
    if changes.get("template_id") is not None:
        gone |= dict.fromkeys(name for name in _OWN_WORDS if name not in changes)
    elif changes.get("body_text") is not None and "template_id" not in changes:
        gone["template_id"] = None
    return gone


def _check(tx: Tx, row: Mapping[str, Any], changed: AbstractSet[str]) -> None:
    """Whether a campaign can be as the row has it; looks at what `changed` names and what hangs on it."""
    errors = _of_channel(row)
    if changed & {"segment_id", "segment", "template_id", *_OWN_WORDS}:
        errors += _one_of(row)
    if errors:
        raise CampaignRefused("The campaign breaks a rule.", errors=errors)
    if changed & {"scheduled_at", "ends_at"}:
        check_times(row["scheduled_at"], row["ends_at"], tx.now)
    if row["template_id"] is None and changed & set(_OWN_WORDS):
        templates.require(row["channel"], row["subject"], row["body_text"], row["body_html"])
    if row["template_id"] is not None and "template_id" in changed:
        found = queries.template(tx, row["template_id"])
        if found is None:
            raise refused("template_id", "unknown_template", "no template of this tenant")
        if found.channel != row["channel"]:
            raise refused("template_id", "other_channel", f"a template for {found.channel}, and this campaign goes out by {row['channel']}")
    if changed & {"segment_id", "segment"}:
        try:
            audience.where(tx, row)
        except NotFound:
            raise refused("segment_id", "unknown_segment", "not a segment of this tenant") from None


def _one_of(row: Mapping[str, Any]) -> list[FieldError]:
    errors = []
    if (row["segment_id"] is None) == (row["segment"] is None):
        code = "missing" if row["segment"] is None else "one_of"
        errors.append(FieldError("#/segment_id", code, "either a segment_id or a segment"))
    own = [name for name in _OWN_WORDS if row[name] is not None]
    if row["template_id"] is not None and own:
        errors += [FieldError(f"#/{name}", "one_of", f"either {_SOMETHING}") for name in own]
    if row["template_id"] is None and row["body_text"] is None:
        errors.append(FieldError("#/body_text", "missing", f"either {_SOMETHING}"))
    return errors


def _of_channel(row: Mapping[str, Any]) -> list[FieldError]:
    if row["channel"] == "sms" and not row["quiet_hours"]:
        return [FieldError("#/quiet_hours", "required", "text messages always keep quiet hours")]
    return []
