"""Staff sign in by a link, a code, or through the identity provider that the gateway trusts.

The link follows what mail scanners taught everybody: opening it changes nothing, using it takes a POST from the browser
that asked for it, and on another device six digits are typed instead.
"""

from collections.abc import Mapping
from typing import Any

from clientway import effects, normalise, tokens
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import Forbidden, Unauthorized
from clientway.identity.sign_in import queries
from clientway.identity.sign_in.schemas import OidcSignIn, SignedIn, SignInFinish, SignInStart, SignInStarted, TenantName
from clientway.identity.sign_in.secrets import LINK_SECONDS, Challenge, code_hash

_STARTED = SignInStarted(
    message="If this address is known, a mail with a link and a code is on its way.",
    expires_in_seconds=LINK_SECONDS,
)


class SignInRefused(Unauthorized):
    """The link or code is wrong, used, expired, or from another browser; which of them is not said."""

    code, title = "sign_in_refused", "Sign-in refused"
    # The failed try has been counted.
    commits = True


class EmailNotVerified(Forbidden):
    """The identity provider does not vouch for an e-mail address."""

    code, title = "email_not_verified", "E-mail not verified"


class NotAMember(Forbidden):
    """The identity is known to the provider, but to no tenant here (or not to the one asked for)."""

    code, title = "not_a_member", "Not a member"


def start(tx: Tx, request: SignInStart, secret: Challenge) -> SignInStarted:
    """Queue a sign-in mail if the address is a member's; the answer never tells."""
    # An impossible address takes the same way through the database as an unknown one.
    email_norm = normalise.email(request.email) or ""
    url = f"{settings().public_url}/sign-in#token={secret.token}"
    queries.start(tx, email_norm, request.tenant, secret, {"template": "staff_link", "url": url, "code": secret.code})
    return _STARTED


def finish(tx: Tx, request: SignInFinish, nonce: str | None, user_agent: str) -> SignedIn:
    """Open a session. Raises SignInRefused (401)."""
    token = tokens.new("ses")
    opened = queries.finish(tx, proof(request, nonce), token, user_agent) if nonce else None
    if opened is None:
        raise refused()
    return _signed_in(tx, opened, token)


def finish_oidc(tx: Tx, request: OidcSignIn, claims: Mapping[str, str], user_agent: str) -> SignedIn:
    """Open a session for the identity in a token's claims, which the gateway has verified.

    Raises EmailNotVerified (403), NotAMember (403).
    """
    email_norm = normalise.email(claims.get("email", ""))
    # The gateway passes every claim as text.
    if email_norm is None or claims.get("email_verified") != "true":
        raise EmailNotVerified("The identity provider's token carries no verified e-mail address; send its ID token.")
    token = tokens.new("ses")
    opened = queries.finish_oidc(
        tx, issuer=claims["iss"], subject=claims["sub"], email_norm=email_norm, name=claims.get("name", ""), tenant=request.tenant,
        session_token=token, user_agent=user_agent,
    )  # fmt: skip
    if opened is None:
        raise NotAMember("This identity is not a member here; an administrator can invite it.")
    return _signed_in(tx, opened, token)


def proof(request: SignInFinish, nonce: str | None) -> dict[str, str | None]:
    """The hashes by which the database finds and checks a link."""
    return {
        "nonce_hash": tokens.digest(nonce or ""),
        "token_hash": tokens.digest(request.token) if request.token else None,
        "code_hash": code_hash(nonce or "", request.code) if request.code else None,
    }


def refused() -> SignInRefused:
    """The one refusal of every way to finish."""
    return SignInRefused(
        "The link or code is not valid: it works once, for 15 minutes, in the browser where it was asked for. Ask for a new one."
    )


def _signed_in(tx: Tx, opened: dict[str, Any], token: str) -> SignedIn:
    tx.become(opened)
    effects.audit(tx, "session.opened", "session", tx.actor.credential_id, {"role": opened["role"]})
    return SignedIn(
        token=token, expires_at=opened["expires_at"], role=opened["role"], name=opened["name"], email=opened["email"],
        tenant=TenantName(**opened["tenant"]), tenants=[TenantName(**tenant) for tenant in opened["tenants"]],
    )  # fmt: skip
