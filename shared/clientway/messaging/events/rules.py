"""What an event says: whether a person or a machine opened a mail, and what somebody means who answers a text."""

import re
import unicodedata
from datetime import timedelta
from typing import Final, Literal

Keyword = Literal["help", "start", "stop"]

AT_ONCE: Final = timedelta(seconds=5)
"""Nobody opens a mail this soon after it was taken: what does is a gateway that looks at it first."""

# Who fetches images and links without anybody looking. Apple's privacy protection calls itself "Mozilla/5.0" and nothing more.
_MACHINES: Final = re.compile(
    r"^\s*$|^mozilla/5\.0$|(?<!cu)bot\b|crawler|spider|scanner|preview|headless|barracuda|mimecast|proofpoint|symantec|fireeye|trendmicro|"
    r"existence discovery|safelinks|linkcheck|python-|curl/|wget/|go-http-client|java/|okhttp|apache-httpclient|libwww|node-fetch|axios",
    re.IGNORECASE,
)

# Design 3, §7: the words that revoke at once. The first line are those that AWS End User Messaging answers by itself.
PROVIDERS_OWN: Final = frozenset({"arret", "cancel", "end", "opt-out", "optout", "quit", "remove", "stop", "td", "unsubscribe"})
_STOP: Final = PROVIDERS_OWN | {
    "stopall", "stop all", "opt out", "revoke", "unsub", "optout all", "stop now", "please stop",
    "alto", "arrêt", "baja", "basta", "cancelar", "parar", "pare", "no mas", "no más",
}  # fmt: skip
_START: Final = frozenset({"start", "unstop", "resume", "opt in", "optin", "subscribe", "resubscribe"})
_HELP: Final = frozenset({"help", "info", "aide"})
_NO: Final = r"\b(?:do not|don'?t|dont|never|no longer)"
# And what says the same in plain words. Rather one too many: a court asks what the person meant.
_REVOKES: Final = re.compile(
    r"\b(?:stop|quit|cease|no more|enough of)\s+(?:(?:all|any|the|these|those|this|your|with|sending|of)\s+)*"
    r"(?:text|txt|sms|messag|contact|call|send|spam|bother|harass|notif|reminder|marketing|promo)"
    # Not "don't forget to call": that wants more of it.
    rf"|{_NO}\s+(?!(?:forget|hesitate|fail|worry|mind)\b)(?:\w+\s+){{0,3}}?(?:text|txt|sms|messag|contact|call|send|bother|reach)"
    rf"|{_NO}\s+(?:\w+\s+)?(?:want|wish|need)\s+(?:\w+\s+){{0,4}}?(?:texts?|txts?|sms|messages?|messaging|reminders|calls|promo\w*|spam|marketing)\b"
    rf"|{_NO}\s+(?:\w+\s+)?(?:want|wish)\s+(?:any of )?(?:this|these|them|those|any|any ?more)$"
    rf"|{_NO}\s+(?:\w+\s+)?(?:want|wish)\s+to\s+(?:hear|be (?:text|contact|call|bother|messag))"
    r"|\b(?:remove|delete)\s+(?:me\b|my (?:number|phone|name|info|contact|data)|this (?:number|phone|contact))"
    r"|^(?:text|txt|reply|send)\s+stop$"
    r"|\btake\s+(?:me|my (?:number|phone|name)|this (?:number|phone))\s+(?:off|out|from)\b"
    r"|\bopt(?:ing)?\s+(?:me\s+)?out\b|\bunsubscribe\b|\bleave me alone\b"
    r"|\b(?:revoke|withdraw)\b.*\bconsent\b|\bwrong (?:number|person)\b|\blose my number\b",
    re.IGNORECASE,
)
# "Don't stop" and "do not unsubscribe me" revoke nothing.
_KEEPS: Final = re.compile(r"\b(?:do not|don'?t|dont|never)\s+(?:ever\s+)?(?:stop|quit|cancel|remove|unsubscribe|opt)\b", re.IGNORECASE)
_REPEATED: Final = re.compile(r"\b(\w+)(?: \1)+\b")
_SPELT: Final = re.compile(r"\b(\w)[ -](?=\w\b)")
_FEW_WORDS: Final = 4
LONGEST: Final = 1_600
"""Characters of an answer that are looked at: as many as a text has."""


def is_machine(user_agent: str | None, *, after: timedelta) -> bool:
    """Whether an open or a click is a machine's: by what it calls itself, or because it came `after` so short a time."""
    return after < AT_ONCE or _MACHINES.search((user_agent or "").strip()) is not None


def keyword(text: str) -> Keyword | None:
    """What an answer to a text asks for, if it is more than an answer."""
    # Wide letters are letters, and what is said after so much of it is no wish; those expressions are no match for a book.
    text = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    words = " ".join(re.sub(r"[^\w\s'’-]", " ", text).replace("’", "'").split()).strip("-' ")
    # However often it is said, or letter by letter.
    words = _SPELT.sub(r"\1", _REPEATED.sub(r"\1", words))
    if words in _STOP:
        return "stop"
    if words in _START:
        return "start"
    if words in _HELP:
        return "help"
    if _REVOKES.search(words) and not _KEEPS.search(words):
        return "stop"
    # "STOP!!! I mean it": the word alone at the front of a short answer.
    first, _, rest = words.partition(" ")
    return (
        "stop" if first in {"stop", "unsubscribe", "stopall"} and len(rest.split()) <= _FEW_WORDS and not rest.startswith("by ") else None
    )


def provider_answers(text: str) -> bool:
    """Whether the provider answers such a STOP, START or HELP by itself, so that a second answer would be one too many.

    START and UNSTOP as keywords of the number, which docs/deployment.md has given to it: without them it takes no text for it.
    """
    return text.strip().casefold() in PROVIDERS_OWN | {"help", "start", "unstop"}
