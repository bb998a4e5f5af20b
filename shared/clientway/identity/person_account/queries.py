"""The database functions of people's own accounts; they run as a role of their own (sql/0013_persons_own.sql)."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway import tokens
from clientway.db import Tx
from clientway.identity.sign_in.secrets import Challenge
from clientway.ids import uuid7
from clientway.paging import Request, pages, place

Found = dict[str, Any]


def start(tx: Tx, email_blind: str | None, secret: Challenge, source_hash: str, mail: dict[str, str]) -> None:
    """Keep a link and queue its mail; nothing without an address, or when it was asked for too often."""
    given = {
        "email": email_blind, "link": uuid7(), "token_hash": secret.token_hash, "code_hash": secret.code_hash,
        "nonce_hash": secret.nonce_hash, "source": source_hash, "mail_id": uuid7(), "mail": json.dumps(mail),
    }  # fmt: skip
    tx.execute(_START, given)


def finish(tx: Tx, proof: dict[str, str | None], token: str) -> Found | None:
    """Open a session for a link's token or code, or answer None."""
    found: Found | None = tx.scalar(_FINISH, {**proof, "session": uuid7(), "session_hash": tokens.digest(token)})
    return found


def leave(tx: Tx, session: str) -> None:
    """End a session. Raises Unauthorized (401)."""
    tx.execute(_LEAVE, {"session": session})


def history(tx: Tx, session: str, request: Request) -> Any:
    """A page of what all tenants do for a person. Raises Unauthorized (401)."""
    return _turned(tx, _HISTORY, session, request)


def proposals(tx: Tx, session: str, request: Request) -> Any:
    """A page of what tenants have proposed. Raises Unauthorized (401)."""
    return _turned(tx, _PROPOSALS, session, request)


def decide(
    tx: Tx, session: str, proposal_id: UUID, *, confirm: bool, fields: Sequence[str] | None = None,
    slugs: Sequence[str] | None = None, email_session: str | None = None,
) -> Found | None:  # fmt: skip
    """Lock a proposal and decide on it; None when there is no such one. Says what became of it, or what is wrong with the choice."""
    given = {
        "session": session, "id": proposal_id, "confirm": confirm, "fields": list(fields) if fields else None,
        "slugs": list(slugs) if slugs else None, "email_session": email_session,
    }  # fmt: skip
    found: Found | None = tx.scalar(_DECIDE, given)
    return found


def act(tx: Tx, session: str, tenant_id: str, contact_id: str) -> None:
    """Go on as the person within one tenant. Raises Forbidden (403) when it does not hold them."""
    tx.become(tx.scalar(_ACT, {"session": session, "tenant": tenant_id, "contact": contact_id}))


def _turned(tx: Tx, statement: Any, session: str, request: Request) -> Any:
    at, last_id = place(request)
    found: Found = tx.scalar(statement, {"session": session, "limit": request.limit, "at": at, "id": last_id})
    return pages(request, found["data"], last=(found["last_at"], found["last_id"]) if found["has_more"] else None)


_START = text(
    "select app.start_person_sign_up(:email, :link, :token_hash, :code_hash, :nonce_hash, :source, :mail_id, cast(:mail as jsonb))"
)
_FINISH = text("select app.finish_person_sign_up(:nonce_hash, :token_hash, :code_hash, :session, :session_hash)")
_LEAVE = text("select app.leave_person(:session)")
_HISTORY = text("select app.person_history(:session, :limit, cast(:at as timestamptz), cast(:id as uuid))")
_PROPOSALS = text("select app.person_proposals(:session, :limit, cast(:at as timestamptz), cast(:id as uuid))")
_DECIDE = text("select app.decide_proposal(:session, :id, :confirm, cast(:fields as text[]), cast(:slugs as text[]), :email_session)")
_ACT = text("select app.act_for_person(:session, cast(:tenant as uuid), cast(:contact as uuid))")
