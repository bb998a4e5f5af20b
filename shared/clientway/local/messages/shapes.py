"""What SES and End User Messaging publish, in the shapes that they publish it in.

Sources: "Examples of event data that Amazon SES publishes to Amazon SNS" (the records; EventBridge carries one as `detail`),
"Example AWS End User Messaging SMS event data" and "Example of a two-way SMS message payload for Amazon SNS topics", AWS documentation.
"""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from clientway.local.aws import ACCOUNT
from clientway.local.messages.store import Message

Json = dict[str, Any]

# Apple's proxy fetches the pictures of every mail and says no more than this of itself.
MACHINE = "Mozilla/5.0"
PERSON = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
_TITLES = {
    "Send": "Email Sent", "Delivery": "Email Delivered", "Bounce": "Email Bounced", "Complaint": "Email Complaint Received",
    "Open": "Email Opened", "Click": "Email Clicked", "Reject": "Email Rejected",
}  # fmt: skip


def stamp(at: float) -> str:
    """A moment as SES writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def mail_event(message: Message, kind: str, at: float, region: str, **more: Any) -> Json:
    """A record of SES's event publishing under EventBridge's envelope: `kind` as in `eventType`, `more` as SES puts it."""
    tags = {"ses:operation": ["SendEmail"], "ses:configuration-set": [message.configuration_set or ""], "ses:source-ip": ["192.0.2.0"]}
    tags |= {"ses:from-domain": [message.sender.rpartition("@")[2].rstrip(">")], "ses:caller-identity": ["clientway"]}
    tags |= {name: [value] for name, value in message.tags.items()}
    record: Json = {
        "eventType": kind,
        "mail": {
            "timestamp": stamp(message.at),
            "source": message.sender,
            "sourceArn": f"arn:aws:ses:{region}:{ACCOUNT}:identity/{message.sender}",
            "sendingAccountId": ACCOUNT,
            "messageId": message.id,
            "destination": list(message.recipients),
            "headersTruncated": False,
            "headers": [{"name": name, "value": value} for name, value in message.headers],
            "commonHeaders": {
                "from": [message.sender],
                "to": list(message.recipients),
                "messageId": message.id,
                "subject": message.subject or "",
            },
            "tags": tags,
        },
        kind.lower(): _details(message, kind, stamp(at)) | more,
    }
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": _TITLES[kind],
        "source": "aws.ses",
        "account": ACCOUNT,
        "time": stamp(at)[:19] + "Z",
        "region": region,
        "resources": [f"arn:aws:ses:{region}:{ACCOUNT}:configuration-set/{message.configuration_set}"],
        "detail": record,
    }


def _details(message: Message, kind: str, at: str) -> Json:
    recipients = list(message.recipients)
    feedback = f"0100{uuid.uuid4().hex[:12]}-{uuid.uuid4()}-000000"
    match kind:
        case "Delivery":
            answer = {"smtpResponse": "250 2.6.0 Message received", "reportingMTA": "mta.example.com"}
            return {"timestamp": at, "processingTimeMillis": 700, "recipients": recipients, **answer}
        case "Bounce":
            status = {"action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
            return {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": one, **status} for one in recipients],
                "timestamp": at,
                "feedbackId": feedback,
                "reportingMTA": "dsn; mta.example.com",
            }
        case "Complaint":
            return {
                "complainedRecipients": [{"emailAddress": one} for one in recipients],
                "timestamp": at,
                "feedbackId": feedback,
                "userAgent": "ISP feedback loop",
                "complaintFeedbackType": "abuse",
                "arrivalDate": at,
            }
        case "Open" | "Click":
            return {"ipAddress": "192.0.2.1", "timestamp": at, "userAgent": PERSON}
        case _:
            return {}


def text_event(message: Message, status: str, at: float, topic: str) -> Json:
    """What End User Messaging tells of a text (`status`: DELIVERED, BLOCKED, …), as SNS hands it on."""
    descriptions = {"DELIVERED": "Message has been accepted by phone", "INVALID": "Destination phone number is invalid"}
    event = {
        "eventType": f"TEXT_{status}",
        "eventVersion": "1.0",
        "eventTimestamp": int(at * 1000),
        "isFinal": True,
        "originationPhoneNumber": message.sender,
        "destinationPhoneNumber": message.recipients[0],
        "isoCountryCode": "US",
        "messageId": message.id,
        "messageRequestTimestamp": int(message.at * 1000),
        "messageEncoding": "GSM" if message.text.isascii() else "Unicode",
        "messageType": "PROMOTIONAL" if message.promotional else "TRANSACTIONAL",
        "messageStatus": status,
        "messageStatusDescription": descriptions.get(status, status.title()),
        "context": message.tags,
        "totalMessageParts": 1,
        "totalMessagePrice": 0.00581,
        "totalCarrierFee": 0.003,
    }
    return notification(event, at, topic)


def inbound_text(reply: Message, answered: str, at: float, topic: str) -> Json:
    """A text that somebody sent to one of our numbers, as SNS hands it on."""
    words = reply.text.split()
    payload = {
        "originationNumber": reply.sender,
        "destinationNumber": reply.recipients[0],
        "messageKeyword": words[0].upper() if words else "",
        "messageBody": reply.text,
        "inboundMessageId": reply.id,
        "previousPublishedMessageId": answered,
    }
    return notification(payload, at, topic)


def notification(payload: Json, at: float, topic: str) -> Json:
    """SNS's envelope around a message."""
    return {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": topic,
        "Message": json.dumps(payload),
        "Timestamp": stamp(at),
    }
