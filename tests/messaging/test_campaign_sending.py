"""A chunk of a campaign on its way: claimed, sent once, and reported; who may not be sent to (any more); what is tried again."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from clientway import db
from clientway.messaging import links
from clientway.messaging.campaigns import chunks, claims, sending
from clientway.messaging.delivery import providers
from clientway.messaging.delivery.message import Refused, Unclear
from tests import campaigns
from tests.campaigns import Provider

NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
"""A Tuesday: noon in Miami."""


@pytest.fixture
def provider(monkeypatch):
    made = Provider()
    monkeypatch.setattr(providers, "send", made.send)
    monkeypatch.setattr(sending, "pause", lambda _seconds: None)
    return made


@pytest.fixture
def launched(admin_engine, tenant):
    return lambda *how, **what: campaigns.launched(admin_engine, tenant, *how, **what)


def work(body, now=None, **how):
    return sending.work(body, clock=lambda: now, **how)


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
    line = admin_engine.connect().execute(text("select * from activities where contact_id = :p"), {"p": row.contact_id}).one()
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
    provider.after = lambda _message: len(provider.sent) == 10 and campaign.one("update campaigns set status = 'paused' where id = :c")
    campaign.send(work)

    # What was claimed before it was paused is sent; nothing after.
    assert len(provider.sent) == 25
    assert campaign.pump() == 0
    campaign.one("update campaigns set status = 'sending' where id = :c")
    assert campaign.pump() == 1
    campaign.send(work)

    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert campaign.status == "finished"


def test_who_is_given_back_to_a_campaign_that_was_canceled_is_canceled_too(launched, provider):
    campaign = launched(5)
    campaign.pump()

    def refuse(_message):
        campaign.one("update campaigns set status = 'canceled' where id = :c")
        raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)

    provider.before = refuse
    campaign.send(work)

    assert campaign.states == {"canceled": 5}
    assert campaign.one("select state from campaign_chunks where campaign_id = :c") == "done"


def test_an_answer_that_is_lost_is_unknown_and_never_asked_for_again(launched, provider):
    campaign = launched(2)
    campaign.pump()

    def lose(_message):
        provider.after = lambda _message: None
        raise Unclear("read timeout")

    provider.after = lose
    campaign.send(work)

    assert campaign.states == {"unknown": 1, "sent": 1}
    assert campaign.rows("reason", "state = 'unknown'")[0].reason == "the provider's answer was lost: read timeout"
    assert set(provider.ids.values()) == {1}
    assert campaign.status == "finished"


def test_a_defect_of_the_provider_counts_as_a_lost_answer(launched, provider):
    campaign = launched(1)
    campaign.pump()

    def break_down(_message):
        raise KeyError("MessageId")

    provider.after = break_down
    campaign.send(work)

    assert campaign.states == {"unknown": 1}


def test_what_is_refused_for_good_is_failed(launched, provider):
    campaign = launched(1)
    campaign.pump()

    def refuse(_message):
        raise Refused("MessageRejected", "Email address is not verified.", retryable=False)

    provider.before = refuse
    campaign.send(work)

    assert campaign.rows("state, reason") == [("failed", "MessageRejected: Email address is not verified.")]
    assert campaign.status == "finished"


def test_what_is_refused_for_now_is_tried_five_times_ever_later(launched, provider):
    campaign = launched(1)
    campaign.pump(NOON)
    waits = []

    def refuse(_message):
        raise Refused("unreachable", "no route", retryable=True)

    provider.before = refuse
    now = NOON
    for _ in range(4):
        for body in campaign.relayed():
            work(body, now)
        [row] = campaign.rows()
        assert row.state == "queued"
        waits.append((row.due_at - now).total_seconds())
        now = row.due_at
        campaign.pump(now)
    for body in campaign.relayed():
        work(body, now)

    assert waits == [60, 120, 240, 480]
    assert campaign.rows("state, reason, attempts") == [("failed", "unreachable: no route", 5)]
    assert campaign.status == "finished"


def test_where_the_provider_is_away_the_rest_is_not_tried(launched, provider):
    campaign = launched(20)
    campaign.pump(NOON)
    tried = []

    def refuse(message):
        tried.append(message.id)
        raise Refused("unreachable", "no route", retryable=True)

    provider.before = refuse
    for body in campaign.relayed():
        work(body, NOON)

    assert len(tried) == 3
    assert Counter(row.attempts for row in campaign.rows("attempts")) == {1: 3, 0: 17}
    assert campaign.one("select queued_at from campaign_chunks where campaign_id = :c") == NOON + sending.PAUSE


def test_who_was_refused_waits_while_the_others_go_on(launched, provider):
    campaign = launched(60)
    campaign.pump(NOON)
    first = campaign.rows("id")[0].id

    def refuse(message):
        if message.id == first:
            raise Refused("unreachable", "no route", retryable=True)

    provider.before = refuse
    for body in campaign.relayed():
        work(body, NOON)

    assert len(provider.sent) == 59
    assert campaign.rows("state, attempts, due_at", f"id = '{first}'") == [("queued", 1, NOON + timedelta(minutes=1))]


def test_who_is_last_of_two_at_one_chunk_ends_the_campaign(launched, provider):
    campaign = launched(30)
    campaign.pump()
    [body] = campaign.relayed()

    def again(_message):
        provider.after = lambda _message: None
        # The same message, to another worker: it takes those who are left, and finds the chunk at its end.
        assert work(body) == 5
        assert campaign.one("select state from campaign_chunks where campaign_id = :c") == "done"
        assert campaign.status == "sending"

    provider.after = again
    assert work(body) == 25

    assert campaign.states == {"sent": 30}
    assert campaign.status == "finished"


def test_a_provider_that_is_asked_too_much_is_given_a_rest(launched, provider, monkeypatch):
    campaign, pauses = launched(30), []
    campaign.pump(NOON)
    monkeypatch.setattr(sending, "pause", pauses.append)

    def throttle(_message):
        if len(provider.sent) >= 7:
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)

    provider.before = throttle
    [body] = campaign.relayed()
    assert work(body, NOON) == 7

    assert pauses == [1, 2, 4]
    # That says nothing about the message: it has all its attempts still.
    assert Counter((row.state, row.attempts) for row in campaign.rows("state, attempts")) == {("sent", 1): 7, ("queued", 0): 23}
    # Held by the outbox, not by a loop; what comes again meanwhile of the former turn finds it over.
    assert campaign.one("select available_at from outbox where tenant_id = :t and sent_at is null") == NOON + sending.PAUSE
    provider.before = lambda _message: None
    work(body, NOON)
    assert len(provider.sent) == 7
    campaign.send(lambda one: work(one, NOON + sending.PAUSE))
    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert campaign.status == "finished"


def test_a_moment_of_too_much_is_waited_out(launched, provider, monkeypatch):
    campaign, pauses = launched(3), []
    campaign.pump()
    monkeypatch.setattr(sending, "pause", pauses.append)

    def throttle(_message):
        if len(pauses) < 2:
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)

    provider.before = throttle
    campaign.send(work)

    assert pauses == [1, 2]
    assert campaign.states == {"sent": 3}


def test_what_there_is_no_time_for_goes_back_into_the_queue(launched, provider):
    campaign = launched(60)
    campaign.pump()
    [body] = campaign.relayed()

    assert work(body, until=lambda: len(provider.sent) >= 30) == 30

    assert campaign.states == {"sent": 30, "queued": 30}
    assert {row.attempts for row in campaign.rows("attempts", "state = 'queued'")} == {0}
    campaign.send(work)
    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})


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


def test_a_slow_worker_is_believed_and_nobody_else_sends(launched, provider, admin_engine):
    """Its lease runs out while it runs: what it claimed is unknown to all others, and known to it."""
    from clientway.messaging.campaigns import tending

    campaign = launched(5)
    campaign.pump(NOON)

    def doze(_message):
        provider.after = lambda _message: None
        with db.job_transaction(campaign.tenant.id, now=NOON + timedelta(minutes=6)) as tx:
            assert tending.settle_lost(tx, tx.now) == 5
        assert campaign.states == {"unknown": 5}

    provider.after = doze
    campaign.send(lambda body: work(body, NOON))

    assert campaign.states == {"sent": 5}
    assert set(provider.ids.values()) == {1}


@pytest.mark.parametrize("which", range(5))
def test_a_commit_without_an_answer_is_no_reason_to_send_twice_or_not_at_all(which, launched, provider, monkeypatch):
    """The claim's, the report's, that of the chunk's end and the campaign's."""
    campaign = launched(30)
    campaign.pump()
    [body] = campaign.relayed()
    commit, commits = db.commit, []

    def lose(tx, last=None):
        commit(tx, last)
        commits.append(tx)
        if len(commits) == which + 1:
            raise db.CommitUnknown("The connection broke.", fresh=False, sent_commit=True)

    monkeypatch.setattr(db, "commit", lose)
    assert work(body) == 30

    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert Counter((row.state, row.attempts) for row in campaign.rows("state, attempts")) == {("sent", 1): 30}
    assert campaign.status == "finished"


def test_where_the_database_stays_away_the_message_comes_again(launched, provider, monkeypatch):
    campaign = launched(30)
    campaign.pump()
    [body] = campaign.relayed()

    def fail(_entry, **_how):
        raise db.Unavailable("The database cannot be reached at the moment.")

    with monkeypatch.context() as away:
        away.setattr(db, "begin", fail)
        with pytest.raises(db.Unavailable):
            work(body)
    assert provider.sent == []
    assert work(body) == 30


def claimed(tx, campaign, body, token):
    """What a worker claims with a chunk's message."""
    turn = datetime.fromisoformat(json.loads(body)["payload"]["turn"])
    return claims.claim(tx, claims.content(tx, campaign.id), 0, turn, token)


