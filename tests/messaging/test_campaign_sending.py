"""A chunk of a campaign on its way: claimed, sent once, and reported; who may not be sent to (any more), and when."""

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from clientway.messaging import links
from clientway.messaging.campaigns import chunks
from clientway.messaging.delivery import calls, pace
from clientway.messaging.delivery.message import Refused
from tests.messaging import at_work
from tests.messaging.at_work import NOON, at, work

launched, provider = at_work.launched, at_work.provider


def test_everybody_gets_it_once_and_it_is_written_down(launched, provider, tenant, admin_engine):
    campaign = launched(230, chunk=30)
    assert campaign.pump() == 8

    assert campaign.send(work) == 8

    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert campaign.states == {"sent": 230}
    assert campaign.status == "finished"
    row = campaign.rows()[0]
    [message] = [one for one in provider.sent if one.id == row.id]
    assert (row.provider_message_id, row.address, row.attempts, row.lease_token) == (f"provider-{row.id}", message.to[0], 1, None)
    assert row.sent_at
    assert row.consent_event_id == campaign.one(
        "select event_id from contact_consents where contact_id = :p and tenant_id = :t", p=row.contact_id
    )
    assert message.kind == "campaign_send"
    assert message.subject == "Hello Ana"
    assert message.text.startswith("Dear Ana N")
    assert links.read(message.unsubscribe_url.rpartition("/")[2]).send_id == row.id
    with admin_engine.connect() as admin:
        line = admin.execute(text("select * from activities where contact_id = :p"), {"p": row.contact_id}).one()
    assert (line.activity_type, line.title, line.performed_by_type) == ("email_sent", "Campaign: Spring", "job")
    assert line.metadata == {"campaign_id": str(campaign.id), "send_id": str(row.id), "channel": "email"}
    assert campaign.one("select bool_and(total_emails_received = 1 and last_contacted_at is not null) from contacts where tenant_id = :t")
    assert campaign.one("select count(*) from audit_log where tenant_id = :t and action = 'campaign.finished'") == 1


def test_few_chunks_are_in_the_queue_at_a_time(launched, provider):
    campaign = launched(30, chunk=1)
    queued = "select count(*) from campaign_chunks where campaign_id = :c and state = 'queued'"
    assert campaign.pump() == chunks.WINDOW
    assert campaign.pump() == 0
    bodies = campaign.relayed()

    while bodies:
        work(bodies.pop(0))
        bodies += campaign.relayed()
        assert campaign.one(queued) <= chunks.WINDOW

    assert len(provider.sent) == 30
    assert campaign.status == "finished"


def test_a_message_that_comes_again_or_late_does_nothing(launched, provider):
    campaign = launched(10, chunk=1)
    campaign.pump()
    bodies = campaign.relayed()
    work(bodies[0])
    before = campaign.rows(), campaign.relayed()

    assert work(bodies[0]) == 0

    assert campaign.rows() == before[0]
    assert campaign.relayed() == []
    assert len(provider.sent) == 1


GONE = {
    "deleted": "update contacts set deleted_at = now() where id = :p",
    "no_address": "update contacts set email = null, email_norm = null where id = :p",
    "do_not_contact": "update contacts set do_not_contact = true where id = :p",
    "unsubscribed": "update contacts set unsubscribed_at = now() where id = :p",
    "consent_denied": "update contact_consents set state = 'denied' where contact_id = :p",
    "merged_alone": """with o as (insert into contacts (tenant_id, id, slug, name_norm, search_text) values (:t, gen_random_uuid(), 'x', '', '') returning id)
                       update contacts c set deleted_at = now(), merged_into = o.id from o where c.id = :p""",
    "merged": """update contacts c set deleted_at = now(), merged_into = (select contact_id from campaign_sends where tenant_id = :t and contact_id <> :p limit 1)
                  where c.id = :p""",
}


