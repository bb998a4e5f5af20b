"""The endpoints of the stand-in's API: what each takes, does and answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from clientway.local.stripe import renewals, shapes
from clientway.local.stripe.books import Books
from clientway.local.stripe.forms import Refusal, absent, boolean, integer, known, metadata, required
from clientway.local.stripe.store import new_id

Json = dict[str, Any]

_MOST = 100
_DEFAULT = 10
_LIST = {"limit", "starting_after", "ending_before", "created"}


@dataclass(frozen=True)
class Call:
    """One request of an account."""

    books: Books
    account: str
    given: Json

    def find(self, kind: str, object_id: str, param: str = "id") -> Json:
        """An object of the account's."""
        return self.books.find(self.account, kind, object_id, param)

    def put(self, body: Json) -> Json:
        """Keep an object of the account's."""
        return self.books.store.put(self.account, body)

    @property
    def now(self) -> int:
        """The moment."""
        return self.books.store.now


def lists(kind: str, url: str, *filters: str) -> Callable[[Call], Json]:
    """A list of a kind, newest first, narrowed by fields that have these values."""

    def route(call: Call) -> Json:
        known(call.given, _LIST | set(filters))
        limit = integer(call.given, "limit", _DEFAULT, least=1)
        if limit > _MOST:
            raise Refusal("This value must be less than or equal to 100.", code="parameter_invalid_integer", param="limit")
        found = [one for one in call.books.store.all(call.account, kind) if all(_fits(one, name, call.given.get(name)) for name in filters)]
        found = [one for one in found if _created(one, call.given.get("created"))]
        ids = [one["id"] for one in found]
        if before := call.given.get("ending_before"):
            end = _place(ids, before, kind, "ending_before")
            return shapes.listing(url, found[max(0, end - limit) : end], more=end > limit)
        start = _place(ids, call.given["starting_after"], kind, "starting_after") + 1 if "starting_after" in call.given else 0
        return shapes.listing(url, found[start : start + limit], more=len(found) > start + limit)

    return route


def _fits(one: Json, name: str, wanted: Any) -> bool:
    if wanted is None:
        return True
    if name == "lookup_keys":
        return one["lookup_key"] in wanted
    if name == "status" and wanted == "all":
        return True
    shown = one.get(name)
    return boolean(wanted) == shown if isinstance(shown, bool) else shown == wanted