def test_two_workers_at_one_chunk_claim_different_people(launched, provider, tenant):
    campaign = launched(30)
    campaign.pump()
    [body] = campaign.relayed()

    with db.job_transaction(tenant.id) as one, db.job_transaction(tenant.id) as other:
        first = claimed(one, campaign, body, uuid4())
        second = claimed(other, campaign, body, uuid4())

    assert (len(first.recipients), len(second.recipients)) == (25, 5)
    assert len({recipient.id for recipient in first.recipients + second.recipients}) == 30


def test_a_chunk_is_ended_by_one_worker_after_the_other(launched, provider, tenant):
    """So that the second sees what the first has written, and a pause waits for both."""
    campaign = launched(30)
    campaign.pump()
    turn = datetime.fromisoformat(json.loads(campaign.relayed()[0])["payload"]["turn"])

    def settle():
        with db.job_transaction(tenant.id) as tx:
            return chunks.settle(tx, campaign.id, 0, turn)

    def pause():
        with db.job_transaction(tenant.id) as tx:
            tx.execute(text("update campaigns set status = 'paused' where tenant_id = app.tenant() and id = :c"), {"c": campaign.id})

    with ThreadPoolExecutor(2) as pool:
        with db.job_transaction(tenant.id) as tx:
            assert chunks.settle(tx, campaign.id, 0, turn) is False
            waiting = [pool.submit(settle), pool.submit(pause)]
            with pytest.raises(TimeoutError):
                waiting[0].result(timeout=0.2)
            assert not waiting[1].done()
        assert waiting[0].result(timeout=5) is False
        waiting[1].result(timeout=5)
    # Thirty are left, so it is in the queue again: once.
    assert len(campaign.relayed()) == 1


def test_a_report_under_another_token_writes_nothing(launched, provider, tenant):
    campaign, token = launched(2), uuid4()
    campaign.pump()
    [body] = campaign.relayed()
    with db.job_transaction(tenant.id) as tx:
        content, recipients = claims.content(tx, campaign.id), claimed(tx, campaign, body, token).recipients
    results = [claims.Result(one.id, "sent", provider_message_id="x") for one in recipients]

    with db.job_transaction(tenant.id) as tx:
        assert claims.record(tx, content, uuid4(), results) == 0
    assert campaign.states == {"sending": 2}
    with db.job_transaction(tenant.id) as tx:
        assert claims.record(tx, content, token, results) == 2
        assert claims.record(tx, content, token, results) == 0
    assert campaign.states == {"sent": 2}


@pytest.mark.parametrize("topic", ["campaign.other", "mail"])
def test_no_message_of_ours(topic):
    with pytest.raises(ValidationError):
        work(json.dumps({"id": str(uuid4()), "tenant_id": str(uuid4()), "topic": topic, "payload": {}}))
