"""The stand-in's state with what changes it: payments, refunds and disputes, each with the events that Stripe sends of it."""

from typing import Any, Final

from clientway.local.stripe import shapes
from clientway.local.stripe.forms import PAYMENT_REQUIRED, Refusal, absent
from clientway.local.stripe.store import Store, new_id

Json = dict[str, Any]

API_VERSION: Final = "2026-10-28.endive"
# Stripe's test cards, as its documentation lists them: what each does.
CARDS: Final[dict[str, Json]] = {
    "4242424242424242": {"brand": "visa", "title": "Succeeds"},
    "5555555555554444": {"brand": "mastercard", "title": "Succeeds (Mastercard)"},
    "4000000000000002": {"brand": "visa", "title": "Is declined", "failure": ("card_declined", "Your card was declined.")},
    "4000000000009995": {
        "brand": "visa",
        "title": "Has insufficient funds",
        "failure": ("card_declined", "Your card has insufficient funds."),
        "decline_code": "insufficient_funds",
    },
    "4000000000000259": {"brand": "visa", "title": "Succeeds, then is disputed", "disputed": True},
    "4000000000005126": {"brand": "visa", "title": "Succeeds, refunds fail later", "refunds_fail": True},
}
_METHODS: Final = {
    "pm_card_visa": "4242424242424242", "pm_card_mastercard": "5555555555554444", "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclined": "4000000000000002", "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_createDispute": "4000000000000259", "pm_card_refundFail": "4000000000005126",
}  # fmt: skip
_OVER = {"won", "lost"}


