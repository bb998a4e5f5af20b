"""Does at Stripe what the outbox asks for, and reports what came of it. Outside the network and without the database.

The outbox row's id is Stripe's idempotency key, so a message that is delivered twice is done once.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from clientway import queues
from clientway.integrations.stripe import client as clients
from clientway.integrations.stripe import keys, secrets, shapes
from clientway.moments import rfc3339
from clientway.schemas import Id, Schema

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)

_GONE: Final = 404
_SERVER_ERRORS: Final = 500
# Refused for now: somebody else works on the same object, or too much at once.
_FOR_NOW: Final = {409, 429}
_LONGEST_NAME: Final = 250
_LONGEST_ERROR: Final = 500
_DISCONNECT: Final = "stripe.account.disconnect"
# Of the sender's minute: a page takes two calls or more, of eight seconds at most.
_CLOSING_SECONDS: Final = 20.0
_MOST_CLOSED: Final = 200
_MOST_LISTED: Final = 100
_PATIENCE: Final = timedelta(days=3)
_ENDPOINT: Final = "clientway_endpoint"


class Gateway(Schema):
    """Whose account, and how it is reached."""

    endpoint_id: Id
    mode: str
    account_id: str | None

    @property
    def endpoint(self) -> str:
        """Where its secrets are: its own, or the platform's."""
        return secrets.CONNECT if self.mode == "connect" else str(self.endpoint_id)


class Asked(Schema):
    """The queue's message: an outbox row."""

    id: Id
    tenant_id: Id
    topic: str
    payload: dict[str, Any]


Act = Callable[[Asked, Gateway, dict[str, Any]], dict[str, Any]]


def send(body: str, *, last: bool) -> None:
    """Do what one message asks for and report it. Raises what may pass, to be tried again; the last time, that is reported too.

    Raises ValidationError and KeyError for a message that nobody understands.
    """
    import stripe  # noqa: PLC0415  (half a second, and importing the handler should not take it)

    asked = Asked.model_validate_json(body)
    payload = dict(asked.payload)
    gateway = Gateway.model_validate(payload.pop("gateway"), strict=False)
    act = _ACTS[asked.topic]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    try:
        result = act(asked, gateway, payload)
    except clients.NotConnected as refusal:
        error = {"code": "not_connected", "message": str(refusal), "retryable": False}
    except secrets.SecretsAway as refusal:
        if not last:
            raise
        error = {"code": refusal.code, "message": refusal.detail, "retryable": True}
    except stripe.StripeError as refusal:
        error = failure(refusal)
        if error["retryable"] and not last:
            raise
        if asked.topic == _DISCONNECT and not (error["retryable"] and _is_patient(payload)):
            # The pages at Stripe outlive us, then; the key does not.
            error["retryable"] = False
            _forget(gateway)
        logger.warning("stripe refused", extra={"topic": asked.topic, "code": error["code"], "stripe_request_id": refusal.request_id})
    message = {"kind": "report", "tenant_id": asked.tenant_id, "id": asked.id, "topic": asked.topic}
    # Whose account it was: the tenant may have another one by now.
    about = {**payload, "gateway": gateway.model_dump(mode="json")}
    queues.send("STRIPE_STATE_QUEUE_URL", {**message, "payload": about, "result": result, "error": error}, group=str(asked.tenant_id))


def failure(refusal: "stripe.StripeError") -> dict[str, Any]:
    """A refusal as it is reported. Whether trying again may help: where Stripe was away or busy, not where it said no."""
    status = refusal.http_status
    retryable = status is None or status in _FOR_NOW or status >= _SERVER_ERRORS
    message = str(refusal.user_message or "Stripe could not be reached.")
    return {"code": str(refusal.code or type(refusal).__name__), "message": message[:_LONGEST_ERROR], "retryable": retryable}


