"""What providers tell of messages, in the books: each thing once, in any order, and nothing that was settled goes back.

An event is one transaction: its row in the inbox, the message's own columns, suppression, consent, the timeline and the
lifecycle commit together, or nothing does and it is delivered again.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from sqlalchemy import Row

from clientway import db, effects
from clientway.db import Tx
from clientway.errors import Unauthorized
from clientway.lifecycle.consents import service as consents
from clientway.lifecycle.stages import service as stages
from clientway.messaging.delivery import providers
from clientway.messaging.delivery.message import Outgoing, Refused, Unclear
from clientway.messaging.events import queries, rules
from clientway.messaging.events.reading import Event, read
from clientway.messaging.suppressions import service as suppressions

logger = logging.getLogger(__name__)

KEYWORD: Final = "sms_keyword"
"""The ledger's source of what somebody said by text."""
CONFIRMED_AN_HOUR: Final = 5
"""Words of one number that are confirmed within an hour. All are obeyed; but whoever texts on and on would have the tenant pay."""
_TITLES: Final = {"open": "Opened a mail", "click": "Clicked a link in a mail"}
_TYPES: Final = {"open": "email_opened", "click": "email_clicked"}


def apply(body: str, *, now: datetime | None = None, queued_at: datetime | None = None) -> str:
    """Apply one message of the queue of events and return what came of it: applied, duplicate, unknown (no such message) or foreign.

    `queued_at` is when the message came into the queue, however often it was tried since: when an answer was given. Raises
    UnreadableEventError, and what the database raises; then nothing was applied.
    """
    moment = now or datetime.now(UTC)
    event = read(body, now=min(queued_at or moment, moment))
    if event is None:
        return "foreign"
    if event.sender is not None:
        return _answered(event, moment)
    if event.tenant_id is None:
        return "foreign"
    try:
        with db.job_transaction(event.tenant_id, now=moment) as tx:
            return _told(tx, event)
    except Unauthorized:
        # Another installation's, in the same account.
        return "foreign"


def settle_unknown(tx: Tx) -> int:
    """Mark as sent the sends of unknown outcome whose events have come before anybody knew that it was unknown; how many those are."""
    settled = queries.settle_unknown(tx)
    for one in settled:
        _record_sent(tx, one.id, one.contact_id, None, one.channel)
    return len(settled)


def _told(tx: Tx, event: Event) -> str:
    about = queries.tell(tx, event)
    if about is None:
        logger.warning("event of no message", extra={"kind": event.kind, "subject": event.subject})
        return "unknown"
    if not about.is_new:
        return "duplicate"
    if about.before == "unknown" and about.after == "sent":
        _record_sent(tx, event.subject_id, about.contact_id, about.organization_id if about.has_organization else None, event.channel)
    if event.kind in _TYPES:
        _engaged(tx, event, about)
    elif event.kind == "bounce" and event.permanent:
        _suppress(tx, event, about, "hard_bounce")
    elif event.kind == "complaint":
        _complained(tx, event, about)
    return "applied"


def _engaged(tx: Tx, event: Event, about: Row[Any]) -> None:
    """An open or a click: counted once a message, told once a kind, and a fact that the lifecycle may depend on."""
    if about.contact_id is None:
        return
    machine = event.machine
    if event.kind == "open" and not machine and about.is_first:
        queries.count_open(tx, about.contact_id)
    organization_id = about.organization_id if about.has_organization else None
    # By its own key: of many opens of one mail the timeline shows the first, and the first by a machine.
    key = f"{event.subject_id}:{event.kind}:{'machine' if machine else 'person'}"
    effects.record(
        tx, _TYPES[event.kind], _TITLES[event.kind], organization_id=organization_id, contact_id=about.contact_id,
        metadata={"message": event.subject, "message_id": event.subject_id, **event.detail}, machine=machine,
        event_key=key, occurred_at=event.occurred_at,
    )  # fmt: skip
    if organization_id is not None and (not machine or event.kind == "open"):
        stages.reconsider(tx, [organization_id], event_key=key)


def _complained(tx: Tx, event: Event, about: Row[Any]) -> None:
    _suppress(tx, event, about, "complaint")
    if about.contact_id is not None:
        evidence = {"message": event.subject or "", "message_id": str(event.subject_id), **event.detail}
        consents.settle(
            tx,
            about.contact_id,
            event.channel,
            ("marketing",),
            "denied",
            source="complaint",
            evidence=evidence,
            occurred_at=min(event.occurred_at, tx.now),
        )
    if about.campaign_id is not None:
        stopped = queries.stop_for_complaints(tx, about.campaign_id)
        if stopped is not None:
            effects.audit(
                tx, "campaign.stopped", "campaign", about.campaign_id, {"complaints": stopped.complaints, "delivered": stopped.delivered}
            )
            effects.publish(tx, "messaging.campaign_stopped", {"campaign_id": about.campaign_id, "complaints": stopped.complaints})


def _suppress(tx: Tx, event: Event, about: Row[Any], reason: Literal["complaint", "hard_bounce"]) -> None:
    detail = event.detail.get("diagnostic") or event.detail.get("type")
    for address in event.addresses:
        suppressions.suppress(tx, event.channel, address, reason, contact_id=about.contact_id, detail=detail)


def _record_sent(tx: Tx, send_id: UUID | None, contact_id: UUID | None, organization_id: UUID | None, channel: str) -> None:
    if contact_id is not None:
        queries.count_sent(tx, contact_id, channel, tx.now)
    kind, title = ("sms_sent", "Text sent") if channel == "sms" else ("email_sent", "Mail sent")
    effects.record(
        tx, kind, title, organization_id=organization_id, contact_id=contact_id,
        metadata={"message": "campaign_send", "message_id": send_id}, event_key=f"{send_id}:sent",
    )  # fmt: skip


