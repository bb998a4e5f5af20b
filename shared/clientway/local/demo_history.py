"""What the demo's organizations went through: deals, quotes, payments, tickets and answers, each at its time.

Services stamp what they write with `tx.now`; here it is set back to the day on which the thing is said to have happened.
"""

import json
import random
from datetime import datetime, timedelta
from uuid import UUID

from clientway.billing.disputes import service as disputes
from clientway.billing.disputes.schemas import DisputeCreate
from clientway.billing.invoices import service as invoices
from clientway.billing.invoices.schemas import InvoiceCreate, InvoiceLineInput
from clientway.billing.payments import service as payments
from clientway.billing.payments.schemas import OrganizationPaymentCreate
from clientway.db import Tx
from clientway.lifecycle.deals import service as deals
from clientway.lifecycle.deals.schemas import DealCreate, DealPatch
from clientway.lifecycle.quotes import service as quotes
from clientway.lifecycle.quotes.schemas import QuoteCreate, QuotePatch
from clientway.lifecycle.referrals import service as referrals
from clientway.lifecycle.referrals.schemas import ReferralCreate
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.stages.schemas import Conversion
from clientway.lifecycle.surveys import service as surveys
from clientway.lifecycle.surveys.schemas import NpsAnswerCreate
from clientway.lifecycle.tickets import service as tickets
from clientway.lifecycle.tickets.schemas import TicketCreate, TicketPatch
from clientway.lifecycle.timeline import service as timeline
from clientway.lifecycle.timeline.rules import ActivityType
from clientway.lifecycle.timeline.schemas import ActivityCreate

_SUBJECTS = (
    "Menu photos for the website",
    "Card reader does not print",
    "Holiday opening hours",
    "New allergen labels",
    "Loyalty points are missing",
)
_MONTH, _TERM = timedelta(days=30), timedelta(days=14)
# Of the clients: whose last payment is late, and who disputes it.
_LATE, _DISPUTED = 18, 28


def negotiate(tx: Tx, organization_id: UUID, contact_id: UUID | None, rep_id: UUID | None, draw: random.Random) -> None:
    """An open deal with a quote that was sent."""
    amount = draw.randrange(20, 200) * 10_000
    name = draw.choice(("Annual support plan", "Menu engineering", "Second location launch"))
    deal = json.loads(
        deals.create(tx, organization_id, DealCreate(name=name, amount_cents=amount, contact_id=contact_id, owner_rep_id=rep_id))
    )
    quote = json.loads(quotes.create(tx, UUID(deal["id"]), QuoteCreate(title=name, amount_cents=amount)))
    quotes.change(tx, UUID(quote["id"]), QuotePatch(status="sent"), version=quote["version"])
    deals.change(tx, UUID(deal["id"]), DealPatch(stage="proposal"), version=deal["version"])


def serve(tx: Tx, organization_id: UUID, contact_id: UUID | None, number: int, draw: random.Random) -> None:
    """A client of some months: won, billed every month, helped now and then, asked how satisfied they are."""
    today, months, mrr = tx.now, draw.randrange(2, 30), draw.randrange(200, 2000) * 100
    tx.now = start = today - months * _MONTH
    _win(tx, organization_id, contact_id, mrr * 12)
    signed = Conversion(support_plan_tier="core", support_minutes_included=600, mrr_cents=mrr, client_since=start, reason="Signed")
    stages.convert(tx, organization_id, signed)
    for month in range(max(0, months - 12), months):
        paid_after = timedelta(days=20 if _chance(draw, 10) else 11)
        troubled = number if month == months - 1 else None
        if contact_id is not None:
            _bill(tx, contact_id, start + month * _MONTH, mrr, today=today, paid_after=paid_after, troubled=troubled)
    for _ in range(draw.randrange(4)):
        _help(tx, organization_id, contact_id, today - timedelta(days=draw.randrange(1, 60), hours=3), draw)
    tx.now = today - timedelta(days=draw.randrange(1, 40))
    timeline.add(
        tx, organization_id, ActivityCreate(activity_type=ActivityType.PORTAL_LOGIN, title="Signed in to the portal", contact_id=contact_id)
    )
    if _chance(draw, 70):
        surveys.create(tx, organization_id, NpsAnswerCreate(score=draw.choice((4, 7, 8, 9, 9, 10)), contact_id=contact_id))
    if _chance(draw, 40):
        referrals.create(tx, organization_id, ReferralCreate(referred_name=draw.choice(("Lakeside Inn", "Cafe Meridian", "Bento & Co."))))
    tx.now = today


def _win(tx: Tx, organization_id: UUID, contact_id: UUID | None, amount: int) -> None:
    deal = json.loads(deals.create(tx, organization_id, DealCreate(name="Support plan", amount_cents=amount, contact_id=contact_id)))
    quote = json.loads(quotes.create(tx, UUID(deal["id"]), QuoteCreate(title="Support plan, one year", amount_cents=amount)))
    for version, status in enumerate(("sent", "viewed", "accepted"), quote["version"]):
        quotes.change(tx, UUID(quote["id"]), QuotePatch.model_validate({"status": status}), version=version)
    deals.change(tx, UUID(deal["id"]), DealPatch(status="won"), version=deal["version"])


def _bill(tx: Tx, contact_id: UUID, at: datetime, amount: int, *, today: datetime, paid_after: timedelta, troubled: int | None) -> None:
    tx.now = at
    lines = [InvoiceLineInput(description=f"Support in {at:%B %Y}", unit_price_cents=amount)]
    bill = json.loads(invoices.create(tx, InvoiceCreate(contact_id=contact_id, lines=lines, due_on=(at + _TERM).date(), open=True)))
    if at + paid_after > today or troubled == _LATE:
        return
    tx.now = at + paid_after
    received = OrganizationPaymentCreate(amount_cents=amount, method="bank_transfer", invoice_id=UUID(bill["id"]))
    payment = json.loads(payments.record(tx, received))
    if troubled == _DISPUTED:
        disputes.record(tx, UUID(payment["id"]), DisputeCreate(reason="Not as described"))


def _help(tx: Tx, organization_id: UUID, contact_id: UUID | None, at: datetime, draw: random.Random) -> None:
    tx.now = at
    asked = TicketCreate(subject=draw.choice(_SUBJECTS), contact_id=contact_id)
    ticket = json.loads(tickets.create(tx, organization_id, asked))
    if _chance(draw, 80):
        tx.now = at + timedelta(hours=draw.randrange(1, 20))
        answered = TicketPatch(status="resolved", csat=draw.choice((3, 4, 5, 5)))
        tickets.change(tx, UUID(ticket["id"]), answered, version=ticket["version"])


def _chance(draw: random.Random, percent: int) -> bool:
    return draw.randrange(100) < percent
