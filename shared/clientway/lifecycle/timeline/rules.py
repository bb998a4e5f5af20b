"""What each kind of activity means beyond its own line on the timeline. Source: seed 0, `unified_activity_log`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ActivityType(StrEnum):
    """The 21 kinds of line that a timeline holds."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Meaning of an activity type.

    portal: a client may see it by default. engagement: the client did something. touch: it counts for "days since last
    touch". fact: the field of `stages.rules.Facts` that it can change, so that the stage has to be looked at again.
    """

    portal: bool = False
    engagement: bool = False
    touch: bool = False
    fact: str | None = None


# The portal shows dealings with the client, never what was observed about them (opens, views, sign-ins of a colleague)
# nor what staff wrote for each other. Mail that merely went out is no touch: newsletters would keep every account fresh.
TRAITS: Final = {
    ActivityType.EMAIL_SENT: Traits(),
    ActivityType.EMAIL_OPENED: Traits(engagement=True, fact="opened_by_human"),
    ActivityType.EMAIL_CLICKED: Traits(engagement=True, touch=True, fact="clicked"),
    ActivityType.EMAIL_REPLIED: Traits(engagement=True, touch=True, fact="replied"),
    ActivityType.CALL_OUTBOUND: Traits(touch=True),
    ActivityType.CALL_INBOUND: Traits(engagement=True, touch=True),
    ActivityType.MEETING_SCHEDULED: Traits(portal=True, touch=True, fact="quote_sent_or_call_scheduled"),
    ActivityType.MEETING_COMPLETED: Traits(portal=True, engagement=True, touch=True),
    ActivityType.QUOTE_SENT: Traits(portal=True, touch=True, fact="quote_sent_or_call_scheduled"),
    ActivityType.QUOTE_VIEWED: Traits(engagement=True, touch=True),
    ActivityType.QUOTE_ACCEPTED: Traits(portal=True, engagement=True, touch=True),
    ActivityType.DEAL_CREATED: Traits(fact="has_open_deal"),
    ActivityType.DEAL_STAGE_CHANGED: Traits(),
    ActivityType.DEAL_WON: Traits(fact="has_open_deal"),
    ActivityType.DEAL_LOST: Traits(fact="last_open_deal_lost"),
    ActivityType.TICKET_CREATED: Traits(portal=True, engagement=True, touch=True),
    ActivityType.TICKET_RESOLVED: Traits(portal=True, touch=True),
    ActivityType.PORTAL_LOGIN: Traits(engagement=True, touch=True),
    ActivityType.DOCUMENT_DOWNLOADED: Traits(portal=True, engagement=True, touch=True),
    ActivityType.STAGE_CHANGED: Traits(),
    ActivityType.NOTE_ADDED: Traits(),
}

PORTAL_VISIBLE: Final = frozenset(kind for kind, traits in TRAITS.items() if traits.portal)
ENGAGEMENT: Final = frozenset(kind for kind, traits in TRAITS.items() if traits.engagement)
TOUCH: Final = frozenset(kind for kind, traits in TRAITS.items() if traits.touch)


def stage_fact(kind: ActivityType, *, machine: bool = False) -> str | None:
    """Return the field of `stages.rules.Facts` that an activity can change, or None.

    Mail clients and scanners fetch images and links by themselves: a machine's open is a fact of its own, which only
    counts under the tenant's literal rule, and a machine's click is none.
    """
    if machine:
        return "opened_by_machine" if kind is ActivityType.EMAIL_OPENED else None
    return TRAITS[kind].fact
