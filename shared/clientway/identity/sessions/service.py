"""Who am I, and where am I (or for administrators: is anybody) signed in."""

from typing import Any
from uuid import UUID

from clientway import effects, paging
from clientway.access import PERMISSIONS
from clientway.db import Tx
from clientway.errors import NotFound
from clientway.identity.sessions import queries
from clientway.identity.sessions.schemas import Me, TenantSettings


def me(tx: Tx) -> Me:
    """The caller, its tenant and its permissions."""
    row = queries.tenant_and_email(tx)
    actor, email = tx.actor, row.pop("email")
    permissions = [name for name, roles in PERMISSIONS.items() if actor.role in roles]
    return Me.model_validate(
        {
            "kind": actor.kind, "id": actor.id, "name": actor.name, "email": email, "role": actor.role, "permissions": permissions,
            "tenant": TenantSettings(**row),
        }
    )  # fmt: skip


def page(tx: Tx, request: paging.Request, user_id: UUID | None) -> Any:
    """Live sessions: an administrator sees the whole tenant's, anybody else their own."""
    return paging.page(tx, queries.live(tx, user_id=user_id), request, queries.SORTS, queries.ROW_ID)


def revoke(tx: Tx, session_id: UUID) -> None:
    """End a session at once: one's own, or as an administrator anybody's. Raises NotFound (404)."""
    whose = queries.revoke(tx, session_id, user_id=None if tx.actor.role == "admin" else _own(tx))
    if whose is None:
        raise NotFound("There is no such session, or it has ended.")
    effects.audit(tx, "session.revoked", "session", session_id, {"user_id": whose})


def sign_out(tx: Tx) -> None:
    """End the session that this request came with; an API key has none to end."""
    session_id = tx.actor.credential_id
    if tx.actor.kind == "user" and session_id is not None:
        queries.revoke(tx, session_id, user_id=tx.actor.id)
        effects.audit(tx, "session.signed_out", "session", session_id)


def _own(tx: Tx) -> UUID:
    # An API key's own id is no user's, so it finds no sessions.
    return tx.actor.id or tx.tenant_id
