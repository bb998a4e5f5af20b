"""Contacts sign in to their portal as staff do, by a link or a code; the address has to be the contact's own."""

from urllib.parse import urlencode
from uuid import UUID

from clientway import effects, normalise, tokens
from clientway.config import settings
from clientway.db import Tx
from clientway.identity.portal_sign_in import queries
from clientway.identity.portal_sign_in.schemas import PortalSignedIn, PortalSignInStart
from clientway.identity.sign_in import queries as links
from clientway.identity.sign_in.schemas import SignInFinish, SignInStarted
from clientway.identity.sign_in.secrets import LINK_SECONDS, Challenge
from clientway.identity.sign_in.service import proof, refused

_STARTED = SignInStarted(
    message="If this address may open the portal, a mail with a link and a code is on its way.",
    expires_in_seconds=LINK_SECONDS,
)


def start(tx: Tx, slug: str, request: PortalSignInStart, secret: Challenge) -> SignInStarted:
    """Queue a portal mail if slug, tenant and address belong together and the portal is open; the answer never tells."""
    email_norm = normalise.email(request.email) or ""
    fragment = urlencode({"portal": slug, "tenant": request.tenant, "token": secret.token})
    mail = {"template": "portal_link", "url": f"{settings().public_url}/sign-in#{fragment}", "code": secret.code}
    links.start_portal(tx, request.tenant, slug, email_norm, secret, mail)
    return _STARTED


def finish(tx: Tx, slug: str, request: SignInFinish, nonce: str | None, user_agent: str) -> PortalSignedIn:
    """Open a portal session and put the visit on the timeline. Raises SignInRefused (401)."""
    token = tokens.new("ptl")
    opened = links.finish_portal(tx, slug, proof(request, nonce), token, user_agent) if nonce else None
    if opened is None:
        raise refused()
    tx.become(opened)
    effects.record(
        tx, "portal_login", "Signed in to the portal", contact_id=tx.actor.id,
        organization_id=UUID(opened["organization_id"]) if opened["organization_id"] else None,
        event_key=f"portal_login:{tx.actor.credential_id}",
    )  # fmt: skip
    effects.audit(tx, "portal_session.opened", "portal_session", tx.actor.credential_id)
    return PortalSignedIn(token=token, expires_at=opened["expires_at"], slug=opened["slug"], name=opened["name"])


def sign_out(tx: Tx) -> None:
    """End the portal session that this request came with."""
    session_id = tx.actor.credential_id
    queries.revoke(tx, session_id)
    effects.audit(tx, "portal_session.signed_out", "portal_session", session_id)