@pytest.mark.parametrize("reason", GONE)
def test_who_may_not_be_sent_to_any_more_is_skipped(reason, launched, provider):
    campaign = launched(2)
    out = campaign.rows()[0]
    campaign.pump()
    campaign.one(GONE[reason], p=out.contact_id)

    campaign.send(work)

    [kept] = [row for row in campaign.rows() if row.id == out.id]
    assert (kept.state, kept.reason, kept.attempts, kept.address) == ("skipped", reason, 0, None)
    assert [one.id for one in provider.sent] == [campaign.rows()[1].id]
    assert campaign.status == "finished"


def test_who_got_it_under_a_contact_that_was_merged_into_them_gets_it_once(launched, provider):
    campaign = launched(2, chunk=1)
    first, second = campaign.rows()
    campaign.pump()
    one, other = sorted(campaign.relayed(), key=lambda body: json.loads(body)["payload"]["chunk"])
    work(one)
    campaign.one("update contacts set deleted_at = now(), merged_into = :s where id = :p", s=second.contact_id, p=first.contact_id)

    work(other)

    assert [message.id for message in provider.sent] == [first.id]
    assert campaign.rows("state, reason") == [("sent", None), ("skipped", "already_sent")]


def test_a_new_address_is_where_it_goes(launched, provider):
    campaign = launched(1)
    campaign.one("update contacts set email = 'New@Mail.example', email_norm = 'new@mail.example' where tenant_id = :t")
    campaign.pump()

    campaign.send(work)

    assert provider.sent[0].to == ("new@mail.example",)
    assert campaign.rows()[0].address == "new@mail.example"


@pytest.mark.parametrize("status", ["paused", "stopped", "canceled", "finished"])
def test_nothing_is_sent_of_a_campaign_that_is_not_being_sent(status, launched, provider):
    campaign = launched(3)
    campaign.pump()
    campaign.one(f"update campaigns set status = '{status}' where id = :c")

    assert campaign.send(work) == 1

    assert provider.sent == []
    assert campaign.states == {"queued": 3}
    assert campaign.status == status
    assert campaign.one("select state from campaign_chunks where campaign_id = :c") == "waiting"


def test_after_a_pause_it_goes_on_where_it_was(launched, provider):
    campaign = launched(60)
    campaign.pump()
    provider.after = at(10, lambda _message: campaign.one("update campaigns set status = 'paused' where id = :c"))
    campaign.send(work)

    # What was claimed before it was paused is sent; nothing after.
    assert len(provider.sent) == 3 + 6 + 12
    assert campaign.pump() == 0
    campaign.one("update campaigns set status = 'sending' where id = :c")
    assert campaign.pump() == 1
    campaign.send(work)

    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert campaign.status == "finished"


def test_who_is_given_back_to_a_campaign_that_was_canceled_is_canceled_too(launched, provider):
    campaign = launched(3)
    campaign.pump()

    def refuse(_message):
        campaign.one("update campaigns set status = 'canceled' where id = :c")
        raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)

    provider.before = refuse
    campaign.send(work)

    assert campaign.states == {"canceled": 3}
    assert campaign.one("select state from campaign_chunks where campaign_id = :c") == "done"


def test_what_there_is_no_time_for_goes_back_into_the_queue(launched, provider):
    campaign = launched(60)
    campaign.pump()
    [body] = campaign.relayed()

    assert work(body, until=lambda: len(provider.sent) >= 20) == 21

    assert campaign.states == {"sent": 21, "queued": 39}
    assert {row.attempts for row in campaign.rows("attempts", "state = 'queued'")} == {0}
    campaign.send(work)
    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})


def test_who_was_claimed_when_time_was_up_is_given_back(launched, provider):
    campaign = launched(5)
    campaign.pump()
    [body] = campaign.relayed()
    asked = iter([False, True, True])

    assert work(body, until=lambda: next(asked)) == 0

    assert Counter((row.state, row.attempts) for row in campaign.rows("state, attempts")) == {("queued", 0): 5}
    campaign.send(work)
    assert campaign.states == {"sent": 5}


