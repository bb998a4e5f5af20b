"""Reads at Stripe what an event was about, as it is now, and hands it on. Outside the network and without the database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from clientway import queues
from clientway.integrations.stripe import shapes
from clientway.integrations.stripe.reader import StripeReader
from clientway.integrations.stripe.schemas import Heard, Subject


class Reader(Protocol):
    """What is asked of Stripe; an object that is not there is None."""

    def one(self, kind: str, object_id: str) -> dict[str, Any] | None:
        """One object by its id."""

    def of_charge(self, kind: str, charge_id: str) -> list[dict[str, Any]]:
        """The refunds or disputes of a charge."""

    def billed(self, intent_id: str) -> list[dict[str, Any]]:
        """What a payment paid of invoices at Stripe, each with its invoice."""


def fetch(body: str) -> None:
    """Fetch what one queued event is about and put it on the queue of states. Raises what Stripe or the queue raises."""
    heard = Heard.model_validate_json(body)
    # Before reading: what is read is at least as new as this.
    fetched_at = datetime.now(UTC)
    state = read(StripeReader(heard.endpoint, heard.account_id), heard.subject)
    message = {"kind": "event", **heard.model_dump(mode="json"), "state": state, "fetched_at": fetched_at}
    queues.send("STRIPE_STATE_QUEUE_URL", message, group=heard.endpoint)


def read(reader: Reader, about: Subject) -> dict[str, Any] | None:
    """What Stripe says now of an event's subject, in our own shape; None when it is gone or says nothing."""
    match about.kind:
        case "subscription":
            found = reader.one("subscription", about.id)
            return shapes.subscription(found) if found else None
        case "account":
            found = reader.one("account", about.id)
            return shapes.account(found) if found else None
        case "deauthorized":
            return {"kind": "deauthorized", "id": about.id}
        case _:
            return _payment(reader, about)


def _payment(reader: Reader, about: Subject) -> dict[str, Any] | None:
    intent_id, charge_id = _leads_to(reader, about)
    if intent_id is None and charge_id is not None:
        # A charge of an intent is that intent's payment, not another one.
        intent_id = shapes.identifier((reader.one("charge", charge_id) or {}).get("payment_intent"))
    intent = reader.one("payment_intent", intent_id) if intent_id else None
    latest: Any = intent and intent.get("latest_charge")
    charge = latest if isinstance(latest, Mapping) else None
    charge_id = latest if isinstance(latest, str) else charge_id
    if charge is None and charge_id:
        charge = reader.one("charge", charge_id)
    # Also where the charge says that nothing was given back: it says so of refunds, too, that have failed since.
    refunds = reader.of_charge("refund", charge["id"]) if charge and charge.get("paid", True) else []
    disputes = reader.of_charge("dispute", charge["id"]) if charge and charge.get("disputed", True) else []
    # What pays an invoice of ours has its tax there.
    elsewhere = intent is not None and "clientway_invoice" not in (intent.get("metadata") or {})
    billed = reader.billed(intent["id"]) if intent and elsewhere and intent["status"] == "succeeded" else []
    return shapes.payment(intent, charge, refunds, disputes, billed)


def _leads_to(reader: Reader, about: Subject) -> tuple[str | None, str | None]:
    """The payment intent and the charge that a subject belongs to."""
    if about.kind == "payment_intent":
        return about.id, None
    found = reader.one(about.kind, about.id)
    if found is None:
        return None, None
    charge_id = about.id if about.kind == "charge" else shapes.identifier(found.get("charge"))
    return shapes.identifier(found.get("payment_intent")), charge_id
