"""What was on its way to be sent when `make run` ended goes on at its next start, not a quarter of an hour later."""

from datetime import UTC, datetime, timedelta

import pytest

from clientway.db import job_transaction
from clientway.local import redelivery
from clientway.messaging.campaigns import sending, tending
from clientway.messaging.delivery import providers
from tests import campaigns

NOW = datetime(2026, 11, 24, 17, tzinfo=UTC)


@pytest.fixture
def provider(monkeypatch):
    made = campaigns.Provider()
    monkeypatch.setattr(providers, "send", made.send)
    return made


def test_a_campaigns_chunks_are_queued_again_and_nobody_gets_two(admin_engine, tenant, provider):
    campaign = campaigns.launched(admin_engine, tenant, 5)
    campaign.pump(NOW)
    lost = campaign.relayed()
    assert len(lost) == 1
    with job_transaction(tenant.id, now=NOW) as tx:
        assert redelivery.lose(tx) == 1
    with job_transaction(tenant.id, now=NOW + timedelta(seconds=2)) as tx:
        assert tending.tend(tx, NOW + timedelta(seconds=2)) >= 1
    # The old message, should it come after all, and the new one.
    for body in [*lost, *campaign.relayed()]:
        sending.work(body, clock=lambda: NOW + timedelta(seconds=3))
    assert campaign.states == {"sent": 5}
    assert len(provider.sent) == 5
    with job_transaction(tenant.id, now=NOW) as tx:
        assert redelivery.lose(tx) == 0
