"""What the tests of sending share: a provider, campaigns about to be sent, a worker."""

from datetime import UTC, datetime
from itertools import count

import pytest

from clientway.messaging.campaigns import sending
from clientway.messaging.delivery import providers
from tests import campaigns
from tests.campaigns import Provider

NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
"""A Tuesday: noon in Miami."""


@pytest.fixture
def provider(monkeypatch):
    """The provider of the test; nobody waits for it."""
    made = Provider()
    monkeypatch.setattr(providers, "send", made.send)
    monkeypatch.setattr(sending, "pause", lambda _seconds: None)
    return made


@pytest.fixture
def launched(admin_engine, tenant):
    """Makes campaigns of the tenant's that are `sending`."""
    return lambda *how, **what: campaigns.launched(admin_engine, tenant, *how, **what)


def at(number, act):
    """Has something happen at the message of this number, counted from 1: once, whichever thread has it."""
    numbers = count(1)
    return lambda message: act(message) if next(numbers) == number else None


def work(body, now=None, **how):
    """A worker."""
    return sending.work(body, clock=lambda: now, **how)
