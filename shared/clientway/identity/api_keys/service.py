"""API keys of the tenant: made and revoked by administrators, with a role of their own."""

from typing import Any
from uuid import UUID

from clientway import effects, paging, tokens
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable
from clientway.identity.api_keys import queries
from clientway.identity.api_keys.schemas import ApiKeyCreate, ApiKeyCreated
from clientway.ids import uuid7

# "cw_key_" and eight characters: enough to recognise a key, far too little to guess it.
PREFIX_LENGTH = 15


class SecretShownOnce(Conflict):
    """The request was carried out before, and its answer held a secret that is not kept."""

    code, title = "secret_shown_once", "Secret shown once"

    def __init__(self) -> None:
        """The hint says how to get a key after all."""
        super().__init__(
            "This key was created already and its secret is not stored. Revoke it and create another with a new Idempotency-Key."
        )


class ExpiryPassed(Unprocessable):
    """A key that has expired before it is made is of no use."""

    code, title = "expiry_passed", "Expiry in the past"


def page(tx: Tx, request: paging.Request, *, include_revoked: bool) -> Any:
    """The tenant's keys."""
    return paging.page(tx, queries.listed(tx, include_revoked=include_revoked), request, queries.SORTS, queries.ROW_ID)


def create(tx: Tx, request: ApiKeyCreate) -> ApiKeyCreated:
    """Make a key. Raises ExpiryPassed (422)."""
    if request.expires_at is not None and request.expires_at <= tx.now:
        raise ExpiryPassed("The key would have expired already.", errors=[FieldError("#/expires_at", "passed", "must lie in the future")])
    token, key_id = tokens.new("key"), uuid7()
    row = queries.create(
        tx,
        {
            "id": key_id, "name": request.name, "role": request.role, "prefix": token[:PREFIX_LENGTH], "token_hash": tokens.digest(token),
            "created_by": tx.actor.id, "expires_at": request.expires_at,
        },
    )  # fmt: skip
    effects.audit(tx, "api_key.created", "api_key", key_id, {"name": request.name, "role": request.role, "expires_at": request.expires_at})
    return ApiKeyCreated(token=token, **row)


def revoke(tx: Tx, key_id: UUID) -> None:
    """Revoke a key at once, also the one that asks. Raises NotFound (404)."""
    if not queries.revoke(tx, key_id):
        raise NotFound("There is no such key, or it has been revoked.")
    effects.audit(tx, "api_key.revoked", "api_key", key_id)
