"""Stripe's objects as Clientway keeps them: only what counts, under our own names, whatever the API's version.

Pure: the fetcher turns what it read into these, the consumer reads nothing else. Amounts are in the currency's smallest
unit, as Stripe's are.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

from clientway.moments import rfc3339

Json = Mapping[str, Any]

_METHODS: Final = {"card": "card", "card_present": "card", "link": "card", "us_bank_account": "bank_transfer", "ach_debit": "bank_transfer",
                   "ach_credit_transfer": "bank_transfer", "sepa_debit": "bank_transfer", "bacs_debit": "bank_transfer",
                   "au_becs_debit": "bank_transfer", "acss_debit": "bank_transfer", "customer_balance": "bank_transfer"}  # fmt: skip
_REFUNDS: Final = {"succeeded": "succeeded", "pending": "pending", "requires_action": "pending", "failed": "failed", "canceled": "canceled"}
# "warning" is an early inquiry: no money has moved and often never does.
_DISPUTES: Final = {
    "needs_response": "open", "under_review": "open", "won": "won", "lost": "lost", "prevented": "won",
}  # fmt: skip


def payment(
    intent: Json | None,
    charge: Json | None,
    refunds: Iterable[Json] = (),
    disputes: Iterable[Json] = (),
    billed: Iterable[Json] = (),
) -> dict[str, Any] | None:
    """A payment with all that was given back and disputed of it; None while nobody has tried to pay.

    `billed` is what it paid of invoices at Stripe, each with its invoice.
    """
    status, at = _status(intent, charge)
    source = intent or charge
    if source is None or status is None:
        return None
    details = (charge or {}).get("payment_method_details") or {}
    return {
        "kind": "payment",
        "id": source["id"],
        "status": status,
        "amount_cents": _amount(intent, charge, status),
        "currency": str(source["currency"]).upper(),
        "at": at,
        "method": _METHODS.get(details.get("type", "card"), "other"),
        "failure": _failure(intent, charge) if status == "failed" else None,
        "metadata": _metadata(intent) | _metadata(charge) if intent is None else _metadata(intent),
        "customer": identifier(source.get("customer")),
        "refunds": sorted((_refund(one) for one in refunds), key=lambda one: str(one["id"])),
        "disputes": sorted((one for one in map(_dispute, disputes) if one), key=lambda one: str(one["id"])),
        "tax_cents": min(sum(map(_tax, billed)), _amount(intent, charge, status)),
    }


def subscription(found: Json) -> dict[str, Any]:
    """A subscription's whole state; its periods stand on the items since 2025, before that on itself."""
    items = [_item(one) for one in (found.get("items") or {}).get("data", ())]
    starts = [one["period_start"] for one in items if one["period_start"]] or [found.get("current_period_start")]
    ends = [one["period_end"] for one in items if one["period_end"]] or [found.get("current_period_end")]
    ends_at = found.get("cancel_at") or (max(filter(None, ends), default=None) if found.get("cancel_at_period_end") else None)
    return {
        "kind": "subscription",
        "id": found["id"],
        "status": found["status"],
        "customer": identifier(found.get("customer")),
        "currency": str(found.get("currency") or "usd").upper(),
        "metadata": _metadata(found),
        "items": items,
        "discounts": [one for one in map(_discount, _discounts(found)) if one],
        "period_start": moment(max(filter(None, starts), default=None)),
        "period_end": moment(max(filter(None, ends), default=None)),
        "ends_at": moment(ends_at),
        "ended_at": moment(found.get("ended_at")),
        "created_at": moment(found.get("created")),
    }


def account(found: Json) -> dict[str, Any]:
    """Whether an account can take payments."""
    return {"kind": "account", "id": found["id"], "charges_enabled": bool(found.get("charges_enabled"))}


def refund_status(given: str | None) -> str:
    """A refund's status as ours; those that need somebody to do something are still on their way."""
    return _REFUNDS.get(given or "succeeded", "pending")


