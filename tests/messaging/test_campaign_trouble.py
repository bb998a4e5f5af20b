"""A campaign's provider that refuses, is asked too much or loses its answer; workers that are slow, two at a time, or hear nothing."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.messaging.campaigns import chunks, claims, sending, tending
from clientway.messaging.delivery.message import Refused, Unclear
from tests.messaging import at_work
from tests.messaging.at_work import NOON, at, work

launched, provider = at_work.launched, at_work.provider


def test_an_answer_that_is_lost_is_unknown_and_never_asked_for_again(launched, provider):
    campaign = launched(2)
    campaign.pump()

    def lose(_message):
        raise Unclear("read timeout")

    provider.after = at(1, lose)
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


def test_where_the_provider_is_away_the_rest_is_not_tried_and_nobody_fails_for_it(launched, provider):
    campaign, tried, now = launched(20), [], NOON
    campaign.pump(now)

    def refuse(message):
        tried.append(message.id)
        raise Refused("SendingPausedException", "Account sending is paused.", retryable=True)

    provider.before = refuse
    for turn, minutes in enumerate((1, 2, 4, 8, 16, 32, 32)):
        [body] = campaign.relayed()
        work(body, now)
        assert len(tried) == 3 * (turn + 1)
        # Each rest is longer than the one before: where answers are lost, each look costs somebody their message.
        now += timedelta(minutes=minutes)
        assert campaign.one("select coalesce(queued_at, due_at) from campaign_chunks where campaign_id = :c") == now
        campaign.pump(now)

    assert Counter((row.state, row.attempts) for row in campaign.rows("state, attempts")) == {("queued", 0): 20}
    provider.before = lambda _message: None
    campaign.send(lambda one: work(one, now))
    assert campaign.states == {"sent": 20}
    assert campaign.one("select rests from campaign_chunks where campaign_id = :c") == 0


def test_of_what_is_lost_no_more_is_unknown_than_was_on_its_way(launched, provider):
    campaign, answered = launched(60), iter(range(25))
    campaign.pump(NOON)

    def lose(_message):
        if next(answered, None) is None:
            raise Unclear("read timeout")

    provider.after = lose
    [body] = campaign.relayed()
    assert work(body, NOON) == 25

    # 3, 6 and 12 went well; of the next 20 three in a row did not, and the rest is not tried.
    assert campaign.states == {"sent": 25, "unknown": 16, "queued": 19}
    assert len(provider.sent) == 41
    assert campaign.one("select queued_at from campaign_chunks where campaign_id = :c") == NOON + chunks.PAUSE


def test_what_is_refused_with_others_that_are_too_much_is_tried_again(launched, provider, monkeypatch):
    campaign, pauses = launched(3), []
    campaign.pump(NOON)
    monkeypatch.setattr(sending, "pause", pauses.append)
    first, second, third = (row.id for row in campaign.rows("id"))
    errors = {
        first: Refused("throttled", "Maximum sending rate exceeded.", retryable=True),
        second: Refused("destination_phone_number_opted_out", "", retryable=False),
    }

    def refuse(message):
        if message.id in errors and not pauses:
            raise errors[message.id]

    provider.before = refuse
    campaign.send(lambda body: work(body, NOON))

    assert {row.id: (row.state, row.attempts) for row in campaign.rows()} == {first: ("sent", 1), second: ("failed", 1), third: ("sent", 1)}
    assert pauses[0] == 1
    # The provider had heard a STOP.
    assert campaign.one("select count(*) from suppressions where tenant_id = :t and reason = 'stop'") == 1


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
        # The same message, to another worker: it takes those who are left, and finds the chunk at its end.
        assert work(body) == 27
        assert campaign.one("select state from campaign_chunks where campaign_id = :c") == "done"
        assert campaign.status == "sending"

    provider.after = at(1, again)
    assert work(body) == 3

    assert campaign.states == {"sent": 30}
    assert campaign.status == "finished"


def test_who_is_given_back_when_the_chunk_was_ended_already_is_sent_to_all_the_same(launched, provider, tenant):
    campaign = launched(30)
    campaign.pump(NOON)
    [body] = campaign.relayed()

    wave = {row.id for row in campaign.rows("id")[:3]}
    # Another worker at the same chunk ends it, while this one has three in hand and gives them back.
    again = at(1, lambda _message: work(body, NOON))

    def throttle(message):
        if message.id in wave:
            again(message)
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)

    provider.before = throttle
    assert work(body, NOON) == 0
    assert campaign.states == {"sent": 27, "queued": 3}
    assert campaign.one("select state from campaign_chunks where campaign_id = :c") == "queued"

    provider.before = lambda _message: None
    campaign.send(lambda one: work(one, NOON + chunks.PAUSE))
    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert campaign.status == "finished"


@pytest.mark.parametrize("state", ["queued", "sending"])
def test_no_campaign_is_finished_while_somebody_is_left(state, launched, provider, tenant):
    campaign = launched(2)
    campaign.one("update campaign_chunks set state = 'done' where campaign_id = :c")
    campaign.one(f"update campaign_sends set state = '{state}' where campaign_id = :c")

    with db.job_transaction(tenant.id) as tx:
        assert chunks.finish(tx, campaign.id) is False
    assert campaign.status == "sending"


def test_a_provider_that_is_asked_too_much_is_given_a_rest(launched, provider, monkeypatch):
    campaign, pauses, allowed = launched(30), [], iter(range(7))
    campaign.pump(NOON)
    monkeypatch.setattr(sending, "pause", pauses.append)

    def throttle(_message):
        if next(allowed, None) is None:
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)

    provider.before = throttle
    [body] = campaign.relayed()
    assert work(body, NOON) == 7

    assert pauses == [1, 2, 4]
    # That says nothing about the message: it has all its attempts still.
    assert Counter((row.state, row.attempts) for row in campaign.rows("state, attempts")) == {("sent", 1): 7, ("queued", 0): 23}
    # Held by the queue, not by a loop; what comes again meanwhile of the former turn finds it over.
    assert (
        campaign.one("select payload -> 'delay_seconds' from outbox where tenant_id = :t and sent_at is null")
        == chunks.PAUSE.total_seconds()
    )
    provider.before = lambda _message: None
    work(body, NOON)
    assert len(provider.sent) == 7
    campaign.send(lambda one: work(one, NOON + chunks.PAUSE))
    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert campaign.status == "finished"


def test_a_moment_of_too_much_is_waited_out(launched, provider, monkeypatch):
    campaign, pauses = launched(2), []
    campaign.pump()
    monkeypatch.setattr(sending, "pause", pauses.append)

    def throttle(_message):
        if len(pauses) < 2:
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)

    provider.before = throttle
    campaign.send(work)

    assert pauses == [1, 2, 1]
    assert campaign.states == {"sent": 2}


def test_a_slow_worker_is_believed_and_nobody_else_sends(launched, provider, admin_engine):
    """Its lease runs out while it runs: what it claimed is unknown to all others, and known to it."""
    campaign = launched(3)
    campaign.pump(NOON)

    def doze(_message):
        with db.job_transaction(campaign.tenant.id, now=NOON + timedelta(minutes=6)) as tx:
            assert tending.settle_lost(tx, tx.now) == 3
        assert campaign.states == {"unknown": 3}

    provider.after = at(1, doze)
    campaign.send(lambda body: work(body, NOON))

    assert campaign.states == {"sent": 3}
    assert set(provider.ids.values()) == {1}


@pytest.mark.parametrize("which", range(6))
def test_a_commit_without_an_answer_is_no_reason_to_send_twice_or_not_at_all(which, launched, provider, monkeypatch):
    """The claim's and the report's of two waves, that of the chunk's end and the campaign's."""
    campaign = launched(7)
    campaign.pump()
    [body] = campaign.relayed()
    commit, commits = db.commit, []

    def lose(tx, last=None):
        commit(tx, last)
        commits.append(tx)
        if len(commits) == which + 1:
            raise db.CommitUnknown("The connection broke.", fresh=False, sent_commit=True)

    monkeypatch.setattr(db, "commit", lose)
    assert work(body) == 7

    assert len(commits) >= 6
    assert provider.ids == Counter({row.id: 1 for row in campaign.rows("id")})
    assert Counter((row.state, row.attempts) for row in campaign.rows("state, attempts")) == {("sent", 1): 7}
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
    return claims.claim(tx, claims.content(tx, campaign.id), 0, turn, token, most=25)


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
