"""How a client's timeline names its lines, and how a search term is read."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from clientway.lifecycle.organizations.rules import Term, digits, term


class LineType(StrEnum):
    """The kinds of line: seed 3's four, and what else a client's timeline tells of."""

    JOB = "job"
    INVOICE = "invoice"
    PAYMENT = "payment"
    NOTE = "note"
    MESSAGE = "message"
    CALL = "call"
    MEETING = "meeting"
    QUOTE = "quote"
    DEAL = "deal"
    TICKET = "ticket"
    STAGE = "stage"
    PORTAL = "portal"
    SUBSCRIPTION = "subscription"
    CONTACT = "contact"
    CONSENT = "consent"


ACTIVITIES: Final[Mapping[LineType, tuple[str, ...]]] = {
    LineType.JOB: ("job_scheduled", "job_rescheduled", "job_started", "job_completed", "job_canceled", "job_blocked"),
    LineType.INVOICE: ("invoice_opened", "invoice_paid", "invoice_voided", "invoice_uncollectible", "credit_issued"),
    LineType.PAYMENT: ("payment_received", "payment_failed", "payment_refunded", "payment_disputed", "dispute_closed"),
    LineType.NOTE: ("note_added",),
    LineType.MESSAGE: ("email_sent", "email_opened", "email_clicked", "email_replied", "sms_sent", "sms_replied"),
    LineType.CALL: ("call_outbound", "call_inbound"),
    LineType.MEETING: ("meeting_scheduled", "meeting_completed"),
    LineType.QUOTE: ("quote_sent", "quote_viewed", "quote_accepted"),
    LineType.DEAL: ("deal_created", "deal_stage_changed", "deal_won", "deal_lost"),
    LineType.TICKET: ("ticket_created", "ticket_resolved"),
    LineType.STAGE: ("stage_changed",),
    LineType.PORTAL: ("portal_login", "document_downloaded"),
    LineType.SUBSCRIPTION: ("subscription_changed",),
    LineType.CONTACT: ("contact_merged", "contact_unmerged", "contact_updated"),
    LineType.CONSENT: ("consent_changed",),
}
"""What of the timeline each kind is; together they are everything it holds."""

_EXTENSION = re.compile(r"(?:ext\.?|extension|x|#)\s*[0-9]+\s*$", re.IGNORECASE)
_TRUNK = re.compile(r"\(\s*0\s*\)")
_NUMBER = re.compile(r"[+0-9][0-9\s()./-]{6,}|\([0-9][0-9\s()./-]{5,}")
_FEWEST_DIGITS = 5


def search_term(q: str) -> Term:
    """Read a term for the search of clients: a phone number as it may be written anywhere, or what any search finds.

    Numbers are kept in E.164. What a number in another form has beside that (an international prefix of zeros, the trunk
    zero, an extension) is dropped, so that the rest is part of it.
    """
    plain = _EXTENSION.sub("", q.strip()).strip()
    if _NUMBER.fullmatch(plain):
        number = digits(_TRUNK.sub("", plain)).lstrip("0")
        if len(number) >= _FEWEST_DIGITS:
            return Term(pattern=f"%{number}%")
    return term(q)