def moment(seconds: int | None) -> str | None:
    """Unix seconds as RFC 3339."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC)) if seconds else None


def _status(intent: Json | None, charge: Json | None) -> tuple[str | None, str | None]:
    if intent is None:
        if charge is None:
            return None, None
        paid = {"succeeded": "succeeded", "pending": "pending", "failed": "failed"}.get(str(charge.get("status")))
        # An authorization is a promise; what is not captured is nobody's yet.
        return ("pending" if paid == "succeeded" and not charge.get("captured", True) else paid), moment(charge["created"])
    at = moment((charge or intent)["created"])
    match intent["status"]:
        case "succeeded":
            return "succeeded", at
        case "canceled":
            return "canceled", moment(intent.get("canceled_at")) or at
        case "processing" | "requires_capture":
            return "pending", at
        case _:
            return ("failed", at) if intent.get("last_payment_error") else (None, None)


def _amount(intent: Json | None, charge: Json | None, status: str) -> int:
    if intent is None:
        captured = (charge or {}).get("amount_captured")
        return int(captured if status == "succeeded" and captured else (charge or {})["amount"])
    return int(intent.get("amount_received") or intent["amount"]) if status == "succeeded" else int(intent["amount"])


def _failure(intent: Json | None, charge: Json | None) -> str | None:
    error = (intent or {}).get("last_payment_error") or {}
    found = error.get("message") or error.get("code") or (charge or {}).get("failure_message") or (charge or {}).get("failure_code")
    return str(found)[:500] if found else None


def _refund(found: Json) -> dict[str, Any]:
    return {
        "id": found["id"], "amount_cents": int(found["amount"]), "currency": str(found["currency"]).upper(),
        "status": refund_status(found.get("status")), "at": moment(found["created"]),
        "failure": found.get("failure_reason"), "metadata": _metadata(found),
    }  # fmt: skip


def _dispute(found: Json) -> dict[str, Any] | None:
    status = _DISPUTES.get(found["status"])
    if status is None:
        return None
    return {
        "id": found["id"], "amount_cents": int(found["amount"]), "currency": str(found["currency"]).upper(), "status": status,
        "reason": found.get("reason"), "at": moment(found["created"]),
    }  # fmt: skip


def _tax(found: Json) -> int:
    """The tax in what was paid of an invoice at Stripe, in proportion; half a cent is rounded up."""
    invoice, paid = found["invoice"], int(found.get("amount_paid") or 0)
    total, tax = int(invoice["total"]), sum(int(one["amount"]) for one in invoice.get("total_taxes") or ())
    return (2 * paid * tax + total) // (2 * total) if total > 0 else 0


def _item(found: Json) -> dict[str, Any]:
    price = found.get("price") or found.get("plan") or {}
    recurring = price.get("recurring") or {}
    return {
        "lookup_key": price.get("lookup_key"),
        "support_plan": _metadata(price).get("support_plan"),
        "currency": str(price.get("currency") or "usd").upper(),
        # In millionths of a cent's unit at most: a decimal string where a price is finer than a cent.
        "unit_amount": str(price["unit_amount_decimal"]) if price.get("unit_amount_decimal") is not None else str(_plain_amount(price)),
        "quantity": int(found.get("quantity") or (0 if recurring.get("usage_type", price.get("usage_type")) == "metered" else 1)),
        "metered": recurring.get("usage_type", price.get("usage_type")) == "metered",
        "interval": recurring.get("interval") or price.get("interval"),
        "interval_count": int(recurring.get("interval_count") or price.get("interval_count") or 1),
        "period_start": found.get("current_period_start"),
        "period_end": found.get("current_period_end"),
    }


def _plain_amount(price: Json) -> int:
    return int(price.get("unit_amount") or price.get("amount") or 0)


def _discounts(found: Json) -> list[Json]:
    one = found.get("discount")
    listed = [each for each in found.get("discounts") or () if isinstance(each, Mapping)]
    return [*listed, *([one] if isinstance(one, Mapping) and not listed else [])]


def _discount(found: Json) -> dict[str, Any] | None:
    coupon = found.get("coupon") or (found.get("source") or {}).get("coupon")
    if not isinstance(coupon, Mapping) or coupon.get("duration") == "once":
        return None
    percent = coupon.get("percent_off")
    return {
        "percent_off": str(Fraction(str(percent))) if percent is not None else None,
        "amount_off": coupon.get("amount_off"),
        "ends_at": moment(found.get("end")),
    }


def _metadata(found: Json | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in ((found or {}).get("metadata") or {}).items()}


def identifier(value: Any) -> str | None:
    """The id of what is referred to, expanded or not."""
    return value.get("id") if isinstance(value, Mapping) else value