def _create_page(asked: Asked, gateway: Gateway, payload: dict[str, Any]) -> dict[str, Any]:
    """A payment link for what is due: it does not expire, and takes one payment."""
    client = clients.connect(gateway.endpoint, gateway.account_id, fresh=True)
    if payload.get("replaces"):
        # First, so that no amount of before can be paid beside the new one.
        _deactivate(client, payload["replaces"])
    metadata = payload["metadata"]
    name = " – ".join(filter(None, (payload.get("number"), payload.get("description"))))[:_LONGEST_NAME] or "Invoice"
    link = client.v1.payment_links.create(
        {
            "line_items": [
                {
                    "price_data": {
                        "currency": payload["currency"].lower(),
                        "unit_amount": payload["amount_cents"],
                        "product_data": {"name": name},
                    },
                    "quantity": 1,
                }
            ],
            "restrictions": {"completed_sessions": {"limit": 1}},
            "inactive_message": "This invoice is settled, or its amount has changed. Please use the link you received last.",
            "payment_intent_data": {"metadata": metadata, "description": name},
            "metadata": {**metadata, _ENDPOINT: str(gateway.endpoint_id)},
        },
        {"idempotency_key": str(asked.id)},
    )
    email = payload.get("customer_email")
    return {"url": f"{link.url}?prefilled_email={quote(email, safe='')}" if email else link.url, "ref": link.id}


def _close_page(_asked: Asked, gateway: Gateway, payload: dict[str, Any]) -> dict[str, Any]:
    _deactivate(clients.connect(gateway.endpoint, gateway.account_id), payload["ref"])
    return {"ref": payload["ref"]}


def _deactivate(client: "stripe.StripeClient", link_id: str) -> None:
    """Let nobody pay a link any more, those neither who have it open already."""
    import stripe  # noqa: PLC0415

    try:
        client.v1.payment_links.update(link_id, {"active": False})
    except stripe.InvalidRequestError as error:
        if error.http_status == _GONE:
            return
        raise
    for session in client.v1.checkout.sessions.list({"payment_link": link_id, "status": "open", "limit": 100}).data:
        try:
            client.v1.checkout.sessions.expire(session.id)
        except stripe.InvalidRequestError:
            # Paid in this moment; its event says so.
            logger.info("a session was over before it could be ended")


def _create_refund(asked: Asked, gateway: Gateway, payload: dict[str, Any]) -> dict[str, Any]:
    client = clients.connect(gateway.endpoint, gateway.account_id)
    payment_id = payload["payment_id"]
    which = {"charge": payment_id} if payment_id.startswith(("ch_", "py_")) else {"payment_intent": payment_id}
    metadata = {**payload.get("metadata", {}), "clientway_tenant": str(asked.tenant_id), "clientway_refund": str(payload["refund_id"])}
    params: Any = {**which, "amount": payload["amount_cents"], "metadata": metadata}
    made = client.v1.refunds.create(params, {"idempotency_key": str(asked.id)})
    return {"id": made.id, "status": shapes.refund_status(made.status), "failure": getattr(made, "failure_reason", None)}


def _create_account(asked: Asked, gateway: Gateway, payload: dict[str, Any]) -> dict[str, Any]:
    """An account of the tenant's own under the platform's, and where Stripe asks its owner for what it needs."""
    client = clients.connect(secrets.CONNECT)
    if gateway.account_id is None:
        metadata = {"clientway_tenant": str(asked.tenant_id)}
        account = client.v1.accounts.create({"type": "standard", "metadata": metadata}, {"idempotency_key": str(gateway.endpoint_id)})
    else:
        account = client.v1.accounts.retrieve(gateway.account_id)
    if account.charges_enabled and account.details_submitted:
        return {"account_id": account.id, "livemode": _is_live(), "charges_enabled": True, "onboarding_url": None}
    link = client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "return_url": payload["return_url"],
            "refresh_url": payload["refresh_url"],
        }
    )
    return {"account_id": account.id, "livemode": _is_live(), "charges_enabled": bool(account.charges_enabled), "onboarding_url": link.url}


