"""What somebody sees who wants no more messages: plain pages without a script, that name the sender and show the address masked."""

from html import escape

from clientway import pages
from clientway.messaging.delivery.message import Channel

FIELD, FROM_PAGE = "confirm", "unsubscribe"
"""What the page's own form sends."""
_MESSAGES: dict[Channel, str] = {"email": "marketing e-mails", "sms": "marketing text messages"}


def ask(tenant: str, channel: Channel, address: str | None) -> str:
    """Whether they mean it. Looking at it changes nothing: what opens links on its own presses no button."""
    return pages.html(
        "Unsubscribe",
        f"<p>Stop {_MESSAGES[channel]} from <strong>{escape(tenant)}</strong>{_to(address)}?</p>"
        f'<form method="post"><button name="{FIELD}" value="{FROM_PAGE}">Unsubscribe</button></form>'
        '<p class="dim">Messages about your own bookings and invoices are not affected.</p>',
    )


def done(tenant: str, channel: Channel, address: str | None) -> str:
    """That it is so, now or since long."""
    return pages.html("You are unsubscribed", f"<p>{escape(tenant)} will send no more {_MESSAGES[channel]}{_to(address)}.</p>")


def unknown() -> str:
    """The link is none of ours: nothing more is said."""
    return pages.html("This link does not work", "<p>It may have been cut short. Please open it from the message again.</p>")


def mask(address: str | None) -> str | None:
    """Enough to recognise one's own address by, and too little to learn another's."""
    if not address:
        return None
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}" if at else f"•••{address[-2:]}"


def _to(address: str | None) -> str:
    masked = mask(address)
    return f" to {escape(masked)}" if masked else ""