class Books:
    """All accounts. Whoever changes something does it within `store.transaction()`."""

    def __init__(self, store: Store, base: str) -> None:
        """`base` is the address of the pages."""
        self.store = store
        self.base = base

    # ---- Accounts and events

    def add_account(self, name: str, *, platform: str | None = None, enabled: bool = True, **more: Any) -> Json:
        """A merchant; one of a platform's is reached with the platform's key."""
        account_id = new_id("acct", 16)
        made = shapes.account(account_id, name, more.get("email"), self.store.now, enabled=enabled, metadata=more.get("metadata") or {})
        if platform:
            self.store.put(platform, {"object": "relation", "id": f"relation_{account_id}", "account": account_id})
        return self.store.put(account_id, made)

    def platform_of(self, account: str) -> str | None:
        """The platform of an account, if it has one."""
        return next((owner for owner, body in self.store.every("relation") if body["account"] == account), None)

    def find(self, account: str, kind: str, object_id: str, param: str = "id") -> Json:
        """An object. Raises Refusal (404)."""
        found = self.store.get(account, object_id, kind)
        if found is None:
            raise absent(kind.replace("checkout.", ""), object_id, param)
        return found

    def emit(self, account: str, kind: str, body: Json, previous: Json | None = None) -> Json:
        """Say that something happened, to whoever listens."""
        event = {
            "id": new_id("evt"), "object": "event", "api_version": API_VERSION, "created": self.store.now,
            "data": {"object": body, **({"previous_attributes": previous} if previous else {})}, "livemode": shapes.LIVE,
            "pending_webhooks": 0, "request": {"id": new_id("req", 14), "idempotency_key": None}, "type": kind,
        }  # fmt: skip
        platform = self.platform_of(account)
        if platform:
            event["account"] = account
        for owner, connected in ((account, False), (platform, True)):
            for hook in self.store.all(owner, "webhook_endpoint") if owner else ():
                wanted = kind in hook["enabled_events"] or "*" in hook["enabled_events"]
                if wanted and hook["status"] == "enabled" and self.store.hook(hook["id"])[1] == connected:
                    event["pending_webhooks"] += 1  # type: ignore[operator]
                    self.store.queue(account, str(event["id"]), hook["id"], due=self.store.clock())
        return self.store.put(account, event)

    # ---- Payments

    def new_intent(self, account: str, amount: int, currency: str, **more: Any) -> Json:
        """Somebody means to pay."""
        intent = shapes.payment_intent(new_id("pi"), amount, currency, self.store.now, **more)
        self.emit(account, "payment_intent.created", intent)
        return self.store.put(account, intent)

    def attempt(self, account: str, intent: Json, card: str, *, email: str | None = None, name: str | None = None) -> Json:
        """Try to take an intent's money from a card: its number, or the name that Stripe gives it in tests. Returns the charge."""
        number = _METHODS.get(card, card).replace(" ", "")
        known = CARDS.get(number)
        if known is None:
            raise Refusal(f"No such PaymentMethod: '{card}'", code="resource_missing", param="payment_method")
        if intent["status"] in {"succeeded", "canceled"}:
            message = f"This PaymentIntent's status is {intent['status']}."
            raise Refusal(message, code="payment_intent_unexpected_state")
        charge_id = new_id("ch")
        charge = shapes.charge(
            charge_id, intent, {"brand": known["brand"], "last4": number[-4:]}, self.store.now, f"{self.base}/receipt/{charge_id}",
            failure=known.get("failure"), email=email, name=name, payment_method=new_id("pm"), balance_transaction=new_id("txn"),
        )  # fmt: skip
        self.store.put(account, charge)
        intent |= {"latest_charge": charge_id, "payment_method": charge["payment_method"]}
        if charge["paid"]:
            intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}
        else:
            code, message = known["failure"]
            error = {"type": "card_error", "code": code, "message": message, "charge": charge_id}
            error["decline_code"] = known.get("decline_code", "generic_decline")
            intent |= {"status": "requires_payment_method", "last_payment_error": error}
        self.store.put(account, intent)
        outcome = ("charge.succeeded", "payment_intent.succeeded") if charge["paid"] else ("charge.failed", "payment_intent.payment_failed")
        self.emit(account, outcome[0], charge)
        self.emit(account, outcome[1], intent)
        if charge["paid"] and known.get("disputed"):
            self.open_dispute(account, charge)
        return charge

    def refuse_declined(self, charge: Json, intent: Json) -> None:
        """Raise what the API answers to a declined card."""
        if not charge["paid"]:
            error = intent["last_payment_error"]
            raise Refusal(
                error["message"], status=PAYMENT_REQUIRED, kind="card_error", code=error["code"], decline_code=error["decline_code"],
    charge=charge["id"], payment_intent=intent, kept=True,
            )  # fmt: skip

    def pay_link(self, account: str, session: Json, card: str, *, email: str, name: str) -> Json:
        """Pay a payment link by a session that somebody opened. Returns the charge, which may have failed."""
        link = self.find(account, "payment_link", session["payment_link"])
        self.refuse_closed(link, session)
        given = link["payment_intent_data"]
        if session["payment_intent"]:
            intent = self.find(account, "payment_intent", session["payment_intent"])
        else:
            intent = self.new_intent(
                account,
                session["amount_total"],
                session["currency"],
                metadata=given["metadata"],
                description=given["description"],
                receipt_email=email,
            )
        charge = self.attempt(account, intent, card, email=email, name=name)
        session["payment_intent"] = intent["id"]
        if charge["paid"]:
            details: Json = {"address": None, "email": email, "name": name, "phone": None, "tax_exempt": "none", "tax_ids": []}
            session |= {"status": "complete", "payment_status": "paid", "customer_details": details, "url": None}
            if link["restrictions"]:
                link["restrictions"]["completed_sessions"]["count"] += 1
                self.store.put(account, link)
            self.emit(account, "checkout.session.completed", session)
        self.store.put(account, session)
        return charge

    def refuse_closed(self, link: Json, session: Json) -> None:
        """Raise when a link, or somebody's session of it, takes no payment (any more)."""
        restriction = (link["restrictions"] or {}).get("completed_sessions")
        full = restriction is not None and restriction["count"] >= restriction["limit"]
        if not link["active"] or full or session["status"] != "open":
            raise Refusal(link["inactive_message"] or "This link is no longer active.", code="payment_link_inactive")

    # ---- Refunds and disputes

    def refund(self, account: str, charge: Json, amount: int | None, **more: Any) -> Json:
        """Give money back, as much as there is."""
        left = charge["amount_captured"] - charge["amount_refunded"]
        wanted = left if amount is None else amount
        if charge["disputed"]:
            raise Refusal(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
        if not charge["paid"] or left <= 0:
            raise Refusal(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if wanted > left:
            message = f"Refund amount ({_money(wanted)}) is greater than unrefunded amount on charge ({_money(left)})"
            raise Refusal(message, param="amount")
        if wanted < 1:
            raise Refusal("Refund amount must be at least 1 cent.", code="parameter_invalid_integer", param="amount")
        made = shapes.refund(new_id("re"), charge, wanted, self.store.now, balance_transaction=new_id("txn"), **more)
        self.store.put(account, made)
        self._refunded(account, charge, wanted)
        self.emit(account, "refund.created", made)
        self.emit(account, "charge.refunded", charge)
        if CARDS[_number(charge)].get("refunds_fail"):
            failed = {**made, "status": "failed", "failure_reason": "expired_or_canceled_card"}
            self.store.put(account, failed)
            self._refunded(account, charge, -wanted)
            for kind in ("refund.failed", "refund.updated", "charge.refund.updated"):
                self.emit(account, kind, failed, {"status": "succeeded"})
        return made

    def _refunded(self, account: str, charge: Json, amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] >= charge["amount_captured"]
        self.store.put(account, charge)

    def open_dispute(self, account: str, charge: Json, reason: str = "fraudulent") -> Json:
        """The payer's bank takes the money back until it is decided."""
        if charge["disputed"] or not charge["paid"]:
            raise Refusal(f"Charge {charge['id']} cannot be disputed.")
        made = shapes.dispute(new_id("dp"), charge, self.store.now, reason)
        self.store.put(account, made)
        charge["disputed"] = True
        self.store.put(account, charge)
        self.emit(account, "charge.dispute.created", made)
        self.emit(account, "charge.dispute.funds_withdrawn", made)
        return made

    def close_dispute(self, account: str, dispute: Json, outcome: str) -> Json:
        """The banks have decided: `won` or `lost`. What is decided stays."""
        if dispute["status"] in _OVER:
            raise Refusal("This dispute is already closed.", code="dispute_closed")
        before = dispute["status"]
        dispute["status"] = outcome
        self.store.put(account, dispute)
        if outcome == "won":
            self.emit(account, "charge.dispute.funds_reinstated", dispute)
        self.emit(account, "charge.dispute.closed", dispute, {"status": before})
        return dispute


def _number(charge: Json) -> str:
    last4 = charge["payment_method_details"]["card"]["last4"]
    return next(number for number in CARDS if number.endswith(last4))


def _money(cents: int) -> str:
    return f"${cents / 100:,.2f}"
