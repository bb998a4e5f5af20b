"""What a provider answers to reminders: taken, refused, too much for now, or nothing at all."""

from datetime import timedelta

import pytest

from clientway.messaging.delivery.message import Refused, Unclear
from clientway.work.reminders import dispatching

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def failing(failure):
    def answer(_message):
        raise failure

    return answer


def test_a_provider_that_is_away_is_asked_again_until_it_is_too_late(reminding):
    job = reminding.book(4 * HOUR)
    reminding.providers.answer = failing(Refused("unreachable", "no route", retryable=True))
    due = reminding.now + 2 * HOUR

    reminding.at(due)
    row = reminding.rows(job)[0]
    assert (row.state, row.attempts, row.next_at, row.state_reason) == ("scheduled", 1, due + MINUTE, "unreachable: no route")
    reminding.at(due + MINUTE)
    assert reminding.rows(job)[0].next_at == due + 6 * MINUTE
    reminding.at(due + 6 * MINUTE)
    reminding.at(due + 21 * MINUTE)
    assert reminding.rows(job)[0].next_at == due + 36 * MINUTE
    reminding.at(due + 36 * MINUTE)
    assert set(reminding.states(job).values()) == {("failed", "unreachable: no route")}
    assert {row.attempts for row in reminding.rows(job)} == {5}


def test_what_the_provider_refuses_for_good_is_not_tried_again(reminding):
    job = reminding.book(2 * HOUR)
    reminding.providers.answer = failing(Refused("invalid", "no such number", retryable=False))

    assert reminding.dispatch().states == {"failed": 2}
    assert set(reminding.states(job).values()) == {("failed", "invalid: no such number")}


def test_what_would_say_nothing_is_not_sent(reminding):
    job = reminding.book(2 * HOUR)
    reminding.write(
        """insert into message_templates (tenant_id, id, key, name, channel, subject, body_text)
           values (:t, gen_random_uuid(), 'job_upcoming', 'Ours', 'sms', null, '{{ invoice.number }}'),
                  (:t, gen_random_uuid(), 'job_upcoming', 'Ours', 'email', '{{ invoice.number }}', 'See you')"""
    )

    assert reminding.dispatch().states == {"skipped": 2}
    assert set(reminding.states(job).values()) == {("skipped", "empty_message")}
    assert reminding.providers.sent == []
    assert reminding.at(reminding.now + HOUR).states == {}


@pytest.mark.parametrize("failure", [Unclear("timed out"), ZeroDivisionError()])
def test_where_nobody_knows_it_is_sent_again_under_the_same_id(reminding, failure):
    job = reminding.book(2 * HOUR)
    lost = []

    def answer(message):
        if message.id not in lost:
            lost.append(message.id)
            raise failure

    reminding.providers.answer = answer
    assert reminding.dispatch().states == {"scheduled": 2}
    assert reminding.at(reminding.now + MINUTE).states == {"sent": 2}
    assert sorted(lost) == sorted(one.id for one in reminding.providers.sent) == sorted(row.id for row in reminding.rows(job))


def test_of_many_the_rest_is_not_tried_in_vain_when_the_provider_is_away(reminding):
    asked = []

    def answer(message):
        asked.append(message.id)
        raise Refused("unreachable", "no route", retryable=True)

    for second in range(15):
        reminding.book(2 * HOUR + timedelta(seconds=second))
    reminding.providers.answer = answer
    reminding.at(reminding.now + MINUTE)

    assert len(asked) == 3
    assert sorted(row.attempts for row in reminding.rows()) == [0] * 27 + [1] * 3
    assert {row.state for row in reminding.rows()} == {"scheduled"}
    reminding.providers.answer = lambda _message: None
    assert reminding.at(reminding.now + 2 * MINUTE).states == {"sent": 30}


def test_a_provider_that_takes_few_at_a_time_is_given_them_with_patience(reminding, monkeypatch):
    """What is too much for now is asked again in the same run, and is no failure of the reminder's."""
    allowed, pauses = [3], []

    def answer(_message):
        if not allowed[0]:
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)
        allowed[0] -= 1

    def pause(seconds):
        pauses.append(seconds)
        allowed[0] = 2

    monkeypatch.setattr(dispatching, "pause", pause)
    for second in range(5):
        reminding.book(2 * HOUR + timedelta(seconds=second))
    reminding.providers.answer = answer

    assert reminding.at(reminding.now + MINUTE).states == {"sent": 10}
    assert {row.attempts for row in reminding.rows()} == {1}
    assert len(reminding.providers.sent) == 10
    assert len(pauses) in range(3, 8)


def test_a_provider_that_takes_none_is_left_alone_for_a_while(reminding, monkeypatch):
    pauses = []
    monkeypatch.setattr(dispatching, "pause", pauses.append)
    reminding.book(2 * HOUR)
    reminding.providers.answer = failing(Refused("throttled", "Daily message quota exceeded.", retryable=True))

    assert reminding.dispatch().states == {"scheduled": 2}
    assert pauses == [1, 2, 4]
    assert {(row.attempts, row.next_at - reminding.now) for row in reminding.rows() if row.rule == "before_2h"} == {(0, MINUTE)}


def test_who_has_told_the_provider_stop_is_told_nothing_more(reminding):
    def answer(message):
        if message.channel == "sms":
            raise Refused("destination_phone_number_opted_out", "ConflictException", retryable=False)

    job = reminding.book(2 * HOUR)
    reminding.providers.answer = answer
    reminding.dispatch()

    assert reminding.states(job)["before_2h", "sms"][0] == "failed"
    found = reminding.write("select channel, reason, address from suppressions where tenant_id = :t").all()
    assert found == [("sms", "stop", "+13055550123")]
