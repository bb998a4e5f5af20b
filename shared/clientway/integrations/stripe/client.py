"""The one place that makes clients of Stripe's API. Imported outside the network alone."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from clientway.config import TIMEOUTS
from clientway.integrations.stripe import secrets

if TYPE_CHECKING:
    import stripe

_CONNECT_SECONDS = 3.0


class NotConnected(Exception):  # noqa: N818  (a state, that a sender reports)
    """There are no secrets for this endpoint (any more)."""


def connect(endpoint: str, account_id: str | None = None, *, fresh: bool = False) -> "stripe.StripeClient":
    """A client of an endpoint's account; at the platform's endpoint, of this connected account. Raises NotConnected.

    `fresh` asks for the key anew: no minutes may pass between its deletion and the last time that it is used.
    """
    known = secrets.fresh(endpoint) if fresh else secrets.read(endpoint)
    if known is None:
        raise NotConnected(f"There is no key for the endpoint {endpoint}.")
    return client(known.key, account_id if endpoint == secrets.CONNECT else None)


def client(key: str, account_id: str | None = None) -> "stripe.StripeClient":
    """A client that acts with this key. It gives up after eight seconds; one lost connection is tried once more."""
    # Here and not above: it takes half a second, and most of those who import this module's users never call.
    import stripe  # noqa: PLC0415

    base = os.environ.get("STRIPE_API_BASE")
    addresses: Any = {"base_addresses": {"api": base}} if base else {}
    return stripe.StripeClient(key, stripe_account=account_id, max_network_retries=1, http_client=_http(), **addresses)


@cache
def _http() -> "stripe.HTTPClient":
    """Shared by all clients of this process, so that connections are used again."""
    import stripe  # noqa: PLC0415

    return stripe.RequestsClient(timeout=(_CONNECT_SECONDS, TIMEOUTS["provider"]))
