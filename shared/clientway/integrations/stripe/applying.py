"""What Stripe says, and what senders report, in the books: once, in any order, never backwards.

A message is one transaction: the object is locked, an older or equal state changes nothing, the effect and the event's row
commit together. Whatever breaks leaves nothing behind and is delivered again.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from clientway import db
from clientway.billing.gateway import of_json
from clientway.billing.invoices import service as invoices
from clientway.billing.payments import provider
from clientway.billing.payments.provider import Outcome, ProviderDispute, ProviderPayment, ProviderRefund
from clientway.db import Tx
from clientway.integrations.stripe import accounts, queries, subscriptions
from clientway.integrations.stripe.schemas import Report, Told

logger = logging.getLogger(__name__)

_MESSAGE: TypeAdapter[Told | Report] = TypeAdapter(Told | Report)
_DUPLICATE = "duplicate"
# What is said of an account counts again once it was given up and connected anew.
_ANEW: Final = {"account", "deauthorized"}


class _SomebodyElseDid(Exception):  # noqa: N818  (takes back what the other one has written already)
    pass


def apply(body: str) -> str:
    """Apply one message of the queue of states and return what came of it: an outcome of stripe_events, or `duplicate`.

    Raises what the database raises; then nothing was applied.
    """
    message = _MESSAGE.validate_json(body)
    tenant_id = message.tenant_id if isinstance(message, Report) else queries.tenant_of(message.endpoint, message.account_id)
    if tenant_id is None:
        # An endpoint that was given up, or an account that was never connected: nobody's.
        logger.warning("stripe event of no tenant", extra={"endpoint": getattr(message, "endpoint", None)})
        return "unknown_object"
    try:
        with db.job_transaction(tenant_id) as tx:
            outcome = _report(tx, message) if isinstance(message, Report) else _event(tx, message)
    except _SomebodyElseDid:
        return _DUPLICATE
    logger.info("stripe message applied", extra={"outcome": outcome})
    return outcome


def _event(tx: Tx, message: Told) -> str:
    event, state = message.event, message.state
    if queries.heard(tx, event.id):
        return _DUPLICATE
    if state is None:
        return _keep(tx, message, "unknown_object", None, "")
    object_id, digest = str(state["id"]), _digest(state)
    before = queries.lock_object(tx, object_id, state["kind"])
    stale = before.fetched_at is not None and message.fetched_at <= before.fetched_at
    known = before.state_hash == digest and state["kind"] not in _ANEW
    outcome = "unchanged" if stale or known else _APPLY[state["kind"]](tx, state)
    # What nobody here knows yet may be known with its next event, which then has to look anew.
    return _keep(tx, message, outcome, object_id, "" if stale or outcome == "unknown_object" else digest)


def _keep(tx: Tx, message: Told, outcome: str, object_id: str | None, digest: str) -> str:
    event = message.event
    kept = queries.keep(
        tx, event_id=event.id, type=event.type[:100], outcome=outcome, object_id=object_id, state_hash=digest, fetched_at=message.fetched_at
    )
    if not kept:
        raise _SomebodyElseDid
    return outcome


def _digest(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _payment(tx: Tx, state: Mapping[str, Any]) -> str:
    """A payment, then what was given back of it, then what is disputed: in this order whatever came first."""
    metadata = state["metadata"]
    ours = metadata.get("clientway_tenant") in (None, str(tx.tenant_id))
    customer = state["customer"]
    outcomes = [
        provider.apply_payment(
            tx,
            ProviderPayment(
                provider="stripe", provider_id=state["id"], status=state["status"], method=state["method"],
                amount_cents=state["amount_cents"], currency=state["currency"], at=_time(state["at"]),
                invoice_id=_uuid(metadata.get("clientway_invoice")) if ours else None,
                organization_id=queries.organization_of_customer(tx, customer) if customer else None,
                contact_id=None, failure=state["failure"], tax_cents=state.get("tax_cents", 0),
            ),
        )
    ]  # fmt: skip
    if outcomes[0] == "unknown_object":
        return "unknown_object"
    outcomes += [_refund(tx, state["id"], one) for one in state["refunds"]]
    outcomes += [_dispute(tx, state["id"], one) for one in state["disputes"]]
    return "applied" if "applied" in outcomes else "unchanged"


def _refund(tx: Tx, payment_id: str, one: Mapping[str, Any]) -> Outcome:
    found = ProviderRefund(
        provider="stripe", provider_id=one["id"], payment_provider_id=payment_id, refund_id=_uuid(one["metadata"].get("clientway_refund")),
        amount_cents=one["amount_cents"], currency=one["currency"], status=one["status"], at=_time(one["at"]), failure=one["failure"],
    )  # fmt: skip
    return provider.apply_refund(tx, found)


def _dispute(tx: Tx, payment_id: str, one: Mapping[str, Any]) -> Outcome:
    closed = one["status"] != "open"
    found = ProviderDispute(
        provider="stripe", provider_id=one["id"], payment_provider_id=payment_id, amount_cents=one["amount_cents"],
        currency=one["currency"], status=one["status"], reason=one["reason"], opened_at=_time(one["at"]),
        # Stripe does not say when it was decided: when it was heard of.
        closed_at=tx.now if closed else None,
    )  # fmt: skip
    return provider.apply_dispute(tx, found)


def _account(tx: Tx, state: Mapping[str, Any]) -> str:
    outcome = accounts.follow(tx, state["id"], charges_enabled=state["charges_enabled"])
    if outcome == "applied" and state["charges_enabled"]:
        invoices.ask_for_pages(tx)
    return outcome


def _deauthorized(tx: Tx, state: Mapping[str, Any]) -> str:  # noqa: ARG001  (the event's account is the tenant's, or it would not be here)
    return accounts.deauthorized(tx)


_APPLY: Final[Mapping[str, Callable[[Tx, Any], str]]] = {
    "payment": _payment,
    "subscription": subscriptions.apply,
    "account": _account,
    "deauthorized": _deauthorized,
}


def _report(tx: Tx, message: Report) -> str:
    """What a sender did with an outbox row."""
    if queries.heard(tx, _report_id(message)):
        return _DUPLICATE
    result, error, payload = message.result or {}, message.error, message.payload
    match message.topic:
        case "stripe.page.create" if error is None:
            made_by, cents = of_json(payload["gateway"]), int(payload["amount_cents"])
            invoices.page_made(tx, UUID(payload["invoice_id"]), gateway=made_by, url=result["url"], ref=result["ref"], cents=cents)
        case "stripe.page.create" if error is not None:
            endpoint_id = UUID(payload["gateway"]["endpoint_id"])
            invoices.page_failed(tx, UUID(payload["invoice_id"]), endpoint_id=endpoint_id, error=error.message[:500])
        case "stripe.refund.create":
            provider.apply_refund(tx, _reported_refund(tx, message))
        case topic if topic.startswith("stripe.account."):
            accounts.reported(tx, topic, payload, result, error)
            if error is None and topic != "stripe.account.disconnect":
                # What was sent out before the account was there can be paid from now on, and what is subscribed to is known.
                invoices.ask_for_pages(tx)
                subscriptions.reread(tx)
        case _:
            pass
    if not queries.keep(tx, event_id=_report_id(message), type=message.topic, outcome="applied", fetched_at=tx.now):
        raise _SomebodyElseDid
    return "applied"


def _reported_refund(tx: Tx, message: Report) -> ProviderRefund:
    payload, result = message.payload, message.result or {}
    return ProviderRefund(
        provider="stripe", provider_id=result.get("id"), payment_provider_id=payload["payment_id"], refund_id=UUID(payload["refund_id"]),
        amount_cents=int(payload["amount_cents"]), currency=payload["currency"], status=result.get("status", "failed"), at=tx.now,
        failure=message.error.message[:500] if message.error else result.get("failure"),
    )  # fmt: skip


def _report_id(message: Report) -> str:
    return f"report:{message.id}"


def _uuid(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)
