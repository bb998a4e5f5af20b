"""What each kind of activity means beyond its own line on the timeline. Source: seed 0, `unified_activity_log`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ActivityType(StrEnum):
    """The kinds of line that a timeline holds: those that may be written by hand, then those that tell of jobs, money and people."""

    EMAIL_SENT = "email_sent"
    EMAIL_OPENED = "email_opened"
    EMAIL_CLICKED = "email_clicked"
    EMAIL_REPLIED = "email_replied"
    CALL_OUTBOUND = "call_outbound"
    CALL_INBOUND = "call_inbound"
    MEETING_SCHEDULED = "meeting_scheduled"
    MEETING_COMPLETED = "meeting_completed"
    QUOTE_SENT = "quote_sent"
    QUOTE_VIEWED = "quote_viewed"
    QUOTE_ACCEPTED = "quote_accepted"
    DEAL_CREATED = "deal_created"
    DEAL_STAGE_CHANGED = "deal_stage_changed"
    DEAL_WON = "deal_won"
    DEAL_LOST = "deal_lost"
    TICKET_CREATED = "ticket_created"
    TICKET_RESOLVED = "ticket_resolved"
    PORTAL_LOGIN = "portal_login"
    DOCUMENT_DOWNLOADED = "document_downloaded"
    STAGE_CHANGED = "stage_changed"
    NOTE_ADDED = "note_added"

    JOB_SCHEDULED = "job_scheduled"
    JOB_RESCHEDULED = "job_rescheduled"
    JOB_STARTED = "job_started"
    JOB_COMPLETED = "job_completed"
    JOB_CANCELED = "job_canceled"
    JOB_BLOCKED = "job_blocked"
    INVOICE_OPENED = "invoice_opened"
    INVOICE_PAID = "invoice_paid"
    INVOICE_VOIDED = "invoice_voided"
    INVOICE_UNCOLLECTIBLE = "invoice_uncollectible"
    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_REFUNDED = "payment_refunded"
    PAYMENT_DISPUTED = "payment_disputed"
    DISPUTE_CLOSED = "dispute_closed"
    CREDIT_ISSUED = "credit_issued"
    SUBSCRIPTION_CHANGED = "subscription_changed"
    CONTACT_MERGED = "contact_merged"
    CONTACT_UNMERGED = "contact_unmerged"
    CONTACT_UPDATED = "contact_updated"
    CONSENT_CHANGED = "consent_changed"
    SMS_SENT = "sms_sent"
    SMS_REPLIED = "sms_replied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Meaning of an activity type.

    portal: a client may see it by default. touch: it counts for "days since last touch". fact: the field of
    `stages.rules.Facts` that it can change, so that the stage has to be looked at again.
    """

    portal: bool = False
    touch: bool = False
    fact: str | None = None


# The portal shows dealings with the client, never what was observed about them (opens, views, sign-ins of a colleague)
# nor what staff wrote for each other. Mail that merely went out is no touch: newsletters would keep every account fresh.
TRAITS: Final = {
    ActivityType.EMAIL_SENT: Traits(),
    ActivityType.EMAIL_OPENED: Traits(fact="opened_by_human"),
    ActivityType.EMAIL_CLICKED: Traits(touch=True, fact="clicked"),
    ActivityType.EMAIL_REPLIED: Traits(touch=True, fact="replied"),
    ActivityType.CALL_OUTBOUND: Traits(touch=True),
    ActivityType.CALL_INBOUND: Traits(touch=True),
    ActivityType.MEETING_SCHEDULED: Traits(portal=True, touch=True, fact="quote_sent_or_call_scheduled"),
    ActivityType.MEETING_COMPLETED: Traits(portal=True, touch=True),
    ActivityType.QUOTE_SENT: Traits(portal=True, touch=True, fact="quote_sent_or_call_scheduled"),
    ActivityType.QUOTE_VIEWED: Traits(touch=True),
    ActivityType.QUOTE_ACCEPTED: Traits(portal=True, touch=True),
    ActivityType.DEAL_CREATED: Traits(fact="has_open_deal"),
    ActivityType.DEAL_STAGE_CHANGED: Traits(),
    ActivityType.DEAL_WON: Traits(fact="has_open_deal"),
    ActivityType.DEAL_LOST: Traits(fact="last_open_deal_lost"),
    ActivityType.TICKET_CREATED: Traits(portal=True, touch=True),
    ActivityType.TICKET_RESOLVED: Traits(portal=True, touch=True),
    ActivityType.PORTAL_LOGIN: Traits(touch=True),
    ActivityType.DOCUMENT_DOWNLOADED: Traits(portal=True, touch=True),
    ActivityType.STAGE_CHANGED: Traits(),
    ActivityType.NOTE_ADDED: Traits(),
    ActivityType.JOB_SCHEDULED: Traits(portal=True, touch=True),
    ActivityType.JOB_RESCHEDULED: Traits(portal=True),
    ActivityType.JOB_STARTED: Traits(portal=True),
    ActivityType.JOB_COMPLETED: Traits(portal=True, touch=True),
    ActivityType.JOB_CANCELED: Traits(portal=True),
    ActivityType.JOB_BLOCKED: Traits(),
    ActivityType.INVOICE_OPENED: Traits(portal=True),
    ActivityType.INVOICE_PAID: Traits(portal=True),
    ActivityType.INVOICE_VOIDED: Traits(portal=True),
    ActivityType.INVOICE_UNCOLLECTIBLE: Traits(),
    ActivityType.PAYMENT_RECEIVED: Traits(portal=True, touch=True),
    ActivityType.PAYMENT_FAILED: Traits(),
    ActivityType.PAYMENT_REFUNDED: Traits(portal=True),
    ActivityType.PAYMENT_DISPUTED: Traits(),
    ActivityType.DISPUTE_CLOSED: Traits(),
    ActivityType.CREDIT_ISSUED: Traits(portal=True),
    ActivityType.SUBSCRIPTION_CHANGED: Traits(),
    ActivityType.CONTACT_MERGED: Traits(),
    ActivityType.CONTACT_UNMERGED: Traits(),
    ActivityType.CONTACT_UPDATED: Traits(),
    ActivityType.CONSENT_CHANGED: Traits(),
    ActivityType.SMS_SENT: Traits(),
    ActivityType.SMS_REPLIED: Traits(touch=True, fact="replied"),
}

BY_HAND: Final = tuple(ActivityType)[: tuple(ActivityType).index(ActivityType.NOTE_ADDED) + 1]
"""What somebody may write who saw it happen. The others are written by the product, together with the change they tell of."""

PORTAL_VISIBLE: Final = frozenset(kind for kind, traits in TRAITS.items() if traits.portal)
TOUCH: Final = frozenset(kind for kind, traits in TRAITS.items() if traits.touch)


def stage_fact(kind: ActivityType, *, machine: bool = False) -> str | None:
    """Return the field of `stages.rules.Facts` that an activity can change, or None.

    Mail clients and scanners fetch images and links by themselves: a machine's open is a fact of its own, which only
    counts under the tenant's literal rule, and a machine's click is none.
    """
    if machine:
        return "opened_by_machine" if kind is ActivityType.EMAIL_OPENED else None
    return TRAITS[kind].fact
