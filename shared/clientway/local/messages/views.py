"""The mailbox's pages in HTML."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape, unescape
from typing import Final
from urllib.parse import quote, urlencode

from clientway.local.messages.providers import TROUBLES, Providers
from clientway.local.messages.store import Channel, Event, Message
from clientway.local.messages.style import STYLE

_KINDS: Final = {
    "campaign_send": "Campaign",
    "reminder": "Reminder",
    "email_message": "Single mail",
    "provider": "Automatic answer",
}
# What the list shows of a message's events: the last of these that came, and how it looks.
_CHIPS: Final = {
    "complaint": ("Complaint", "bad"), "bounce": ("Bounced", "bad"), "unreachable": ("Not reached", "bad"), "blocked": ("Blocked", "bad"),
    "click": ("Clicked", "good"), "open": ("Opened", "good"), "machine": ("Opened by a machine", ""), "delivered": ("Delivered", ""),
    "sent": ("Sent", ""),
}  # fmt: skip
_TOLD: Final = {
    "sent": "SES sent it", "delivered": "Delivered", "open": "Opened", "machine": "Opened by a machine", "click": "Clicked",
    "bounce": "Bounced for good", "complaint": "Marked as spam", "unreachable": "Number does not exist",
    "blocked": "Blocked by the carrier", "received": "Reply received",
}  # fmt: skip
_MOST_LINKS = 8
_PAGE_SIZE = 50
_DAY_SECONDS = 86400
# How long somebody looks whether a text of theirs is answered.
_ANSWER_SECONDS = 6


def moment(at: float) -> datetime:
    """A moment of the store's."""
    return datetime.fromtimestamp(at, UTC).replace(microsecond=0)


def kind(message: Message) -> str:
    """What a message is, in the words of the list."""
    template = message.tags.get("template", "")
    return _KINDS.get(message.tags.get("kind", ""), "Sign-in" if template.endswith("_link") else template.capitalize() or "Message")


