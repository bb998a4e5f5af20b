"""The transactional mails, as plain text and as HTML. Whatever a tenant or a person wrote is escaped before it becomes HTML."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape


class UnknownTemplateError(Exception):
    """A queued mail names a template that this version does not have; retried, and then kept in the dead letter queue."""


@dataclass(frozen=True)
class Rendered:
    """One mail, ready to be sent."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class _Template:
    subject: str
    intro: str
    button: str
    code: bool
    outro: str


_SIGN_IN_OUTRO = (
    "The link works once, for 15 minutes, and only in the browser in which you asked for it. "
    "If you did not ask to sign in, ignore this mail and do not share the code with anybody."
)
_TEMPLATES = {
    "staff_link": _Template(
        subject="Sign in to {tenant_name}",
        intro="Somebody, hopefully you, asked to sign in to {tenant_name} with this address.",
        button="Sign in",
        code=True,
        outro=_SIGN_IN_OUTRO,
    ),
    "portal_link": _Template(
        subject="Your sign-in link for {tenant_name}",
        intro="Somebody, hopefully you, asked to open your client portal at {tenant_name}.",
        button="Open the portal",
        code=True,
        outro=_SIGN_IN_OUTRO,
    ),
    "person_link": _Template(
        subject="Your sign-in link",
        intro="Somebody, hopefully you, asked to see everything that businesses on Clientway do for the owner of this address.",
        button="Show it to me",
        code=True,
        outro=_SIGN_IN_OUTRO,
    ),
    "invitation": _Template(
        subject="{inviter} invites you to {tenant_name}",
        intro="{inviter} has given you the role {role} at {tenant_name}.",
        button="Sign in with this address",
        code=False,
        outro="You need no password: ask for a sign-in link with this address. If you do not know the sender, ignore this mail.",
    ),
}

_BUTTON = "display:inline-block;padding:.7em 1.4em;background:#2f5bea;color:#fff;text-decoration:none;border-radius:8px"


def render(template: str, data: Mapping[str, str]) -> Rendered:
    """Fill a template in. Raises UnknownTemplateError, KeyError when a value is missing."""
    chosen = _TEMPLATES.get(template)
    if chosen is None:
        raise UnknownTemplateError(template)
    values = {name: " ".join(str(value).split()) for name, value in data.items()}
    intro, url, code = chosen.intro.format_map(values), values["url"], values["code"] if chosen.code else None
    lines = [intro, "", f"{chosen.button}: {url}", ""]
    if code:
        lines += [f"Reading this on another device? Type this code where you asked: {code}", ""]
    return Rendered(chosen.subject.format_map(values), "\n".join([*lines, chosen.outro, ""]), _html(chosen, intro, url, code))


def _html(template: _Template, intro: str, url: str, code: str | None) -> str:
    other_device = f"<p>Reading this on another device? Type this code where you asked: <strong>{escape(code)}</strong></p>" if code else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"></head>'
        '<body style="font-family:sans-serif;line-height:1.5;color:#1a1a1a;max-width:34rem">'
        f"<p>{escape(intro)}</p>"
        f'<p><a href="{escape(url)}" style="{_BUTTON}">'
        f"{escape(template.button)}</a></p>{other_device}"
        f'<p style="color:#555;font-size:.9em">{escape(template.outro)}</p></body></html>'
    )
