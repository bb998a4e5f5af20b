"""Stripe's objects in its own shape, as far as the product and the stand-in's pages look at them. No field is invented."""

from typing import Any

Json = dict[str, Any]

LIVE = False
_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


def listing(url: str, data: list[Json], *, more: bool = False) -> Json:
    """A list."""
    return {"object": "list", "data": data, "has_more": more, "url": url}


def account(account_id: str, name: str, email: str | None, created: int, *, enabled: bool, metadata: Json) -> Json:
    """A merchant."""
    return {
        "id": account_id, "object": "account", "business_profile": {"name": name, "url": None, "support_email": email},
        "business_type": None,
        "capabilities": {"card_payments": "active" if enabled else "inactive", "transfers": "active" if enabled else "inactive"},
        "charges_enabled": enabled, "country": "US", "created": created, "default_currency": "usd", "details_submitted": enabled,
        "email": email, "metadata": metadata, "payouts_enabled": enabled, "type": "standard",
        "requirements": {"currently_due": [] if enabled else ["business_type"],
        "disabled_reason": None if enabled else "requirements.past_due"},
    }  # fmt: skip


def webhook_endpoint(hook_id: str, url: str, events: list[str], created: int, **more: Any) -> Json:
    """Where events are delivered."""
    return {
        "id": hook_id, "object": "webhook_endpoint", "api_version": None, "application": None, "created": created, "description": None,
        "enabled_events": events, "livemode": LIVE, "metadata": {}, "status": "enabled", "url": url, **more,
    }  # fmt: skip


def product(product_id: str, name: str, created: int, metadata: Json) -> Json:
    """What is sold."""
    return {
        "id": product_id, "object": "product", "active": True, "created": created, "default_price": None, "description": None, "images": [],
        "livemode": LIVE, "marketing_features": [], "metadata": metadata, "name": name, "package_dimensions": None, "shippable": None,
        "statement_descriptor": None, "tax_code": None, "unit_label": None, "updated": created, "url": None,
    }  # fmt: skip


def price(price_id: str, product_id: str, currency: str, unit_amount: int, created: int, **more: Any) -> Json:
    """What it costs; `recurring` and `lookup_key` come along."""
    recurring = more.get("recurring")
    shown = None
    if recurring:
        shown = {
            "interval": recurring["interval"], "interval_count": int(recurring.get("interval_count", 1)), "meter": None,
            "trial_period_days": None, "usage_type": recurring.get("usage_type", "licensed"),
        }  # fmt: skip
    return {
        "id": price_id, "object": "price", "active": True, "billing_scheme": "per_unit", "created": created, "currency": currency,
        "custom_unit_amount": None, "livemode": LIVE, "lookup_key": more.get("lookup_key"), "metadata": more.get("metadata") or {},
        "nickname": more.get("nickname"), "product": product_id, "recurring": shown, "tax_behavior": "unspecified", "tiers_mode": None,
        "transform_quantity": None, "type": "recurring" if recurring else "one_time", "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }  # fmt: skip


def payment_link(link_id: str, url: str, currency: str, given: Json) -> Json:
    """A page that takes payments."""
    limit = ((given.get("restrictions") or {}).get("completed_sessions") or {}).get("limit")
    intent = given.get("payment_intent_data") or {}
    return {
        "id": link_id, "object": "payment_link", "active": True,
        "after_completion": {"hosted_confirmation": {"custom_message": None}, "type": "hosted_confirmation"},
        "allow_promotion_codes": False, "application": None, "application_fee_amount": None, "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None}, "billing_address_collection": "auto", "consent_collection": None,
        "currency": currency, "custom_fields": [], "custom_text": {"after_submit": None, "shipping_address": None, "submit": None,
        "terms_of_service_acceptance": None}, "customer_creation": "if_required", "inactive_message": given.get("inactive_message"),
        "invoice_creation": {"enabled": False, "invoice_data": None}, "livemode": LIVE, "metadata": given.get("metadata") or {},
        "on_behalf_of": None, "payment_intent_data": {"capture_method": None, "description": intent.get("description"),
        "metadata": intent.get("metadata") or {}, "setup_future_usage": None, "statement_descriptor": None,
        "statement_descriptor_suffix": None, "transfer_group": None}, "payment_method_collection": "if_required",
        "payment_method_types": None, "phone_number_collection": {"enabled": False},
        "restrictions": {"completed_sessions": {"count": 0, "limit": int(limit)}} if limit else None,
        "shipping_address_collection": None, "shipping_options": [], "submit_type": "auto", "subscription_data": None,
        "tax_id_collection": {"enabled": False, "required": "never"}, "transfer_data": None, "url": url,
    }  # fmt: skip


def session(session_id: str, link: Json, amount: int, created: int, url: str) -> Json:
    """Somebody looks at a payment page."""
    return {
        "id": session_id, "object": "checkout.session", "allow_promotion_codes": None, "amount_subtotal": amount, "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "status": None}, "billing_address_collection": "auto", "cancel_url": url,
        "client_reference_id": None, "created": created, "currency": link["currency"], "custom_fields": [], "customer": None,
        "customer_creation": "if_required", "customer_details": None, "customer_email": None, "expires_at": created + 86_400,
        "invoice": None,
        "livemode": LIVE, "locale": "auto", "metadata": link["metadata"], "mode": "payment", "payment_intent": None,
        "payment_link": link["id"], "payment_method_types": ["card"], "payment_status": "unpaid", "setup_intent": None, "status": "open",
        "submit_type": "auto", "subscription": None, "success_url": url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}, "ui_mode": None, "url": url,
    }  # fmt: skip


