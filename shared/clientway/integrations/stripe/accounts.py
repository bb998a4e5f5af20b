"""A tenant's own Stripe account: connecting it, giving it up, and what is heard of it meanwhile.

Runs beside the database and never sees a key: that is handed in elsewhere (keys), against a ticket from here.
"""

import os
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from clientway import effects
from clientway.billing.invoices import service as invoices
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import Conflict, NotFound, check_version
from clientway.integrations.stripe import account_queries as queries
from clientway.integrations.stripe import tickets
from clientway.integrations.stripe.account_schemas import StripeAccount, StripeConnect, StripeConnecting, StripeUpload
from clientway.integrations.stripe.schemas import Failure
from clientway.moments import rfc3339

KEY_PATH = "/api/integrations/stripe/key"
_IN_USE = ("connected", "restricted")
_LONGEST_ERROR = 500
_DISCONNECT = "stripe.account.disconnect"
_NOTHING = StripeAccount(
    status="none", mode=None, endpoint_id=None, account_id=None, livemode=None, key_hint=None, onboarding_url=None, error=None,
    open_pages=0, version=None, updated_at=None,
)  # fmt: skip


class StillConnected(Conflict):
    """409: an account is connected in the other mode."""

    code, title = "stripe_connected", "Disconnect first"


class TicketShownOnce(Conflict):
    """409: the request was carried out before, and its answer held a ticket that is not kept."""

    code, title = "secret_shown_once", "Secret shown once"

    def __init__(self) -> None:
        """The hint says how to get another."""
        super().__init__("The ticket is not stored. Post again with a new Idempotency-Key for another one.")


def read(tx: Tx) -> StripeAccount:
    """The tenant's account; status `none` before one was ever connected."""
    return queries.read(tx) or _NOTHING


def connect(tx: Tx, given: StripeConnect) -> StripeConnecting:
    """Begin to connect an account, or hand in another key of the one that is. Raises StillConnected (409)."""
    before = queries.lock(tx)
    if before is not None and before.status in _IN_USE and before.mode != given.mode:
        raise StillConnected("Another account is connected. Disconnect it first.")
    if before is None or before.status == "disconnected" or before.mode != given.mode:
        if before is not None and before.status != "disconnected":
            _give_up(tx, before)
        # Unguessable, unlike our other ids: it names a path that answers everybody.
        account = queries.begin(tx, uuid4(), given.mode)
    else:
        account = before if before.status in _IN_USE else queries.update(tx, status="pending", error=None)
    effects.audit(tx, "stripe_account.connecting", "stripe_account", account.endpoint_id, {"mode": given.mode})
    if given.mode == "connect":
        url = f"{settings().public_url}/docs"
        effects.publish(tx, "stripe.account.create", {"gateway": _gateway(account), "return_url": url, "refresh_url": url})
        return StripeConnecting(**account.model_dump(), upload=None)
    return StripeConnecting(**account.model_dump(), upload=_upload(tx, account))


def disconnect(tx: Tx, *, version: int) -> None:
    """Give the account up: its pages are closed, then its key is deleted and its events are no longer taken in. Raises 404, 412."""
    account = queries.lock(tx)
    if account is None or account.status == "disconnected":
        raise NotFound("No Stripe account is connected.")
    check_version(account.version or 0, version)
    queries.update(tx, status="disconnected", onboarding_url=None, key_hint=None, error=None)
    _give_up(tx, account)
    effects.audit(tx, "stripe_account.disconnected", "stripe_account", account.endpoint_id, {"account_id": account.account_id})


def reported(tx: Tx, topic: str, payload: dict[str, Any], result: dict[str, Any], error: Failure | None) -> None:
    """Enter what came of connecting; what is about an endpoint that was given up meanwhile changes nothing."""
    account = queries.lock(tx)
    if topic == _DISCONNECT:
        _closed(tx, account, payload, result, error)
        return
    endpoint_id = str((payload.get("gateway") or payload)["endpoint_id"])
    if account is None or str(account.endpoint_id) != endpoint_id or account.status == "disconnected":
        if topic == "stripe.account.connected" and error is None:
            # The key came in after all: nobody wants it any more.
            _ask_to_close(tx, {"endpoint_id": endpoint_id, "mode": "key", "account_id": None})
        return
    if topic not in {"stripe.account.connected", "stripe.account.create"}:
        return
    if error is not None:
        if account.status not in _IN_USE:
            queries.update(tx, status="failed", error=error.message[:_LONGEST_ERROR])
        return
    known = {"account_id": result["account_id"], "livemode": bool(result["livemode"]), "error": None}
    if topic == "stripe.account.connected":
        changes = {**known, "status": "connected", "key_hint": result["key_hint"]}
    else:
        status = "connected" if result.get("charges_enabled") else account.status if account.status in _IN_USE else "pending"
        changes = {**known, "status": status, "onboarding_url": result.get("onboarding_url")}
    if not queries.update_unless_taken(tx, **changes):
        queries.update(tx, status="failed", error=f"The account {result['account_id']} is connected to another tenant.")
        _give_up(tx, account)
        return
    effects.audit(tx, f"stripe_account.{changes['status']}", "stripe_account", account.endpoint_id, {"account_id": result["account_id"]})


