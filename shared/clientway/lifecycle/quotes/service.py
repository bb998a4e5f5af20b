"""Quotes: what a deal would cost, and what the client said to it."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable
from clientway.lifecycle.deals import service as deals
from clientway.lifecycle.deals.rules import DealClosed
from clientway.lifecycle.quotes import rules
from clientway.lifecycle.quotes.schemas import Quote, QuoteCreate, QuotePatch
from clientway.lifecycle.records import Owner, Records
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.tables import quotes
from clientway.moments import rfc3339
from clientway.paging import Request, page

QUOTES = Records("quote", quotes, Quote)
_ACTIVITIES = {"sent": "quote_sent", "viewed": "quote_viewed", "accepted": "quote_accepted", "declined": "note_added"}


def of_deal(tx: Tx, deal_id: UUID, request: Request) -> Any:
    """A page of a deal's quotes. Raises NotFound (404)."""
    answer = page(tx, QUOTES.listing().where(quotes.c.deal_id == deal_id), request, {"created_at": quotes.c.created_at}, quotes.c.id)
    if not answer.rows:
        deals.read(tx, deal_id)
    return answer


def read(tx: Tx, quote_id: UUID) -> Any:
    """One quote. Raises NotFound (404)."""
    return QUOTES.read(tx, quote_id)


def create(tx: Tx, deal_id: UUID, quote: QuoteCreate) -> Any:
    """Draft a quote for an open deal. Raises NotFound (404), DealClosed (409), Unprocessable (422) for a validity that is over."""
    _check_validity(tx, quote.valid_until)
    deal = deals.DEALS.lock(tx, deal_id)
    if deal["status"] != "open":
        raise DealClosed(f"The deal is {deal['status']}; open it again to quote for it.")
    owner = Owner(UUID(deal["organization_id"]), deal["currency"])
    given = {**quote.model_dump(mode="json"), "deal_id": str(deal_id), "currency": quote.currency or owner.currency}
    return QUOTES.insert(tx, owner, given)[1]


def change(tx: Tx, quote_id: UUID, patch: QuotePatch, *, version: int) -> Any:
    """Change a draft, or move a quote on; one that is sent makes its organization an opportunity.

    Raises NotFound (404), PreconditionFailed (412), QuoteMoveRefused (409), QuoteSent (409), Unprocessable (422).
    """
    before = QUOTES.lock(tx, quote_id, version=version)
    changes = rules.revise(before, patch.model_dump(mode="json", exclude_unset=True), rfc3339(tx.now))
    _check_validity(tx, patch.valid_until)
    answer = QUOTES.update(tx, before, changes)
    after = {**before, **changes}
    if after["status"] != before["status"]:
        organization_id = UUID(before["organization_id"])
        metadata = {"quote_id": str(quote_id)} | {name: after[name] for name in ("deal_id", "amount_cents", "currency", "status")}
        title = after["title"] if after["status"] != "declined" else f"Quote declined: {after['title']}"
        effects.record(tx, _ACTIVITIES[after["status"]], title, organization_id=organization_id, metadata=metadata, client_visible=True)
        effects.publish(tx, f"quote.{after['status']}", {"organization_id": organization_id, **metadata})
        if after["status"] == "sent":
            stages.reconsider(tx, [organization_id], event_key=f"quote:{quote_id}:sent")
    return answer


def _check_validity(tx: Tx, valid_until: date | None) -> None:
    # Over everywhere on Earth: the last place to finish a day is twelve hours behind UTC.
    if valid_until is not None and valid_until < (tx.now - timedelta(hours=12)).date():
        pointer = FieldError("#/valid_until", "in_the_past", "is over")
        raise Unprocessable("The quote breaks a rule.", errors=[pointer])
