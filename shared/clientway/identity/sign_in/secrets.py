"""The secrets of one sign-in by e-mail, and the cookies that hold their halves."""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from clientway import tokens
from clientway.config import settings

LINK_SECONDS = 15 * 60
SESSION_SECONDS = 12 * 60 * 60
STAFF_NONCE = "__Host-clientway-nonce"
PORTAL_NONCE = "__Host-clientway-portal-nonce"
PERSON_NONCE = "__Host-clientway-person-nonce"

_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Challenge:
    """One link: the token goes into the mail's link, the code beside it, the nonce stays in the browser that asked."""

    token: str
    code: str
    nonce: str

    @property
    def token_hash(self) -> str:
        """What is kept of the token."""
        return tokens.digest(self.token)

    @property
    def nonce_hash(self) -> str:
        """What is kept of the nonce."""
        return tokens.digest(self.nonce)

    @property
    def code_hash(self) -> str:
        """What is kept of the code."""
        return code_hash(self.nonce, self.code)


def challenge(nonce: str | None) -> Challenge:
    """Fresh secrets; a browser that asks again keeps its nonce, so that the link of its first mail works too."""
    return Challenge(secrets.token_urlsafe(32), f"{secrets.randbelow(1_000_000):06d}", nonce or secrets.token_urlsafe(32))


def code_hash(nonce: str, code: str) -> str:
    """A keyed hash: the bare SHA-256 of six digits would be no secret to somebody who reads the table."""
    return hmac.digest(settings().signing_key, f"code:{nonce}:{code}".encode(), "sha256").hex()


def nonce_in(cookies: Iterable[str], name: str) -> str | None:
    """The browser's nonce among a request's cookies, if it is one of ours."""
    try:
        morsel = SimpleCookie("; ".join(cookies)).get(name)
    except CookieError:
        return None
    return morsel.value if morsel is not None and _NONCE.fullmatch(morsel.value) else None


def cookie(name: str, value: str, seconds: int) -> Cookie:
    """A cookie of this host alone, unreadable for scripts; Lax, so that a followed link still carries it."""
    return Cookie(name, value, path="/", secure=True, http_only=True, max_age=seconds, same_site=SameSite.LAX_MODE)


def cleared(name: str) -> Cookie:
    """Have the browser forget a cookie."""
    return cookie(name, "", 0)