def payment_intent(intent_id: str, amount: int, currency: str, created: int, **more: Any) -> Json:
    """A payment somebody means to make."""
    return {
        "id": intent_id, "object": "payment_intent", "amount": amount, "amount_capturable": 0, "amount_details": {"tip": {}},
        "amount_received": 0, "application": None, "application_fee_amount": None, "automatic_payment_methods": None, "canceled_at": None,
        "cancellation_reason": None, "capture_method": "automatic", "client_secret": f"{intent_id}_secret_{created}",
        "confirmation_method": "automatic", "created": created, "currency": currency, "customer": more.get("customer"),
        "description": more.get("description"), "last_payment_error": None, "latest_charge": None, "livemode": LIVE,
        "metadata": more.get("metadata") or {}, "next_action": None, "on_behalf_of": None, "payment_method": None,
        "payment_method_options": {}, "payment_method_types": ["card"], "processing": None, "receipt_email": more.get("receipt_email"),
        "review": None, "setup_future_usage": None, "shipping": None, "statement_descriptor": None, "statement_descriptor_suffix": None,
        "status": "requires_payment_method", "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


def charge(charge_id: str, intent: Json, card: Json, created: int, receipt_url: str, **more: Any) -> Json:
    """An attempt to take the money of a payment intent; `failure` is a card error's code and message."""
    code, message = more.get("failure") or (None, None)
    paid = code is None
    return {
        "id": charge_id, "object": "charge", "amount": intent["amount"], "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0, "application": None, "application_fee": None, "application_fee_amount": None,
        "balance_transaction": more.get("balance_transaction"),
        "billing_details": {"address": _ADDRESS, "email": more.get("email"), "name": more.get("name"), "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "CLIENTWAY DEMO", "captured": paid, "created": created, "currency": intent["currency"],
        "customer": intent["customer"], "description": intent["description"], "disputed": False, "failure_balance_transaction": None,
        "failure_code": code, "failure_message": message, "fraud_details": {}, "livemode": LIVE, "metadata": intent["metadata"],
        "on_behalf_of": None, "outcome": {"network_status": "approved_by_network" if paid else "declined_by_network", "reason": code,
        "seller_message": "Payment complete." if paid else "The bank did not return any further details with this decline.",
        "type": "authorized" if paid else "issuer_declined"}, "paid": paid, "payment_intent": intent["id"],
        "payment_method": more.get("payment_method"),
        "payment_method_details": {"card": {"brand": card["brand"], "country": "US", "exp_month": 8, "exp_year": 2034, "funding": "credit",
        "last4": card["last4"], "network": card["brand"]}, "type": "card"}, "receipt_email": more.get("email"), "receipt_number": None,
        "receipt_url": receipt_url, "refunded": False, "review": None, "shipping": None, "source_transfer": None,
        "statement_descriptor": None, "statement_descriptor_suffix": None, "status": "succeeded" if paid else "failed",
        "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


def refund(refund_id: str, of: Json, amount: int, created: int, **more: Any) -> Json:
    """Money given back."""
    return {
        "id": refund_id, "object": "refund", "amount": amount, "balance_transaction": more.get("balance_transaction"), "charge": of["id"],
        "created": created, "currency": of["currency"],
        "destination_details": {"card": {"type": "refund", "reference_status": "pending", "reference_type": "acquirer_reference_number"},
        "type": "card"}, "metadata": more.get("metadata") or {}, "payment_intent": of["payment_intent"], "reason": more.get("reason"),
        "receipt_number": None, "source_transfer_reversal": None, "status": more.get("status", "succeeded"), "transfer_reversal": None,
    }  # fmt: skip


def dispute(dispute_id: str, of: Json, created: int, reason: str) -> Json:
    """A payer's bank takes the money back."""
    return {
        "id": dispute_id, "object": "dispute", "amount": of["amount"], "balance_transactions": [], "charge": of["id"], "created": created,
        "currency": of["currency"], "evidence": {"uncategorized_text": None},
        "evidence_details": {"due_by": created + 14 * 86_400, "has_evidence": False, "past_due": False, "submission_count": 0},
        "is_charge_refundable": False, "livemode": LIVE, "metadata": {}, "payment_intent": of["payment_intent"],
        "payment_method_details": {"card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"}, "type": "card"},
        "reason": reason, "status": "needs_response",
    }  # fmt: skip


def customer(customer_id: str, created: int, given: Json) -> Json:
    """Somebody who buys."""
    return {
        "id": customer_id, "object": "customer", "address": None, "balance": 0, "created": created, "currency": None,
        "default_source": None,
        "delinquent": False, "description": given.get("description"), "email": given.get("email"),
        "invoice_prefix": customer_id[-8:].upper(),
        "livemode": LIVE, "metadata": given.get("metadata") or {}, "name": given.get("name"), "phone": given.get("phone"),
        "preferred_locales": [], "shipping": None, "tax_exempt": "none", "test_clock": None,
    }  # fmt: skip