def unsubscribe_url(message: Message) -> str | None:
    """The address of List-Unsubscribe that takes one click, if the mail has both headers of RFC 8058."""
    if message.header("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
        return None
    found = re.search(r"<(https?://[^>]+)>", message.header("List-Unsubscribe") or "")
    return found[1] if found else None


def links(message: Message) -> list[str]:
    """Where a mail's links lead, each once, in order."""
    found = [unescape(one) for one in re.findall(r"""href\s*=\s*["'](https?://[^"']+)""", message.html or "", re.IGNORECASE)]
    found = found or re.findall(r"https?://[^\s<>\")]+", message.text)
    return list(dict.fromkeys(found))[:_MOST_LINKS]


def listing(providers: Providers, query: Mapping[str, str], before: int | None) -> str:
    """The list, newest first."""
    store, now = providers.store, providers.store.clock()
    channel, address = query.get("channel", ""), query.get("to", "").strip()
    channel = channel if channel in {"email", "sms"} else ""
    found = store.newest(channel=channel or None, address=address, before=before, limit=_PAGE_SIZE + 1)
    more, found = len(found) > _PAGE_SIZE, found[:_PAGE_SIZE]
    told = store.events(found)
    rows = "".join(_row(one, [event for event in told if event.message == one.seq], now) for one in found)
    nothing = (
        "There is no message to or from this address."
        if address
        else "Nothing was sent yet. Book a job or launch a campaign, and look here."
    )
    older = ""
    if more:
        kept = {"channel": channel, "to": address, "before": str(found[-1].seq)}
        place = urlencode({name: value for name, value in kept.items() if value})
        older = f'<a class="older" href="/mailbox?{escape(place)}">Older</a>'
    tabs = [("/mailbox", "All", channel == "")]
    for key, title, count in (("email", "Mail", store.count("email")), ("sms", "Texts", store.count("sms"))):
        tabs.append((f"/mailbox?channel={key}", f"{title} {count:,}", channel == key))
    hidden = f'<input type="hidden" name="channel" value="{channel}">' if channel else ""
    words = 'placeholder="Address or number" aria-label="Address or number"'
    search = f'<form>{hidden}<input type="search" name="to" value="{escape(address)}" {words}><button>Find</button></form>'
    body = f"""<div class="bar"><nav aria-label="Channel">{_tabs(tabs)}</nav>{search}</div>{_alert(providers)}
<div class="card">{rows or f'<p class="empty">{nothing}</p>'}</div>{older}{_switches(providers)}"""
    # A page that somebody searched or leafed to stays as it is.
    return _page("Mailbox", body, refresh=None if before or address else 5)


def one(providers: Providers, message: Message, query: Mapping[str, str]) -> str:
    """One message: a mail with its views and buttons, or the whole conversation with a number."""
    store = providers.store
    note = f'<p class="note" role="status">{escape(query["note"])}</p>' if query.get("note") else ""
    texts = store.conversation(_other(message)) if message.channel == "sms" else [message]
    events = store.events(texts)
    shown = _conversation(message, texts, events) if message.channel == "sms" else _mail(message, events, query.get("view", ""))
    back = f'<p><a class="back" href="/mailbox">← All messages</a></p>{note}{_alert(providers)}'
    # As long as something may still come of it.
    awaited = any(not event.done for event in events) or (texts[-1].incoming and store.clock() - texts[-1].at < _ANSWER_SECONDS)
    return _page(message.subject or f"Texts with {_other(message)}", f"{back}{shown}", refresh=2 if awaited else None)


def _row(message: Message, events: Sequence[Event], now: float) -> str:
    other = _other(message)
    told = {event.name.split()[0] for event in events if event.done}
    name, looks = ("Reply", "warn") if message.incoming else next((chip for key, chip in _CHIPS.items() if key in told), ("", ""))
    chip = f'<span class="chip {looks}">{name}</span>' if name else ""
    preview = escape(" ".join(message.text.split())[:140])
    what = f'{escape(message.subject)} <span class="pre">{preview}</span>' if message.subject else preview
    face = "↩" if message.incoming else escape(other[:1].upper()) if message.channel == "email" else "✆"
    label = "" if message.incoming else f'<span class="chip kind">{escape(kind(message))}</span>'
    at = f'datetime="{moment(message.at).isoformat()}" title="{_full(message.at)}"'
    return f"""<a class="row {message.channel}{" in" if message.incoming else ""}" href="/mailbox/{quote(message.id)}">
<span class="face" aria-hidden="true">{face}</span><span class="who">{escape(other)}</span>
<time class="when" {at}>{_ago(now - message.at, message.at)}</time><span class="what"><span>{what}</span>
<span class="chips">{label}{chip}</span></span></a>"""


def _mail(message: Message, events: Sequence[Event], view: str) -> str:
    place = f"/mailbox/{quote(message.id)}"
    titles = {"": "As it looks", "text": "Plain text", "headers": "Headers"} if message.html else {"": "Plain text", "headers": "Headers"}
    tabs = [(f"{place}?view={key}" if key else place, title, key == view) for key, title in titles.items()]
    if view == "headers":
        lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in message.headers)
        content = f'<div class="part"><dl>{lines}</dl></div>'
    elif view == "text" or not message.html:
        content = f'<div class="part"><pre>{escape(message.text) or "(It has none.)"}</pre></div>'
    else:
        freedom = 'sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer"'
        content = f'<iframe src="{place}/html" title="The mail" {freedom}></iframe>'
    facts = {"From": message.sender, "To": ", ".join(message.recipients), "Sent": f"{_full(message.at)} · {kind(message)}"}
    lines = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"""<div class="card"><div class="part"><h2>{escape(message.subject or "(no subject)")}</h2><dl>{lines}</dl></div>
<div class="part do">{_mail_buttons(message, place)}</div><div class="part">{_told(events)}</div>
<nav class="part do" aria-label="View">{_tabs(tabs)}</nav>{content}</div>"""


def _mail_buttons(message: Message, place: str) -> str:
    leave = _button(place, "unsubscribe", "Unsubscribe with one click", "bad") if unsubscribe_url(message) else ""
    if not message.configuration_set:
        return f'{leave}<span class="pre">It was sent without a configuration set: SES reports nothing about it.</span>'
    click = ""
    if found := links(message):
        options = "".join(f'<option value="{escape(one)}">{escape(one)}</option>' for one in found)
        choice = f'<span class="say"><select name="link" aria-label="Link">{options}</select><button>Click</button></span>'
        click = f'<form method="post" action="{place}/click">{choice}</form>'
    opened = _button(place, "open", "Open it") + _button(place, "machine", "Open by a machine")
    return f"{opened}{click}{leave}{_button(place, 'bounce', 'Bounce', 'bad')}{_button(place, 'complaint', 'Mark as spam', 'bad')}"


