"""What somebody sees who wants no more messages: plain pages without a script, that name the sender and show the address masked."""

import base64
import hashlib
from functools import cache
from html import escape

from clientway.messaging.delivery.message import Channel

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:30rem;margin:12vh auto;padding:0 1rem;color:#1a1a1a;background:#fff}
button{font:inherit;padding:.6em 1.2em;border:1px solid #1f4e79;border-radius:4px;background:#1f4e79;color:#fff;cursor:pointer}
button:focus-visible{outline:3px solid #e0a800;outline-offset:2px}
"""
FIELD, FROM_PAGE = "confirm", "unsubscribe"
"""What the page's own form sends."""
_MESSAGES: dict[Channel, str] = {"email": "marketing e-mails", "sms": "marketing text messages"}


def ask(tenant: str, channel: Channel, address: str | None) -> str:
    """Whether they mean it. Looking at it changes nothing: what opens links on its own presses no button."""
    return _page(
        "Unsubscribe",
        f"<p>Stop {_MESSAGES[channel]} from <strong>{escape(tenant)}</strong>{_to(address)}?</p>"
        f'<form method="post"><button name="{FIELD}" value="{FROM_PAGE}">Unsubscribe</button></form>'
        "<p>Messages about your own bookings and invoices are not affected.</p>",
    )


def done(tenant: str, channel: Channel, address: str | None) -> str:
    """That it is so, now or since long."""
    return _page("You are unsubscribed", f"<p>{escape(tenant)} sends no more {_MESSAGES[channel]}{_to(address)}.</p>")


def unknown() -> str:
    """The link is none of ours: nothing more is said."""
    return _page("This link does not work", "<p>It may have been cut short. Please open it from the message again.</p>")


def mask(address: str | None) -> str | None:
    """Enough to recognise one's own address by, and too little to learn another's."""
    if not address:
        return None
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}" if at else f"•••{address[-2:]}"


def _to(address: str | None) -> str:
    masked = mask(address)
    return f" to {escape(masked)}" if masked else ""


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>{title}</title><style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


@cache
def headers() -> dict[str, str]:
    """What keeps the page to itself: nothing is loaded, no frame around it, and the link goes to nobody as a referrer."""
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
