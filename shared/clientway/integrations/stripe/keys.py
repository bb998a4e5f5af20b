"""Takes in a tenant's Stripe key, outside the network and without the database: tried at Stripe, encrypted, and reported.

The key is on its way from the caller to the parameter store here and nowhere else: no log, no answer, no queue has it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

from clientway import queues
from clientway.errors import FieldError, ServiceUnavailable, Unauthorized, Unprocessable
from clientway.integrations.stripe import client as clients
from clientway.integrations.stripe import secrets, tickets
from clientway.integrations.stripe.account_schemas import StripeKeyAccepted, StripeKeyUpload

if TYPE_CHECKING:
    import stripe

EVENTS: Final = (
    "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.processing", "payment_intent.canceled",
    "charge.refunded", "charge.refund.updated", "refund.created", "refund.updated", "refund.failed",
    "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn", "checkout.session.completed", "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed", "customer.subscription.created", "customer.subscription.updated",
    "customer.subscription.deleted", "customer.subscription.paused", "customer.subscription.resumed",
    "account.updated", "account.application.deauthorized",
)  # fmt: skip
"""What an account's webhook endpoint is asked for."""

_HINT = 4
_UNAUTHENTICATED, _FORBIDDEN = 401, 403


class TicketRefused(Unauthorized):
    """401: no ticket of ours, or one whose ten minutes are over."""

    code, title = "ticket_refused", "Ticket refused"


class KeyRefused(Unprocessable):
    """422: Stripe does not take the key, or it is not fit for what it is for."""

    code, title = "stripe_key_refused", "Key refused"


class StripeAway(ServiceUnavailable):
    """503: Stripe, or what keeps keys, cannot be reached."""

    code, title = "stripe_unavailable", "Stripe unavailable"


def take_in(given: StripeKeyUpload, *, now: float) -> StripeKeyAccepted:
    """Try a key, keep it, and tell the consumer. Raises TicketRefused (401), KeyRefused (422), StripeAway (503)."""
    try:
        ticket = tickets.verify(given.ticket, os.environ["STRIPE_TICKET_KEY"].encode(), now=now)
    except tickets.BadTicket:
        raise TicketRefused("The ticket is not valid, or has expired: ask for a new one.") from None
    client = clients.client(given.restricted_key)
    account_id = _account(client)
    if ticket.account_id not in {None, account_id}:
        raise _refused(
            "#/restricted_key", "another_account", f"a key of {account_id}; connected is {ticket.account_id}: disconnect that first"
        )
    with _reached():
        before = secrets.fresh(ticket.endpoint_id)
    kept, webhook = _with_webhook(client, given, before, ticket.endpoint_id)
    livemode = "_live_" in given.restricted_key
    hint = f"{given.restricted_key[:8]}…{given.restricted_key[-_HINT:]}"
    with _reached():
        secrets.write(ticket.endpoint_id, kept)
        message = {
            "kind": "report", "tenant_id": ticket.tenant_id, "id": str(uuid4()), "topic": "stripe.account.connected",
            "payload": {"endpoint_id": ticket.endpoint_id, "mode": "key"},
            "result": {"account_id": account_id, "livemode": livemode, "key_hint": hint}, "error": None,
        }  # fmt: skip
        queues.send("STRIPE_STATE_QUEUE_URL", message, group=ticket.tenant_id)
    return StripeKeyAccepted(account_id=account_id, livemode=livemode, key_hint=hint, webhook=webhook)


def webhook_url(endpoint: str) -> str:
    """Where Stripe delivers an endpoint's events."""
    return f"{os.environ['PUBLIC_URL'].rstrip('/')}/api/webhooks/stripe/{endpoint}"


def _account(client: "stripe.StripeClient") -> str:
    """The account that a key opens."""
    with _reached(_UNAUTHENTICATED, _FORBIDDEN) as refusals:
        account = client.v1.accounts.retrieve_current()
    if refusals:
        raise _refused("#/restricted_key", "refused_by_stripe", "Stripe does not know this key, or it may not read its own account")
    return account.id


def _with_webhook(
    client: "stripe.StripeClient", given: StripeKeyUpload, before: secrets.Secrets | None, endpoint: str
) -> tuple[secrets.Secrets, Literal["created", "kept", "given"]]:
    """What to keep: the key, and the secret of a webhook endpoint, which Stripe tells only once."""
    if given.webhook_secret is not None:
        return _secrets(given, given.webhook_secret, None, before), "given"
    with _reached(_UNAUTHENTICATED, _FORBIDDEN) as refusals:
        there = {one.id: one for one in client.v1.webhook_endpoints.list({"limit": 100}).data if one.url == webhook_url(endpoint)}
        if before is not None and before.webhook_secret and before.webhook_id in there:
            return _secrets(given, before.webhook_secret, before.webhook_id, before), "kept"
        for one in there:
            client.v1.webhook_endpoints.delete(one)
        events = list(EVENTS)
        made = client.v1.webhook_endpoints.create({"url": webhook_url(endpoint), "enabled_events": events})  # type: ignore[typeddict-item]
    if refusals:
        raise _refused(
            "#/webhook_secret",
            "missing",
            f"the key may not write webhook endpoints: make one for {webhook_url(endpoint)} and send its secret",
        )
    return _secrets(given, str(made.secret), made.id, before), "created"


def _secrets(given: StripeKeyUpload, secret: str, webhook_id: str | None, before: secrets.Secrets | None) -> secrets.Secrets:
    # What is under way is signed with the secret of before.
    previous = before.previous_webhook_secret if before and before.webhook_secret == secret else before.webhook_secret if before else None
    return secrets.Secrets(given.restricted_key, secret, previous, webhook_id)


@contextmanager
def _reached(*refusals: int) -> Iterator[list[str]]:
    """Ends in StripeAway where the other side is away; Stripe's refusals with one of these statuses are listed instead."""
    import stripe  # noqa: PLC0415  (half a second, and only who hands in a key waits for it)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    found: list[str] = []
    try:
        yield found
    except stripe.StripeError as error:
        if error.http_status not in refusals:
            raise StripeAway("Stripe cannot be reached at the moment.", headers={"Retry-After": "5"}) from None
        found.append(str(error.code))
    except (BotoCoreError, ClientError):
        raise StripeAway("The key could not be kept; hand it in again.", headers={"Retry-After": "5"}) from None


def _refused(pointer: str, code: str, message: str) -> KeyRefused:
    return KeyRefused("The key cannot be used.", errors=[FieldError(pointer, code, message)])