def test_a_worker_calls_for_a_few_and_then_for_ever_more_at_once(launched, provider, monkeypatch):
    campaign, waves, together = launched(75), [], threading.Barrier(3)
    campaign.pump()
    at_once = calls.at_once
    monkeypatch.setattr(calls, "at_once", lambda call, of: waves.append(len(of)) or at_once(call, of))
    # Each waits for two others of its wave; all of them are a multiple of three.
    provider.before = lambda _message: together.wait(20)

    monkeypatch.setattr(pace, "AT_ONCE", 18)
    campaign.send(work)

    assert waves == [3, 6, 12, 18, 18, 18]
    assert campaign.states == {"sent": 75}


def test_a_worker_that_is_given_no_time_at_all_claims_nothing(launched, provider):
    campaign = launched(3)
    campaign.pump()
    [body] = campaign.relayed()

    assert work(body, until=lambda: True) == 0

    assert campaign.states == {"queued": 3}
    assert len(campaign.relayed()) == 1


def test_text_messages_keep_the_hours_of_where_people_are(launched, provider):
    campaign = launched(2, channel="sms", body="Hi {{ contact.first_name }}")
    eastern, pacific = campaign.rows()
    for zone, row in (("America/New_York", eastern), ("America/Los_Angeles", pacific)):
        campaign.one("update contacts set time_zone = :z where id = :p", z=zone, p=row.contact_id)
    morning = datetime(2026, 11, 24, 15, tzinfo=UTC)
    campaign.pump(morning)

    for body in campaign.relayed():
        work(body, morning)

    # Ten in New York is seven in Los Angeles, where the day of a tenant's texts begins at nine.
    assert [one.id for one in provider.sent] == [eastern.id]
    assert provider.sent[0].text == "Hi Ana\nReply STOP to opt out"
    held = campaign.rows("state, due_at", f"id = '{pacific.id}'")[0]
    assert held == ("queued", morning + timedelta(hours=2))
    assert campaign.one("select due_at from campaign_chunks where campaign_id = :c") == held.due_at
    assert campaign.relayed() == []
    assert campaign.pump(held.due_at - timedelta(seconds=1)) == 0
    assert campaign.pump(held.due_at) == 1
    campaign.send(lambda body: work(body, held.due_at))
    assert [one.id for one in provider.sent] == [eastern.id, pacific.id]
    assert campaign.status == "finished"


def test_what_would_come_after_the_end_is_expired(launched, provider):
    evening = datetime(2026, 11, 25, 2, tzinfo=UTC)
    campaign = launched(2, quiet_hours=True, ends_at=evening + timedelta(hours=8))
    campaign.one("update contacts set time_zone = 'America/New_York' where tenant_id = :t and id = :p", p=campaign.rows()[0].contact_id)
    campaign.one("update contacts set time_zone = 'Asia/Tokyo' where tenant_id = :t and id = :p", p=campaign.rows()[1].contact_id)
    campaign.pump(evening)

    campaign.send(lambda body: work(body, evening))

    assert campaign.rows("state, reason") == [("expired", "ended"), ("sent", None)]
    assert campaign.status == "finished"


def test_nothing_is_sent_after_the_end(launched, provider):
    campaign = launched(30, ends_at=NOON)
    campaign.pump(NOON - timedelta(seconds=1))

    campaign.send(lambda body: work(body, NOON))

    assert provider.sent == []
    assert campaign.states == {"expired": 30}
    assert campaign.status == "finished"


@pytest.mark.parametrize("topic", ["campaign.other", "mail"])
def test_no_message_of_ours(topic):
    with pytest.raises(ValidationError):
        work(json.dumps({"id": str(uuid4()), "tenant_id": str(uuid4()), "topic": topic, "payload": {}}))
