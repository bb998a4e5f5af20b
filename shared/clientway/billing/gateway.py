"""The tenant's account at a payment provider, as far as billing needs it to ask for something there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx

# As part of other statements too. What is pending or restricted takes no money, so nothing is asked of it.
GATEWAY_JSON: Final = """(select jsonb_build_object('endpoint_id', a.endpoint_id, 'mode', a.mode, 'account_id', a.account_id)
    from stripe_accounts a where a.tenant_id = app.tenant() and a.status = 'connected')"""
_GATEWAY = text(f"select {GATEWAY_JSON}")


@dataclass(frozen=True)
class Gateway:
    """Whose account, and how it is reached; no secret is in it."""

    endpoint_id: UUID
    mode: str
    account_id: str | None

    def as_json(self) -> dict[str, Any]:
        """As messages carry it."""
        return {"endpoint_id": str(self.endpoint_id), "mode": self.mode, "account_id": self.account_id}


def gateway(tx: Tx) -> Gateway | None:
    """The tenant's connected account, or None."""
    return of_row(tx.scalar(_GATEWAY))


def of_row(found: Mapping[str, Any] | None) -> Gateway | None:
    """What GATEWAY_JSON found."""
    return None if found is None else of_json(found)


def of_json(found: Mapping[str, Any]) -> Gateway:
    """What `as_json` made."""
    return Gateway(UUID(found["endpoint_id"]), found["mode"], found["account_id"])
