"""Templates that tenants write: what they may hold, and what becomes of them for one recipient.

The language is a small part of Jinja's: text, `{{ contact.first_name }}`, `{% if %}` and a few filters. A template is read
into Jinja's tree, everything that is not on a list refused, and each variable's two names replaced by one of our own, so
that no attribute of any object is looked up when it runs. What a recipient's data holds is never read as a template.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any, Final

from clientway.errors import FieldError, Unprocessable
from clientway.messaging.delivery.message import line
from clientway.messaging.templates import filters, markup
from clientway.messaging.templates.tree import Broken, Part, read

if TYPE_CHECKING:
    from jinja2 import Template

LONGEST: Final[Mapping[str, int]] = {"subject": 500, "body_text": 50_000, "body_html": 200_000}
LONGEST_SMS: Final = 1_000
"""Characters of a text message's template."""
LONGEST_TEXT_MESSAGE: Final = 1_600
"""Characters of a text message as the provider takes it."""
LONGEST_VALUE: Final = 5_000
"""Characters of one variable; more is cut off. With at most 100 expressions it bounds what a template makes."""
LONGEST_SUBJECT: Final = 250
EMPTY: Final = "empty_message"
"""The reason why a message that would say nothing is not sent."""
OPT_OUT: Final = "Reply STOP to opt out"
_SAYS_STOP = re.compile(r"\b(?:reply|text|send|respond)\b[^.\n]{0,20}\bstop\b", re.IGNORECASE)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_COMPILED = 128


class TemplateRefused(Unprocessable):
    """422: a template breaks a rule; `errors` say where."""

    code, title = "template_refused", "Template refused"