def _is_live() -> bool:
    known = secrets.read(secrets.CONNECT)
    return known is not None and "_live_" in known.key


def _disconnect(_asked: Asked, gateway: Gateway, _payload: dict[str, Any]) -> dict[str, Any]:
    """Close an account's pages, then delete the webhook endpoint that was made for it, and the key. The platform's own stay.

    Nobody here would hear of what is paid at such a page any more. While there are `more` of them, all else stays: to close them
    takes the key, and what is paid meanwhile is heard of.
    """
    import stripe  # noqa: PLC0415

    platform = gateway.endpoint == secrets.CONNECT
    known = None if platform and gateway.account_id is None else secrets.fresh(gateway.endpoint)
    if known is None:
        return {"closed": 0, "more": False}
    client = clients.client(known.key, gateway.account_id if platform else None)
    closed, more = _close_pages(client, gateway)
    if more:
        return {"closed": closed, "more": True}
    try:
        for one in client.v1.webhook_endpoints.list({"limit": 100}).data if not platform else ():
            if one.url == keys.webhook_url(gateway.endpoint):
                client.v1.webhook_endpoints.delete(one.id)
    except stripe.StripeError as error:
        # A key that may not delete it; ours of it goes all the same.
        if failure(error)["retryable"]:
            raise
    _forget(gateway)
    return {"closed": closed, "more": False}


def _tell_subscriptions(asked: Asked, gateway: Gateway, _payload: dict[str, Any]) -> dict[str, Any]:
    """Say of each subscription that is not over how it is, as an event of it would: those from before nobody here has heard of."""
    subscriptions = clients.connect(gateway.endpoint, gateway.account_id).v1.subscriptions
    fetched_at, count = rfc3339(datetime.now(UTC)), 0
    for one in subscriptions.list({"limit": 100, "expand": ["data.discounts", "data.discounts.source.coupon"]}).auto_paging_iter():
        message = {
            "kind": "event", "endpoint": gateway.endpoint, "account_id": gateway.account_id,
            "event": {"id": f"{asked.id}:{one.id}", "type": asked.topic, "created": None},
            "subject": {"kind": "subscription", "id": one.id}, "state": shapes.subscription(one.to_dict()), "fetched_at": fetched_at,
        }  # fmt: skip
        queues.send("STRIPE_STATE_QUEUE_URL", message, group=gateway.endpoint)
        count += 1
    return {"subscriptions": count}


def _close_pages(client: "stripe.StripeClient", gateway: Gateway) -> tuple[int, bool]:
    """Close the pages that were made through an endpoint, as long as there is time; how many, and whether there are more.

    The account may have others: its owner's own, and those of an endpoint by which it was connected again.
    """
    until, closed = time.monotonic() + _CLOSING_SECONDS, 0
    links = client.v1.payment_links.list({"active": True, "limit": _MOST_LISTED}).auto_paging_iter()
    ours = (link.id for link in links if link.metadata.to_dict().get(_ENDPOINT) == str(gateway.endpoint_id))
    # All of them are found before the first is closed: the place of one that is no longer active is no place in this list.
    found = list(islice(ours, _MOST_CLOSED + 1))
    for link_id in found[:_MOST_CLOSED]:
        if closed and time.monotonic() > until:
            break
        _deactivate(client, link_id)
        closed += 1
    return closed, closed < len(found)


def _is_patient(payload: Mapping[str, Any]) -> bool:
    return datetime.fromisoformat(payload["since"]) > datetime.now(UTC) - _PATIENCE


def _forget(gateway: Gateway) -> None:
    if gateway.endpoint != secrets.CONNECT:
        secrets.forget(gateway.endpoint)


_ACTS: Final[Mapping[str, Act]] = {
    "stripe.page.create": _create_page,
    "stripe.page.close": _close_page,
    "stripe.refund.create": _create_refund,
    "stripe.account.create": _create_account,
    "stripe.subscriptions.read": _tell_subscriptions,
    _DISCONNECT: _disconnect,
}
