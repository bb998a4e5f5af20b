"""Subscriptions: made, changed, renewed, cancelled, each with its invoice, payment and events."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dateutil.relativedelta import relativedelta

from clientway.local.stripe import shapes
from clientway.local.stripe.books import Books
from clientway.local.stripe.forms import Refusal, absent, boolean, integer, metadata
from clientway.local.stripe.store import new_id

Json = dict[str, Any]

_STEPS: Final = {"day": "days", "week": "weeks", "month": "months", "year": "years"}
_CARD = "4242424242424242"


def create(books: Books, account: str, given: Json) -> Json:
    """A subscription of a customer; without a trial its first period is paid at once."""
    customer = books.find(account, "customer", given["customer"], "customer")
    now = books.store.now
    items = [_item(books, account, one, now) for one in given.get("items") or ()]
    if not items:
        raise Refusal("Missing required param: items.", code="parameter_missing", param="items")
    trial_days = integer(given, "trial_period_days", 0)
    trial_end = now + trial_days * 86_400 if trial_days else None
    incomplete = given.get("payment_behavior") == "default_incomplete"
    subscription_id = new_id("sub")
    for one in items:
        one["subscription"] = subscription_id
        if trial_end:
            one["current_period_end"] = trial_end
    made = {
        "id": subscription_id, "object": "subscription", "application": None, "automatic_tax": {"enabled": False, "liability": None},
        "billing_cycle_anchor": now, "cancel_at": None, "cancel_at_period_end": boolean(given.get("cancel_at_period_end")),
        "canceled_at": None, "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically", "created": now, "currency": items[0]["price"]["currency"], "customer": customer["id"],
        "days_until_due": None, "default_payment_method": None, "description": None,
        "discounts": [_discount(books, account, one, subscription_id) for one in given.get("discounts") or ()], "ended_at": None,
        "items": shapes.listing(f"/v1/subscription_items?subscription={subscription_id}", items), "latest_invoice": None,
        "livemode": shapes.LIVE, "metadata": metadata(None, given.get("metadata")), "pause_collection": None, "schedule": None,
        "start_date": now, "status": "trialing" if trial_end else "incomplete" if incomplete else "active", "trial_end": trial_end,
        "trial_start": now if trial_end else None,
    }  # fmt: skip
    if made["status"] == "active":
        made["latest_invoice"] = _bill(books, account, made)["id"]
    books.store.put(account, made)
    books.emit(account, "customer.subscription.created", made)
    return made


def update(books: Books, account: str, found: Json, given: Json) -> Json:
    """Change items, metadata, or whether it ends with its period."""
    if found["status"] in {"canceled", "incomplete_expired"}:
        raise Refusal("A canceled subscription can only update its cancellation_details and metadata.", code="resource_missing")
    before = {name: found[name] for name in ("status", "cancel_at_period_end", "metadata")}
    for one in given.get("items") or ():
        _change_item(books, account, found, one)
    if "cancel_at_period_end" in given:
        found["cancel_at_period_end"] = boolean(given["cancel_at_period_end"])
        found["cancel_at"] = _period_end(found) if found["cancel_at_period_end"] else None
        found["canceled_at"] = books.store.now if found["cancel_at_period_end"] else None
    found["metadata"] = metadata(found["metadata"], given.get("metadata"))
    if "discounts" in given:
        found["discounts"] = [_discount(books, account, one, found["id"]) for one in given["discounts"] or ()]
    books.store.put(account, found)
    books.emit(account, "customer.subscription.updated", found, {name: value for name, value in before.items() if found[name] != value})
    return found


def set_status(books: Books, account: str, subscription_id: str, status: str) -> Json:
    """Bring a subscription into a status that only time or a bank brings at Stripe: past_due, unpaid, paused, incomplete_expired."""
    found = books.find(account, "subscription", subscription_id)
    if status == "canceled":
        return cancel(books, account, found)
    before, found["status"] = found["status"], status
    books.store.put(account, found)
    books.emit(account, "customer.subscription.updated", found, {"status": before})
    return found


def renew(books: Books, account: str, subscription_id: str) -> Json:
    """The period is over: the next one begins and is paid, or the subscription ends."""
    found = books.find(account, "subscription", subscription_id)
    if found["cancel_at_period_end"]:
        return cancel(books, account, found)
    before = {"status": found["status"]}
    for one in found["items"]["data"]:
        start = one["current_period_end"]
        one |= {"current_period_start": start, "current_period_end": _next(start, one["price"])}
    found["status"] = "active"
    found["latest_invoice"] = _bill(books, account, found)["id"]
    books.store.put(account, found)
    books.emit(account, "customer.subscription.updated", found, before)
    return found


def cancel(books: Books, account: str, found: Json) -> Json:
    """End a subscription now."""
    if found["status"] == "canceled":
        raise absent("subscription", found["id"])
    now = books.store.now
    found |= {"status": "canceled", "canceled_at": found["canceled_at"] or now, "ended_at": now}
    books.store.put(account, found)
    books.emit(account, "customer.subscription.deleted", found)
    return found


def _item(books: Books, account: str, given: Json, now: int) -> Json:
    price = books.find(account, "price", str(given.get("price", "")), "items[0][price]")
    if price["recurring"] is None:
        raise Refusal(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
            param="items[0][price]",
        )
    return {
        "id": new_id("si", 14), "object": "subscription_item", "created": now, "current_period_start": now,
        "current_period_end": _next(now, price), "discounts": [], "metadata": metadata(None, given.get("metadata")), "price": price,
        "quantity": integer(given, "quantity", 1), "subscription": None, "tax_rates": [],
    }  # fmt: skip


def _change_item(books: Books, account: str, found: Json, given: Json) -> None:
    data: list[Json] = found["items"]["data"]
    there = next((one for one in data if one["id"] == given.get("id")), None)
    if "id" in given and there is None:
        raise absent("subscription item", str(given["id"]), "items[0][id]")
    if there is None:
        data.append({**_item(books, account, given, books.store.now), "subscription": found["id"]})
    elif boolean(given.get("deleted")):
        data.remove(there)
    else:
        if "price" in given:
            there["price"] = books.find(account, "price", given["price"], "items[0][price]")
        there["quantity"] = integer(given, "quantity", there["quantity"])


def _discount(books: Books, account: str, given: Json, subscription_id: str) -> Json:
    coupon = books.find(account, "coupon", str(given.get("coupon", "")), "discounts[0][coupon]")
    return {
        "id": new_id("di"), "object": "discount", "checkout_session": None, "customer": None, "end": None, "invoice": None,
        "invoice_item": None, "promotion_code": None, "source": {"coupon": coupon, "type": "coupon"}, "start": books.store.now,
        "subscription": subscription_id, "subscription_item": None,
    }  # fmt: skip


def _bill(books: Books, account: str, subscription: Json) -> Json:
    """The period's invoice, paid at once with the customer's card."""
    amount = sum(one["price"]["unit_amount"] * one["quantity"] for one in subscription["items"]["data"])
    now, customer = books.store.now, subscription["customer"]
    invoice = {
        "id": new_id("in"), "object": "invoice", "amount_due": amount, "amount_paid": amount, "amount_remaining": 0, "attempt_count": 1,
        "attempted": True, "auto_advance": False, "billing_reason": "subscription_cycle", "collection_method": "charge_automatically",
        "created": now, "currency": subscription["currency"], "customer": customer, "livemode": shapes.LIVE, "metadata": {},
        "status": "paid", "subtotal": amount, "total": amount, "total_taxes": [],
    }  # fmt: skip
    books.store.put(account, invoice)
    if amount:
        intent = books.new_intent(account, amount, subscription["currency"], customer=customer, description="Subscription update")
        paid = {
            "id": new_id("inpay"), "object": "invoice_payment", "amount_paid": amount, "amount_requested": amount, "created": now,
            "currency": subscription["currency"], "invoice": invoice["id"], "is_default": True, "livemode": shapes.LIVE,
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]}, "status": "paid",
        }  # fmt: skip
        books.store.put(account, paid)
        books.attempt(account, intent, _CARD)
    books.emit(account, "invoice.paid", invoice)
    return invoice


def _period_end(subscription: Json) -> int:
    return max(int(one["current_period_end"]) for one in subscription["items"]["data"])


def _next(start: int, price: Json) -> int:
    recurring = price["recurring"]
    begun = datetime.fromtimestamp(start, UTC)
    step = {_STEPS[recurring["interval"]]: recurring["interval_count"]}
    ends = begun + (timedelta(**step) if recurring["interval"] in {"day", "week"} else relativedelta(**step))
    return int(ends.timestamp())
