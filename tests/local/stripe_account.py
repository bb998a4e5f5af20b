"""An account at Stripe's stand-in, by Stripe's own library, and its pages, by a browser's requests."""

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from clientway.integrations.stripe.client import client
from clientway.local.stripe.server import FakeStripe

INVOICE = {"clientway_tenant": "t", "clientway_invoice": "i"}


@pytest.fixture
def account(fake_stripe: FakeStripe) -> Iterator[tuple[str, stripe.StripeClient]]:
    account_id, key = fake_stripe.add_account("Ruiz & Söhne <Cleaning>")
    return account_id, client(key)


@pytest.fixture
def api(account: tuple[str, stripe.StripeClient]) -> stripe.StripeClient:
    return account[1]


def link(api: stripe.StripeClient, cents: int = 12_500, *, key: str | None = None) -> Any:
    lines = [{"price_data": {"currency": "usd", "unit_amount": cents, "product_data": {"name": "Invoice 7"}}, "quantity": 1}]
    given: Any = {
        "line_items": lines,
        "restrictions": {"completed_sessions": {"limit": 1}},
        "payment_intent_data": {"metadata": INVOICE, "description": "Invoice 7"},
    }
    return api.v1.payment_links.create(given, {"idempotency_key": key} if key else {})


def get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def pay(url: str, card: str = "4242424242424242", session: str | None = None) -> tuple[str, str]:
    """Fill in the page at an address; where that leads, and what stands there."""
    given = {"session": session or opened(url), "card": card, "email": "ana@bistro.example", "name": "Ana Ruiz"}
    with urllib.request.urlopen(url, urllib.parse.urlencode(given).encode()) as answer:
        return answer.geturl(), answer.read().decode()


def opened(url: str) -> str:
    return re.search(r'name="session" value="([^"]+)"', get(url))[1]  # type: ignore[index]


def charged(api: stripe.StripeClient, card: str = "pm_card_visa", cents: int = 5000) -> Any:
    given: Any = {"amount": cents, "currency": "usd", "confirm": True, "payment_method": card, "expand": ["latest_charge"]}
    return api.v1.payment_intents.create(given)