def _created(one: Json, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return wanted is None or one.get("created") == int(wanted)
    at = int(one.get("created", 0))
    tests = {"gt": at.__gt__, "gte": at.__ge__, "lt": at.__lt__, "lte": at.__le__}
    return all(tests[name](int(value)) for name, value in wanted.items() if name in tests)


def _place(ids: list[str], wanted: str, kind: str, param: str) -> int:
    if wanted not in ids:
        raise absent(kind, wanted, param)
    return ids.index(wanted)


def reads(kind: str) -> Callable[[Call, str], Json]:
    """One object by its id."""
    return lambda call, object_id: call.find(kind, object_id)


def changes(kind: str, *fields: str, event: str | None = None) -> Callable[[Call, str], Json]:
    """Change some fields and the metadata of an object."""

    def route(call: Call, object_id: str) -> Json:
        known(call.given, {*fields, "metadata"})
        found = call.find(kind, object_id)
        for name in fields:
            if name in call.given:
                found[name] = boolean(call.given[name]) if isinstance(found[name], bool) else call.given[name] or None
        if "metadata" in call.given:
            found["metadata"] = metadata(found["metadata"], call.given["metadata"])
        call.put(found)
        if event:
            call.books.emit(call.account, event, found)
        return found

    return route


def own_account(call: Call) -> Json:
    """The account of the key."""
    return call.find("account", call.account)


def create_account(call: Call) -> Json:
    """An account under the platform's."""
    name = (call.given.get("business_profile") or {}).get("name") or "New business"
    given = {"email": call.given.get("email"), "metadata": metadata(None, call.given.get("metadata"))}
    return call.books.add_account(name, platform=call.account, enabled=False, **given)


def read_account(call: Call, account_id: str) -> Json:
    """The own account, or one of the platform's."""
    if account_id != call.account and call.books.platform_of(account_id) != call.account:
        raise absent("account", account_id)
    return call.books.find(account_id, "account", account_id)


def create_account_link(call: Call) -> Json:
    """Where an account's owner is asked for what is missing."""
    required(call.given, "account", "type", "refresh_url", "return_url")
    found = read_account(call, call.given["account"])
    url = f"{call.books.base}/onboard/{found['id']}?return_url={call.given['return_url']}"
    return {"object": "account_link", "created": call.now, "expires_at": call.now + 300, "url": url}


def create_hook(call: Call) -> Json:
    """An endpoint for events; its secret is told here alone."""
    known(call.given, {"url", "enabled_events", "api_version", "description", "metadata", "connect"})
    required(call.given, "url", "enabled_events")
    if not str(call.given["url"]).startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise Refusal("Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url")
    more: Json = {"metadata": metadata(None, call.given.get("metadata")), "description": call.given.get("description")}
    more |= {"api_version": call.given.get("api_version")}
    hook = shapes.webhook_endpoint(new_id("we"), call.given["url"], call.given["enabled_events"], call.now, **more)
    secret = new_id("whsec", 32)
    call.books.store.put_hook(hook["id"], secret, connect=boolean(call.given.get("connect")))
    return {**call.put(hook), "secret": secret}


def change_hook(call: Call, hook_id: str) -> Json:
    """Where to, and what of."""
    found = call.find("webhook_endpoint", hook_id)
    for name in ("url", "enabled_events", "description"):
        if name in call.given:
            found[name] = call.given[name]
    if "disabled" in call.given:
        found["status"] = "disabled" if boolean(call.given["disabled"]) else "enabled"
    return call.put(found)


def delete(kind: str) -> Callable[[Call, str], Json]:
    """Delete an object."""

    def route(call: Call, object_id: str) -> Json:
        call.find(kind, object_id)
        call.books.store.drop(object_id)
        return {"id": object_id, "object": kind, "deleted": True}

    return route


def create_product(call: Call) -> Json:
    """Something that is sold."""
    required(call.given, "name")
    return call.put(shapes.product(new_id("prod", 14), call.given["name"], call.now, metadata(None, call.given.get("metadata"))))


def create_price(call: Call) -> Json:
    """What something costs."""
    required(call.given, "currency")
    product = call.given.get("product")
    if product is None:
        data = call.given.get("product_data") or {}
        required(data, "name")
        product = call.put(shapes.product(new_id("prod", 14), data["name"], call.now, metadata(None, data.get("metadata"))))["id"]
    else:
        call.find("product", product, "product")
    lookup_key = call.given.get("lookup_key")
    if lookup_key and any(one["lookup_key"] == lookup_key for one in call.books.store.all(call.account, "price")):
        raise Refusal(f"A price (`{lookup_key}`) already uses that lookup key.", param="lookup_key")
    more = {name: call.given.get(name) for name in ("recurring", "lookup_key", "nickname")}
    more["metadata"] = metadata(None, call.given.get("metadata"))
    amount = integer(call.given, "unit_amount", 0)
    return call.put(shapes.price(new_id("price"), product, call.given["currency"], amount, call.now, **more))


def create_link(call: Call) -> Json:
    """A page that takes payments."""
    known(call.given, {"line_items", "metadata", "payment_intent_data", "restrictions", "inactive_message", "after_completion", "currency"})
    required(call.given, "line_items")
    items: list[Json] = []
    for index, item in enumerate(call.given["line_items"]):
        place = f"line_items[{index}]"
        if "price_data" in item:
            data = item["price_data"]
            required(data, "currency", "unit_amount", "product_data")
            inner = Call(call.books, call.account, {**data, "unit_amount": integer(data, "unit_amount", least=1)})
            price = create_price(inner)
        else:
            price = call.find("price", str(item.get("price")), f"{place}[price]")
        items.append({"price": price, "quantity": integer(item, "quantity", least=1)})
    currencies = {one["price"]["currency"] for one in items}
    if len(currencies) != 1:
        raise Refusal("All prices must have the same currency.", param="line_items")
    link_id = new_id("plink")
    url = f"{call.books.base}/pay/{link_id.removeprefix('plink_')}"
    link = call.put(shapes.payment_link(link_id, url, currencies.pop(), call.given))
    lines = [_line(one) for one in items]
    call.put({"id": f"lines_{link_id}", "object": "lines", "data": lines})
    call.books.emit(call.account, "payment_link.created", link)
    return link


def _line(item: Json) -> Json:
    price, quantity = item["price"], item["quantity"]
    amount = price["unit_amount"] * quantity
    return {
        "id": new_id("li"), "object": "item", "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount,
        "currency": price["currency"], "description": "", "price": price, "quantity": quantity,
    }  # fmt: skip


def link_items(call: Call, link_id: str) -> Json:
    """What is paid for."""
    call.find("payment_link", link_id)
    lines: list[Json] = call.find("lines", f"lines_{link_id}")["data"]
    return shapes.listing(f"/v1/payment_links/{link_id}/line_items", lines)


def expire_session(call: Call, session_id: str) -> Json:
    """Let nobody pay a page that is open."""
    found = call.find("checkout.session", session_id)
    if found["status"] != "open":
        raise Refusal(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of {found["status"]}.'
        )
    found |= {"status": "expired", "url": None}
    call.books.emit(call.account, "checkout.session.expired", found)
    return call.put(found)


def create_intent(call: Call) -> Json:
    """A payment without a page."""
    required(call.given, "amount", "currency")
    more = {name: call.given.get(name) for name in ("customer", "description", "receipt_email")}
    more["metadata"] = metadata(None, call.given.get("metadata"))
    intent = call.books.new_intent(call.account, integer(call.given, "amount", least=1), call.given["currency"], **more)
    return _confirmed(call, intent) if boolean(call.given.get("confirm")) else intent


def confirm_intent(call: Call, intent_id: str) -> Json:
    """Try to take the money."""
    return _confirmed(call, call.find("payment_intent", intent_id))


def _confirmed(call: Call, intent: Json) -> Json:
    required(call.given, "payment_method")
    charge = call.books.attempt(call.account, intent, call.given["payment_method"])
    call.books.refuse_declined(charge, intent)
    return intent


def cancel_intent(call: Call, intent_id: str) -> Json:
    """Give up a payment."""
    found = call.find("payment_intent", intent_id)
    if found["status"] in {"succeeded", "canceled"}:
        message = f"You cannot cancel this PaymentIntent because it has a status of {found['status']}."
        raise Refusal(message, code="payment_intent_unexpected_state")
    found |= {"status": "canceled", "canceled_at": call.now, "cancellation_reason": call.given.get("cancellation_reason")}
    call.books.emit(call.account, "payment_intent.canceled", found)
    return call.put(found)


def create_refund(call: Call) -> Json:
    """Give money back, of a charge or of a payment's."""
    known(call.given, {"charge", "payment_intent", "amount", "metadata", "reason"})
    charge_id = call.given.get("charge")
    if charge_id is None:
        required(call.given, "payment_intent")
        intent = call.find("payment_intent", call.given["payment_intent"], "payment_intent")
        charge_id = intent["latest_charge"]
        if intent["status"] != "succeeded" or charge_id is None:
            raise Refusal(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", param="payment_intent")
    charge = call.find("charge", charge_id, "charge")
    amount = integer(call.given, "amount") if "amount" in call.given else None
    more = {"metadata": metadata(None, call.given.get("metadata")), "reason": call.given.get("reason")}
    return call.books.refund(call.account, charge, amount, **more)


def change_dispute(call: Call, dispute_id: str) -> Json:
    """Answer a dispute; what is said decides it, as in Stripe's test mode."""
    found = call.find("dispute", dispute_id)
    said = (call.given.get("evidence") or {}).get("uncategorized_text")
    outcome = {"winning_evidence": "won", "losing_evidence": "lost"}.get(str(said))
    if outcome:
        return call.books.close_dispute(call.account, found, outcome)
    found |= {"status": "under_review", "evidence": {"uncategorized_text": said}}
    call.books.emit(call.account, "charge.dispute.updated", found)
    return call.put(found)


def create_customer(call: Call) -> Json:
    """Somebody who buys."""
    made = call.put(shapes.customer(new_id("cus", 14), call.now, {**call.given, "metadata": metadata(None, call.given.get("metadata"))}))
    call.books.emit(call.account, "customer.created", made)
    return made


def create_coupon(call: Call) -> Json:
    """A discount."""
    given = call.given
    coupon_id = given.get("id") or new_id("coupon", 8).removeprefix("coupon_")
    amount = integer(given, "amount_off") if "amount_off" in given else None
    percent = float(given["percent_off"]) if "percent_off" in given else None
    return call.put({
        "id": coupon_id, "object": "coupon", "amount_off": amount, "created": call.now, "currency": given.get("currency"),
        "duration": given.get("duration", "once"), "duration_in_months": given.get("duration_in_months"), "livemode": shapes.LIVE,
        "max_redemptions": None, "metadata": {}, "name": given.get("name"), "percent_off": percent, "redeem_by": None, "times_redeemed": 0,
        "valid": True,
    })  # fmt: skip


def create_subscription(call: Call) -> Json:
    """A customer pays regularly."""
    required(call.given, "customer", "items")
    return renewals.create(call.books, call.account, call.given)


ROUTES: Final[dict[tuple[str, str], Callable[..., Json]]] = {
    ("GET", "/v1/account"): own_account,
    ("POST", "/v1/accounts"): create_account,
    ("GET", "/v1/accounts/{id}"): read_account,
    ("POST", "/v1/account_links"): create_account_link,
    ("POST", "/v1/webhook_endpoints"): create_hook,
    ("GET", "/v1/webhook_endpoints"): lists("webhook_endpoint", "/v1/webhook_endpoints"),
    ("GET", "/v1/webhook_endpoints/{id}"): reads("webhook_endpoint"),
    ("POST", "/v1/webhook_endpoints/{id}"): change_hook,
    ("DELETE", "/v1/webhook_endpoints/{id}"): delete("webhook_endpoint"),
    ("POST", "/v1/products"): create_product,
    ("GET", "/v1/products"): lists("product", "/v1/products", "active"),
    ("GET", "/v1/products/{id}"): reads("product"),
    ("POST", "/v1/products/{id}"): changes("product", "name", "active"),
    ("POST", "/v1/prices"): create_price,
    ("GET", "/v1/prices"): lists("price", "/v1/prices", "lookup_keys", "product", "active"),
    ("GET", "/v1/prices/{id}"): reads("price"),
    ("POST", "/v1/prices/{id}"): changes("price", "active", "nickname", "lookup_key"),
    ("POST", "/v1/payment_links"): create_link,
    ("GET", "/v1/payment_links"): lists("payment_link", "/v1/payment_links", "active"),
    ("GET", "/v1/payment_links/{id}"): reads("payment_link"),
    ("POST", "/v1/payment_links/{id}"): changes("payment_link", "active", "inactive_message", event="payment_link.updated"),
    ("GET", "/v1/payment_links/{id}/line_items"): link_items,
    ("GET", "/v1/checkout/sessions"): lists("checkout.session", "/v1/checkout/sessions", "payment_link", "payment_intent", "status"),
    ("GET", "/v1/checkout/sessions/{id}"): reads("checkout.session"),
    ("POST", "/v1/checkout/sessions/{id}/expire"): expire_session,
    ("POST", "/v1/payment_intents"): create_intent,
    ("GET", "/v1/payment_intents"): lists("payment_intent", "/v1/payment_intents", "customer"),
    ("GET", "/v1/payment_intents/{id}"): reads("payment_intent"),
    ("POST", "/v1/payment_intents/{id}/confirm"): confirm_intent,
    ("POST", "/v1/payment_intents/{id}/cancel"): cancel_intent,
    ("GET", "/v1/charges"): lists("charge", "/v1/charges", "payment_intent", "customer"),
    ("GET", "/v1/charges/{id}"): reads("charge"),
    ("POST", "/v1/refunds"): create_refund,
    ("GET", "/v1/refunds"): lists("refund", "/v1/refunds", "charge", "payment_intent"),
    ("GET", "/v1/refunds/{id}"): reads("refund"),
    ("GET", "/v1/disputes"): lists("dispute", "/v1/disputes", "charge", "payment_intent"),
    ("GET", "/v1/disputes/{id}"): reads("dispute"),
    ("POST", "/v1/disputes/{id}"): change_dispute,
    ("POST", "/v1/disputes/{id}/close"): lambda call, one: call.books.close_dispute(call.account, call.find("dispute", one), "lost"),
    ("POST", "/v1/customers"): create_customer,
    ("GET", "/v1/customers"): lists("customer", "/v1/customers", "email"),
    ("GET", "/v1/customers/{id}"): reads("customer"),
    ("POST", "/v1/customers/{id}"): changes("customer", "name", "email", "phone", "description", event="customer.updated"),
    ("DELETE", "/v1/customers/{id}"): delete("customer"),
    ("POST", "/v1/coupons"): create_coupon,
    ("GET", "/v1/coupons/{id}"): reads("coupon"),
    ("POST", "/v1/subscriptions"): create_subscription,
    ("GET", "/v1/subscriptions"): lists("subscription", "/v1/subscriptions", "customer", "status"),
    ("GET", "/v1/subscriptions/{id}"): reads("subscription"),
    ("POST", "/v1/subscriptions/{id}"): lambda call, sub: renewals.update(
        call.books, call.account, call.find("subscription", sub), call.given
    ),
    ("DELETE", "/v1/subscriptions/{id}"): lambda call, sub: renewals.cancel(call.books, call.account, call.find("subscription", sub)),
    ("GET", "/v1/invoices"): lists("invoice", "/v1/invoices", "customer", "status"),
    ("GET", "/v1/invoices/{id}"): reads("invoice"),
    ("GET", "/v1/invoice_payments"): lists("invoice_payment", "/v1/invoice_payments", "invoice", "payment", "status"),
    ("GET", "/v1/events"): lists("event", "/v1/events", "type"),
    ("GET", "/v1/events/{id}"): reads("event"),
}
