"""What an event is about: the one thing that is read from it. Its contents are a hint and never believed.

Payments, charges, refunds and disputes lead to their payment, which is then fetched whole: so no order of events matters.
"""

from collections.abc import Mapping
from typing import Any, Final

from clientway.integrations.stripe.schemas import Kind, Subject

# Type (up to its last dot) → how an object of it leads to what is fetched: fields of the object, the first that is there.
_ROUTES: Final[Mapping[str, tuple[tuple[Kind, str], ...]]] = {
    "payment_intent": (("payment_intent", "id"),),
    "charge": (("payment_intent", "payment_intent"), ("charge", "id")),
    "charge.refund": (("payment_intent", "payment_intent"), ("charge", "charge"), ("refund", "id")),
    "refund": (("payment_intent", "payment_intent"), ("charge", "charge"), ("refund", "id")),
    "charge.dispute": (("payment_intent", "payment_intent"), ("charge", "charge"), ("dispute", "id")),
    "checkout.session": (("payment_intent", "payment_intent"), ("subscription", "subscription")),
    "customer.subscription": (("subscription", "id"),),
    "account": (("account", "id"),),
    "account.application": (("deauthorized", "id"),),
}
_LONGEST_ID = 255


def subject(event: Mapping[str, Any]) -> Subject | None:
    """What an event's object leads to; None for the many types that change nothing here."""
    route = _ROUTES.get(str(event.get("type", "")).rpartition(".")[0])
    found = event.get("data")
    thing = found.get("object") if isinstance(found, Mapping) else None
    if route is None or not isinstance(thing, Mapping):
        return None
    for kind, field in route:
        value = thing.get(field)
        # Some fields hold the object itself where a caller asked Stripe to expand it.
        one = value.get("id") if isinstance(value, Mapping) else value
        if isinstance(one, str) and 0 < len(one) <= _LONGEST_ID and one.isascii() and one.isprintable():
            return Subject(kind=kind, id=one)
    return None