def follow(tx: Tx, account_id: str, *, charges_enabled: bool) -> str:
    """Enter whether Stripe lets the account take payments. Returns what came of it, as an outcome of an event."""
    account = queries.lock(tx)
    if account is None or account.account_id != account_id or account.status == "disconnected":
        return "unknown_object"
    status = "connected" if charges_enabled else "restricted" if account.status in _IN_USE else account.status
    if status == account.status:
        return "unchanged"
    queries.update(tx, status=status, **({"onboarding_url": None} if charges_enabled else {}))
    effects.audit(tx, f"stripe_account.{status}", "stripe_account", account.endpoint_id, {"account_id": account_id})
    return "applied"


def deauthorized(tx: Tx) -> str:
    """The tenant took its account back at Stripe. Returns what came of it, as an outcome of an event."""
    account = queries.lock(tx)
    if account is None or account.status == "disconnected":
        return "unchanged"
    queries.update(tx, status="disconnected", onboarding_url=None, key_hint=None, error="Access was withdrawn at Stripe.")
    _give_up(tx, account)
    effects.audit(tx, "stripe_account.deauthorized", "stripe_account", account.endpoint_id, {"account_id": account.account_id})
    return "applied"


def _gateway(account: StripeAccount) -> dict[str, Any]:
    return {"endpoint_id": account.endpoint_id, "mode": account.mode, "account_id": account.account_id}


def _give_up(tx: Tx, account: StripeAccount) -> None:
    """Have the sender delete what there is of an account outside the database. What could be paid there can be no more."""
    pages = invoices.forget_pages(tx)
    if pages:
        queries.add_open_pages(tx, pages)
    _ask_to_close(tx, _gateway(account))


def _ask_to_close(tx: Tx, gateway: dict[str, Any]) -> None:
    effects.publish(tx, _DISCONNECT, {"gateway": gateway, "since": rfc3339(tx.now)})


def _closed(tx: Tx, account: StripeAccount | None, payload: dict[str, Any], result: dict[str, Any], error: Failure | None) -> None:
    """Go on closing pages until there are none, or until nobody can: what the sender leaves open is its next message's."""
    open_pages = account.open_pages if account else 0
    changes: dict[str, Any] = {}
    if error is None:
        left = max(1, open_pages - int(result["closed"])) if result["more"] else 0
        changes = {"open_pages": left} if left != open_pages else {}
    elif not error.retryable and open_pages and account and account.status == "disconnected":
        detail = f"Payment pages may still be open at Stripe, close them there: {error.message}"
        changes = {"error": detail[:_LONGEST_ERROR]}
    if account and changes:
        queries.update(tx, **changes)
    if error.retryable if error else result["more"]:
        effects.publish(tx, _DISCONNECT, payload)


def _upload(tx: Tx, account: StripeAccount) -> StripeUpload:
    expires = tx.now + timedelta(seconds=tickets.LIFETIME_SECONDS)
    # One that is in use gets another key of the same account only: its payments would be nobody's otherwise.
    bound_to = account.account_id if account.status in _IN_USE else None
    ticket = tickets.Ticket(str(tx.tenant_id), str(_there(account.endpoint_id)), bound_to, int(expires.timestamp()))
    signed = tickets.issue(ticket, os.environ["STRIPE_TICKET_KEY"].encode())
    return StripeUpload(url=f"{settings().public_url}{KEY_PATH}", ticket=signed, expires_at=expires)


def _there(endpoint_id: UUID | None) -> UUID:
    assert endpoint_id is not None
    return endpoint_id