# Answers to texts ------------------------------------------------------------------------------------------------------------


def _answered(event: Event, now: datetime) -> str:
    outcomes, changed = set(), {}
    meant = _meant(event)
    spoken_to = meant[0] if len(meant) == 1 else _spoken_to(meant, event.sender or "")
    for tenant_id in meant:
        heard = event if tenant_id == spoken_to else _word(event)
        if heard is None:
            continue
        with db.job_transaction(tenant_id, now=now) as tx:
            answered = _answer(tx, heard)
        outcomes.add("duplicate" if answered is None else "applied")
        if answered is not None and answered.worth_saying:
            changed[tenant_id] = answered.tenant_name
    if changed and not rules.provider_answers(event.text or ""):
        _confirm(event, changed)
    return "applied" if "applied" in outcomes else "duplicate" if outcomes else "unknown"


def _meant(event: Event) -> list[UUID]:
    """The tenants that a text to this number is for: its own, or, at the number that tenants share, all that know its writer."""
    own = queries.tenants_texting_from(event.to or "")
    if own or event.to != os.environ.get("SMS_SENDER"):
        return own
    return queries.tenants_knowing(event.sender or "")


def _spoken_to(tenants: Sequence[UUID], phone: str) -> UUID | None:
    """Whom of several who share a number somebody answers: who texted them last. None, where nobody did."""
    last: dict[UUID, datetime] = {}
    for tenant_id in tenants:
        with db.job_transaction(tenant_id) as tx:
            at = queries.last_texted(tx, phone)
        if at is not None:
            last[tenant_id] = at
    return max(last, key=last.__getitem__, default=None)


def _word(event: Event) -> Event | None:
    """What of an answer concerns those whom it was not given to: the word, and nothing of what else it says."""
    return replace(event, text=event.kind.upper()) if event.kind in {"stop", "start"} else None


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer that a tenant had not heard before; `worth_saying`: it is to be confirmed."""

    tenant_name: str
    worth_saying: bool


def _answer(tx: Tx, event: Event) -> _Answered | None:
    rows = queries.texted(tx, event)
    if not rows:
        return None
    known = [row for row in rows if row.contact_id is not None]
    # What changes nothing is not confirmed: two machines that answer each other would never end.
    worth_saying = event.kind == "help"
    if event.kind in {"stop", "start"} and not rows[0].overruled:
        worth_saying = _say(tx, event, [row.contact_id for row in known])
    for row in known:
        organization_id = row.organization_id if row.has_organization else None
        effects.record(
            tx, "sms_replied", "Replied to a text", organization_id=organization_id, contact_id=row.contact_id, description=event.text,
            metadata={"meaning": event.kind}, event_key=f"{event.key}:{row.contact_id}", occurred_at=event.occurred_at,
        )  # fmt: skip
        if organization_id is not None:
            stages.reconsider(tx, [organization_id], event_key=event.key)
    return _Answered(rows[0].tenant_name, worth_saying and rows[0].lately < CONFIRMED_AN_HOUR)


def _say(tx: Tx, event: Event, contact_ids: Sequence[UUID]) -> bool:
    """STOP, or START: for the number, whosever it is, and for the contacts who have it; whether that changed what holds for it."""
    phone, at = event.sender or "", event.occurred_at
    evidence = {"text": (event.text or "")[:500], "to": event.to or ""}
    if event.kind == "stop":
        contact_id, detail = next(iter(contact_ids), None), (event.text or "")[:200]
        found = suppressions.suppress(tx, "sms", phone, "stop", contact_id=contact_id, detail=detail)
        for one in contact_ids:
            consents.settle(tx, one, "sms", ("marketing", "transactional"), "denied", source=KEYWORD, evidence=evidence, occurred_at=at)
        return found is not None and found.changed
    lifted = suppressions.lift(tx, "sms", phone, reason="stop", why="START by text")
    for one in contact_ids:
        # What a STOP took is given back, and nothing more: marketing to nobody who had not agreed to it before.
        taken = queries.taken(tx, one, KEYWORD)
        back = [purpose for purpose, before in taken.items() if before == "granted" or (purpose == "transactional" and before is None)]
        consents.settle(tx, one, "sms", back, "granted", source=KEYWORD, evidence=evidence, occurred_at=at)
    return lifted


_CONFIRMED: Final = {
    "stop": "you will get no more texts from us. Reply START to get them again.",
    "start": "you get our texts again. Reply STOP to end them.",
    "help": "reply STOP to get no more texts, START to get them again.",
}


def _confirm(event: Event, tenants: Mapping[UUID, str]) -> None:
    """One confirmation, at once (design 3, §7), also by several who share a number.

    It follows the commits and is tried once: a second would be one too many.
    """
    tenant_id, name = next(iter(tenants.items()))
    said = f"{name}{' and others' if len(tenants) > 1 else ''}: {_CONFIRMED[event.kind]}"
    message = Outgoing(
        kind="reminder", id=uuid5(tenant_id, event.key), tenant_id=tenant_id, channel="sms", to=(event.sender or "",), text=said,
        sms_sender=event.to,
    )  # fmt: skip
    try:
        providers.send(message, once=True)
    except (Refused, Unclear) as failure:
        logger.warning("a confirmation did not go out", extra={"failure": str(failure)})
