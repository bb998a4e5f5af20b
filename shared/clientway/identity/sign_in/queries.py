"""The database functions of signing in; they run as a role of their own (sql/0002_sign_in.sql)."""

import json
from typing import Any

from sqlalchemy import text

from clientway import tokens
from clientway.db import Tx
from clientway.identity.sign_in.secrets import Challenge
from clientway.ids import uuid7


def start(tx: Tx, email_norm: str, tenant: str | None, secret: Challenge, mail: dict[str, str]) -> None:
    """Keep a link for a known member and queue its mail; nothing for anybody else."""
    tx.execute(_START, {"email": email_norm, "tenant": tenant, **_hashes(secret, mail)})


def start_portal(tx: Tx, tenant: str, slug: str, email_norm: str, secret: Challenge, mail: dict[str, str]) -> None:
    """The same for a contact whose portal is open."""
    tx.execute(_START_PORTAL, {"tenant": tenant, "slug": slug, "email": email_norm, **_hashes(secret, mail)})


def finish(tx: Tx, proof: dict[str, str | None], session_token: str, user_agent: str) -> dict[str, Any] | None:
    """Open a session for a link's token or code (`proof`: nonce, token and code hashes), or answer None."""
    found: dict[str, Any] | None = tx.scalar(_FINISH, {**proof, **_session(session_token, user_agent)})
    return found


def finish_portal(tx: Tx, slug: str, proof: dict[str, str | None], session_token: str, user_agent: str) -> dict[str, Any] | None:
    """The same for a contact."""
    found: dict[str, Any] | None = tx.scalar(_FINISH_PORTAL, {"slug": slug, **proof, **_session(session_token, user_agent)})
    return found


def finish_oidc(
    tx: Tx, *, issuer: str, subject: str, email_norm: str, name: str, tenant: str | None, session_token: str, user_agent: str
) -> dict[str, Any] | None:
    """Open a session for a verified identity, or answer None when it belongs to no member."""
    given = {"issuer": issuer, "subject": subject, "email": email_norm, "name": name, "tenant": tenant}
    found: dict[str, Any] | None = tx.scalar(_OIDC, {**given, **_session(session_token, user_agent)})
    return found


def _hashes(secret: Challenge, mail: dict[str, str]) -> dict[str, Any]:
    return {
        "link": uuid7(), "token_hash": secret.token_hash, "code_hash": secret.code_hash, "nonce_hash": secret.nonce_hash,
        "mail_id": uuid7(), "mail": json.dumps(mail),
    }  # fmt: skip


def _session(token: str, user_agent: str) -> dict[str, Any]:
    # For its owner to recognise the session by: no header can keep anybody out, nor fill the table.
    return {"session": uuid7(), "session_hash": tokens.digest(token), "user_agent": user_agent.replace("\x00", "")[:500]}


_START = text("select app.start_sign_in(:email, :tenant, :link, :token_hash, :code_hash, :nonce_hash, :mail_id, cast(:mail as jsonb))")
_START_PORTAL = text(
    "select app.start_portal_sign_in(:tenant, :slug, :email, :link, :token_hash, :code_hash, :nonce_hash, :mail_id, cast(:mail as jsonb))"
)
_FINISH = text("select app.finish_sign_in(:nonce_hash, :token_hash, :code_hash, :session, :session_hash, :user_agent)")
_FINISH_PORTAL = text("select app.finish_portal_sign_in(:slug, :nonce_hash, :token_hash, :code_hash, :session, :session_hash, :user_agent)")
_OIDC = text("select app.sign_in_oidc(:issuer, :subject, :email, :name, :tenant, :session, :session_hash, :user_agent)")