@dataclass(frozen=True, slots=True)
class Source:
    """A template as it was written. Without a subject it is a text message's; without HTML that is made from the text."""

    subject: str | None
    text: str
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message for one recipient. A mail has a subject and HTML, a text message neither."""

    subject: str | None
    text: str
    html: str | None
    empty: bool = False
    """Whether it says nothing, to some reader at least: nobody is sent such a message."""


def check(channel: str, subject: str | None, text: str, html: str | None = None) -> list[FieldError]:
    """What is wrong with a template, each with its place: nothing when it can be sent. Pure, and quick for whatever is given."""
    errors = []
    if channel == "email" and subject is None:
        errors.append(FieldError("#/subject", "required", "a mail has a subject"))
    if channel == "sms":
        given = {"subject": subject, "body_html": html}
        errors += [FieldError(f"#/{name}", "not_for_sms", "a text message has none") for name, value in given.items() if value is not None]
    parts = {"subject": subject, "body_text": text, "body_html": html if channel == "email" else None}
    for name, source in parts.items():
        if source is None or any(error.pointer == f"#/{name}" for error in errors):
            continue
        if markup.blank(source):
            errors.append(FieldError(f"#/{name}", "says_nothing", "nothing but blanks"))
            continue
        most = LONGEST_SMS if channel == "sms" else LONGEST[name]
        if len(source) > most:
            errors.append(FieldError(f"#/{name}", "too_long", f"at most {most} characters"))
            continue
        try:
            read(source, escaping=name == "body_html")
            if name == "body_text" and html is None and channel == "email":
                read(source, escaping=True, as_html=True)
        except Broken as broken:
            errors.append(FieldError(f"#/{name}", broken.code, broken.message))
    return errors


def require(channel: str, subject: str | None, text: str, html: str | None = None) -> None:
    """Raise TemplateRefused (422) unless the template can be sent."""
    errors = check(channel, subject, text, html)
    if errors:
        raise TemplateRefused("The template breaks a rule.", errors=errors)


def render(source: Source, variables: Mapping[str, Any]) -> Rendered:
    """Fill a template in for one recipient; never fails for what the variables hold.

    `variables` maps `contact`, `tenant`, … to mappings of their fields and `unsubscribe_url` to text; what is missing renders
    empty. Raises TemplateRefused (422) for a template that `check` refuses.
    """
    compiled = _compile(source)
    given = _values(compiled.variables, variables)
    text = compiled.text.render(given)
    if compiled.subject is None or compiled.html is None:
        return Rendered(None, text.strip()[:LONGEST_TEXT_MESSAGE], None, empty=markup.blank(text))
    subject = line(compiled.subject.render(given))[:LONGEST_SUBJECT]
    html = compiled.html.render(given)
    empty = markup.blank(subject) or markup.blank(text) or (source.html is not None and markup.blank_page(html))
    return Rendered(subject, text, html, empty=empty)


def with_footer(rendered: Rendered, postal_address: str | None, unsubscribe_url: str) -> Rendered:
    """A marketing mail with the sender's postal address and the link to unsubscribe, where it does not show them itself.

    A text message gets the word that ends them instead, unless it names it.
    """
    if rendered.html is None:
        return with_opt_out(rendered)
    text_lines, html_lines = [], []
    if postal_address and postal_address not in rendered.text:
        text_lines.append(postal_address)
    if unsubscribe_url not in rendered.text:
        text_lines.append(f"Unsubscribe: {unsubscribe_url}")
    if postal_address and filters.lines(postal_address) not in rendered.html and escape(postal_address) not in rendered.html:
        html_lines.append(filters.lines(postal_address))
    if escape(unsubscribe_url) not in rendered.html and unsubscribe_url not in rendered.html:
        html_lines.append(f'<a href="{escape(unsubscribe_url)}">Unsubscribe</a>')
    text = "\n".join([rendered.text.rstrip("\n"), "", "-- ", *text_lines, ""]) if text_lines else rendered.text
    html = (
        _before_end(rendered.html, f'<p style="color:#555;font-size:.85em">{"<br>".join(html_lines)}</p>') if html_lines else rendered.html
    )
    return replace(rendered, text=text, html=html)


def with_opt_out(rendered: Rendered) -> Rendered:
    """A marketing text message that says how to end them."""
    if _SAYS_STOP.search(rendered.text):
        return rendered
    room = LONGEST_TEXT_MESSAGE - len(OPT_OUT) - 1
    return replace(rendered, text=f"{rendered.text[:room].rstrip()}\n{OPT_OUT}".lstrip())


def _before_end(html: str, addition: str) -> str:
    at = html.lower().rfind("</body>")
    # Lowering may lengthen a text (İ): then the place is not the same in both.
    return f"{html[:at]}{addition}{html[at:]}" if at >= 0 and html[at : at + 7].lower() == "</body>" else html + addition


@dataclass(frozen=True, slots=True)
class _Compiled:
    subject: "Template | None"
    text: "Template"
    html: "Template | None"
    variables: tuple[tuple[str, str, str | None], ...]


@lru_cache(maxsize=_COMPILED)
def _compile(source: Source) -> _Compiled:
    try:
        text = read(source.text, escaping=False)
        parts: list[Part] = [text]
        subject = html = None
        if source.subject is not None:
            subject = read(source.subject, escaping=False)
            html = read(source.text if source.html is None else source.html, escaping=True, as_html=source.html is None)
            parts += [subject, html]
    except Broken as broken:
        error = FieldError("#/template", broken.code, broken.message)
        raise TemplateRefused("The template cannot be used.", errors=[error]) from None
    used = sorted({one for part in parts for one in part.variables}, key=str)
    return _Compiled(subject.template if subject else None, text.template, html.template if html else None, tuple(used))


def _values(used: tuple[tuple[str, str, str | None], ...], variables: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, root, field in used:
        value = variables.get(root)
        if field is not None:
            value = value.get(field) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            if len(value) > LONGEST_VALUE:
                value = value[:LONGEST_VALUE]
            found[name] = value if value.isprintable() else _CONTROLS.sub("", value)
        elif isinstance(value, (bool, int, float)):
            found[name] = value
        # Nothing, and whatever is no plain value, renders empty.
    return found


# GSM 03.38: one septet each, and those that take two.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWO = frozenset("\f^{}\\[~]|€")
_SEPTETS, _SEPTETS_OF_SEVERAL = 160, 153
_UNITS, _UNITS_OF_SEVERAL = 70, 67
_BASIC = 0xFFFF


def segments_of(text: str) -> int:
    """How many segments a text message is sent, and paid for, as: of 160 (153) GSM-7 characters or 70 (67) UTF-16 units.

    A character of two is never split between segments. Source: 3GPP TS 23.038 and 23.040.
    """
    if all(one in _GSM or one in _GSM_TWO for one in text):
        sizes, alone, together = [2 if one in _GSM_TWO else 1 for one in text], _SEPTETS, _SEPTETS_OF_SEVERAL
    else:
        sizes, alone, together = [2 if ord(one) > _BASIC else 1 for one in text], _UNITS, _UNITS_OF_SEVERAL
    if sum(sizes) <= alone:
        return 1 if text else 0
    segments, room = 1, together
    for size in sizes:
        if size > room:
            segments, room = segments + 1, together
        room -= size
    return segments
