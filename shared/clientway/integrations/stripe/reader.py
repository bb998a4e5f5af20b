"""Reads single objects at Stripe, of one tenant's account."""

import logging
from http import HTTPStatus
from typing import Any, Final

from clientway.integrations.stripe import client as clients

logger = logging.getLogger(__name__)

_MOST: Final = 100
"""Refunds and disputes of one charge that are read: a page of Stripe's."""

# Kind → the resource it is read from, and what of it is to come whole instead of as an id.
_READ: Final[dict[str, tuple[str, list[str]]]] = {
    "payment_intent": ("payment_intents", ["latest_charge"]),
    "charge": ("charges", []),
    "refund": ("refunds", []),
    "dispute": ("disputes", []),
    "subscription": ("subscriptions", ["discounts", "discounts.source.coupon"]),
    "account": ("accounts", []),
}


class StripeReader:
    """Asks Stripe; an object that is not there is None. Raises stripe.StripeError for anything else that goes wrong."""

    def __init__(self, endpoint: str, account_id: str | None) -> None:
        """Read what belongs to this endpoint's account (or, at the platform's, to this connected account). Raises NotConnected."""
        self._stripe: Any = clients.connect(endpoint, account_id).v1

    def one(self, kind: str, object_id: str) -> dict[str, Any] | None:
        """One object by its id, with what is needed of those it refers to."""
        import stripe  # noqa: PLC0415  (half a second: only where it is called)

        resource, expand = _READ[kind]
        try:
            found = getattr(self._stripe, resource).retrieve(object_id, {"expand": expand} if expand else {})
        except stripe.InvalidRequestError as error:
            if error.http_status == HTTPStatus.NOT_FOUND:
                return None
            raise
        answer: dict[str, Any] = found.to_dict()
        return answer

    def billed(self, intent_id: str) -> list[dict[str, Any]]:
        """What a payment paid of invoices at Stripe, each with its invoice; nothing where the key may not read them."""
        import stripe  # noqa: PLC0415

        which = {"type": "payment_intent", "payment_intent": intent_id}
        try:
            listed = self._stripe.invoice_payments.list({"payment": which, "limit": _MOST, "expand": ["data.invoice"]})
        except stripe.PermissionError:
            logger.warning("a key may not read invoices: the tax in what they ask for is not known")
            return []
        return [one.to_dict() for one in listed.data]

    def of_charge(self, kind: str, charge_id: str) -> list[dict[str, Any]]:
        """The refunds or disputes of a charge, the newest first."""
        listed = getattr(self._stripe, _READ[kind][0]).list({"charge": charge_id, "limit": _MOST})
        return [one.to_dict() for one in listed.data]
