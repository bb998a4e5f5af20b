"""What providers would tell of a message, in their own shapes: for tests of events and of what depends on them."""

import json
from datetime import UTC, datetime
from itertools import count

_NUMBERS = count(1)
PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"


def mail_event(kind, *, tenant_id, subject, subject_id, at=None, address="ana@bistro.example", sent_at=None, **part):
    """An SES record of one of our mails, as the queue's body; further arguments go into the event's own part."""
    moment = (at or datetime.now(UTC)).isoformat()
    name = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}.get(kind, kind.lower())
    about = {
        "Bounce": {"bounceType": "Permanent", "bounceSubType": "General", "feedbackId": f"f-{next(_NUMBERS)}", "bouncedRecipients": [{"emailAddress": address}]},
        "Complaint": {"feedbackId": f"f-{next(_NUMBERS)}", "complainedRecipients": [{"emailAddress": address}]},
        "Open": {"userAgent": PERSON}, "Click": {"userAgent": PERSON, "link": "https://clientway.example/"},
    }.get(kind, {})  # fmt: skip
    return json.dumps({
        "eventType": kind,
        "mail": {
            "timestamp": (sent_at or datetime(2026, 1, 1, tzinfo=UTC)).isoformat(), "messageId": f"m-{subject_id}", "destination": [address],
            "tags": {"tenant_id": [str(tenant_id)], "kind": [subject], "id": [str(subject_id)]},
        },
        name: {"timestamp": moment, **about, **part},
    })  # fmt: skip


def answer(text, *, sender, to, message_id=None):
    """An answer to a text, as the queue's body."""
    return json.dumps({
        "originationNumber": sender, "destinationNumber": to, "messageBody": text, "messageKeyword": "KEYWORD",
        "inboundMessageId": message_id or f"in-{next(_NUMBERS)}",
    })  # fmt: skip
