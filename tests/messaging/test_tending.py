"""What the schedule sees to: lost workers, lost messages, what is held, and campaigns whose time has come."""

import importlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from clientway import wake
from clientway.db import job_transaction
from clientway.messaging.campaigns import sending, tending
from clientway.messaging.delivery import providers
from tests import campaigns
from tests.campaigns import Provider
from tests.chaos.mortal import Killed
from tests.fixtures import EVENTS, LambdaContext
from tests.messaging.at_work import at

NOW = datetime(2026, 11, 24, 17, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def provider(monkeypatch):
    made = Provider()
    monkeypatch.setattr(providers, "send", made.send)
    return made


@pytest.fixture
def wakes(monkeypatch):
    asked = []
    monkeypatch.setattr(wake, "at", lambda _tx, moment, what: asked.append((moment, what)))
    return asked


@pytest.fixture
def campaign(admin_engine, tenant, provider):
    made = campaigns.launched(admin_engine, tenant, 5)
    made.pump(NOW)
    return made


def tend(tenant, now):
    with job_transaction(tenant.id, now=now) as tx:
        return tending.tend(tx, now)


def work(body, now=NOW):
    return sending.work(body, clock=lambda: now)


def test_what_a_dead_worker_had_in_hand_is_unknown_and_never_sent_again(campaign, provider, tenant):
    def die(_message):
        raise Killed

    provider.after = at(2, die)
    [body] = campaign.relayed()
    with pytest.raises(Killed):
        work(body)
    assert campaign.states == {"sending": 3, "queued": 2}
    tend(tenant, NOW + timedelta(minutes=4, seconds=59))
    assert campaign.states == {"sending": 3, "queued": 2}

    tend(tenant, NOW + timedelta(minutes=5))

    assert campaign.rows("state, reason") == [("unknown", tending.LOST)] * 3 + [("queued", None)] * 2
    told = campaign.one("select changes from audit_log where tenant_id = :t and action = 'campaign.sends_unknown' and object_id = :c")
    assert told == {"count": 3}
    # The queue delivers the chunk again to somebody else: for those who were not in its hand.
    tried = set(provider.ids)
    work(body, NOW + QUARTER)
    assert campaign.states == {"unknown": 3, "sent": 2}
    assert len(provider.ids.keys() - tried) == 2
    assert set(provider.ids.values()) == {1}
    assert campaign.status == "finished"


def test_a_chunk_that_the_queue_lost_is_put_into_it_again(campaign, provider, tenant):
    [lost] = campaign.relayed()
    tend(tenant, NOW + QUARTER - timedelta(seconds=1))
    assert campaign.relayed() == []

    tend(tenant, NOW + QUARTER)

    [again] = campaign.relayed()
    work(again, NOW + QUARTER)
    assert campaign.states == {"sent": 5}
    # It was only late; its turn is over.
    work(lost, NOW + QUARTER)
    assert len(provider.sent) == 5


def test_what_is_held_goes_out_when_it_is_due(admin_engine, tenant, provider, wakes):
    night = datetime(2026, 11, 24, 3, tzinfo=UTC)
    campaign = campaigns.launched(admin_engine, tenant, 1, channel="sms")
    campaign.one("update contacts set time_zone = 'America/New_York' where tenant_id = :t")
    campaign.pump(night)
    [body] = campaign.relayed()
    work(body, night)
    morning = datetime(2026, 11, 24, 14, tzinfo=UTC)
    assert (morning, "messages") in wakes

    tend(tenant, morning - timedelta(seconds=1))
    assert campaign.relayed() == []
    tend(tenant, morning)

    campaign.send(lambda one: work(one, morning))
    assert campaign.states == {"sent": 1}


def test_a_campaign_that_nobody_called_finished_is(campaign, tenant, provider):
    campaign.one("update campaign_sends set state = 'sent' where campaign_id = :c")
    campaign.one("update campaign_chunks set state = 'done' where campaign_id = :c")

    tend(tenant, NOW)
    assert campaign.status == "finished"
    assert tend(tenant, NOW) == 0


def test_somebody_who_was_given_back_to_a_chunk_that_was_done_is_not_forgotten(campaign, tenant, provider):
    campaign.one("update campaign_chunks set state = 'done' where campaign_id = :c")

    tend(tenant, NOW)

    campaign.send(work)
    assert campaign.states == {"sent": 5}


def test_a_campaign_that_was_paused_until_nothing_was_left_ends_when_it_is_resumed(campaign, provider):
    campaign.one("update campaigns set status = 'paused' where id = :c")
    campaign.one("update campaign_sends set state = 'sent' where campaign_id = :c")
    campaign.one("update campaign_chunks set state = 'done' where campaign_id = :c")
    assert campaign.pump() == 0
    assert campaign.status == "paused"

    campaign.one("update campaigns set status = 'sending' where id = :c")
    assert campaign.pump() == 0
    assert campaign.status == "finished"


@pytest.mark.parametrize("status", ["paused", "stopped", "canceled"])
def test_what_is_not_being_sent_is_left_alone(status, campaign, tenant):
    campaign.relayed()
    campaign.one(f"update campaigns set status = '{status}' where id = :c")

    assert tend(tenant, NOW + QUARTER) == 0
    assert campaign.relayed() == []
    assert campaign.status == status


def test_a_scheduled_campaign_begins_at_its_time(admin_engine, tenant, wakes):
    campaign = campaigns.launched(admin_engine, tenant, 1)
    campaign.one("delete from campaign_chunks where campaign_id = :c")
    campaign.one("delete from campaign_sends where campaign_id = :c")
    campaign.one("update campaigns set status = 'scheduled', scheduled_at = :at, frozen_at = null where id = :c", at=NOW)

    tend(tenant, NOW - timedelta(minutes=1))
    assert (campaign.status, wakes) == ("scheduled", [(NOW, "messages")])
    tend(tenant, NOW)
    assert campaign.status == "freezing"

    [body] = campaign.relayed()
    assert json.loads(body)["topic"] == "campaign.freeze"


def test_while_something_is_being_sent_somebody_looks_again(campaign, tenant, wakes):
    tend(tenant, NOW)

    assert wakes == [(NOW + QUARTER, "messages")]


def test_the_schedule_goes_round_those_who_have_something_open(campaign, tenant, other_tenant):
    assert tenant.id in tending.tenants(NOW)
    assert other_tenant.id not in tending.tenants(NOW)
    campaign.one("update campaign_chunks set queued_at = now() - interval '1 hour' where campaign_id = :c")
    campaign.relayed()

    answer = importlib.import_module("messaging.tend_messages").handler({}, LambdaContext())

    assert answer["done"] >= 1
    assert len(campaign.relayed()) == 1


def test_the_queue_keeps_what_could_not_be_done(campaign, provider):
    [body] = campaign.relayed()
    event = json.loads((EVENTS / "messaging" / "send_campaign.json").read_text())
    [record] = event["Records"]
    event["Records"] = [{**record, "messageId": "good", "body": body}, {**record, "messageId": "poison", "body": "{}"}]

    answer = importlib.import_module("messaging.send_campaign").handler(event, LambdaContext())

    assert answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    assert campaign.states == {"sent": 5}