def _conversation(message: Message, texts: Sequence[Message], events: Sequence[Event]) -> str:
    number = escape(_other(message))
    bubbles = "".join(
        f'<div class="{"them" if one.incoming else "us"}{" this" if one.id == message.id else ""}">{escape(one.text)}'
        f"<small>{_full(one.at)}{_after(one, events)}</small></div>"
        for one in texts
    )
    last = next((one for one in reversed(texts) if not one.incoming), message)
    place = f"/mailbox/{quote(last.id)}"
    words = "".join(_button(place, "reply", word, "bad" if word == "STOP" else "", text=word) for word in ("STOP", "START", "HELP"))
    field = f'<input name="text" maxlength="1600" required autocomplete="off" aria-label="Reply" placeholder="Write back as {number}">'
    say = f'<form method="post" action="{place}/reply"><span class="say">{field}<button class="main">Send</button></span></form>'
    if last.configuration_set:
        words += _button(place, "unreachable", "No such number", "bad") + _button(place, "blocked", "Carrier blocks", "bad")
    return f"""<div class="card"><div class="part"><h2>{number}</h2><dl><dt>With</dt><dd>{escape(last.sender)}</dd></dl></div>
<div class="chat">{bubbles}</div><div class="part do">{say}</div><div class="part do">{words}</div></div>"""


def _after(message: Message, events: Sequence[Event]) -> str:
    names = [_TOLD.get(event.name, event.name) for event in events if event.message == message.seq and event.done]
    label = "" if message.incoming else f" · {escape(kind(message))}{', promotional' if message.promotional else ''}"
    return f"{label}{' · ' + escape(', '.join(names)) if names else ''}"


def _told(events: Sequence[Event]) -> str:
    if not events:
        return '<span class="pre">Nothing has been reported yet.</span>'
    lines = "".join(
        f'<li><time datetime="{moment(event.at).isoformat()}">{moment(event.at):%H:%M:%S}</time><span>{escape(_named(event.name))}'
        f"{'' if event.done else ' <span class=pre>(on its way)</span>'}</span></li>"
        for event in events
    )
    return f"<ol>{lines}</ol>"


def _named(name: str) -> str:
    what, _, link = name.partition(" ")
    return f"{_TOLD.get(what, what)} {link}".strip()


def _tabs(tabs: Sequence[tuple[str, str, bool]]) -> str:
    return "".join(f'<a class="tab" href="{place}"{" aria-current=page" if here else ""}>{title}</a>' for place, title, here in tabs)


def _button(place: str, what: str, title: str, looks: str = "", *, text: str = "") -> str:
    hidden = f'<input type="hidden" name="text" value="{text}">' if text else ""
    return f'<form method="post" action="{place}/{what}">{hidden}<button{f" class={looks}" if looks else ""}>{title}</button></form>'


def _alert(providers: Providers) -> str:
    trouble = providers.trouble
    names = {"email": "SES", "sms": "End User Messaging"}
    lines = [f"{names[channel]}: {TROUBLES[mode].lower()}." for channel, mode in trouble.mode.items() if mode != "none"]
    lines += ["Every event comes twice."] if trouble.twice else []
    return f'<p class="note alert" role="status">{escape(" ".join(lines))}</p>' if lines else ""


def _switches(providers: Providers) -> str:
    def choice(channel: Channel, title: str) -> str:
        mode = providers.trouble.mode[channel]
        options = (f'<option value="{key}"{" selected" if key == mode else ""}>{escape(name)}</option>' for key, name in TROUBLES.items())
        return f'<label>{title}<select name="{channel}">{"".join(options)}</select></label>'

    twice = f'<input type="checkbox" name="twice"{" checked" if providers.trouble.twice else ""}>'
    choices = f"{choice('email', 'Mail (SES)')}{choice('sms', 'Texts (End User Messaging)')}"
    form = f'{choices}<label class="check">{twice} Events come twice</label><button class="main">Apply</button>'
    return f"""<details{" open" if _alert(providers) else ""}><summary>Make things go wrong</summary>
<div class="card"><form method="post" action="/mailbox/trouble">{form}</form></div></details>"""


def _other(message: Message) -> str:
    return message.sender if message.incoming else ", ".join(message.recipients)


def _full(at: float) -> str:
    return f"{moment(at):%d %b %Y, %H:%M:%S} UTC"


def _ago(seconds: float, at: float) -> str:
    if seconds < 60:  # noqa: PLR2004  a minute
        return "just now"
    if seconds < 3600:  # noqa: PLR2004  an hour
        return f"{int(seconds // 60)} min ago"
    return f"{int(seconds // 3600)} h ago" if seconds < _DAY_SECONDS else f"{moment(at):%d %b}"


def _page(title: str, body: str, *, refresh: int | None = None) -> str:
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    meta = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">{again}'
    head = f"{meta}<title>{escape(title)}</title><style>{STYLE}</style>"
    top = '<header><h1><a href="/mailbox">Mailbox</a></h1><p>What would have been sent. Nothing leaves this machine.</p></header>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{top}{body}</main></body></html>'
