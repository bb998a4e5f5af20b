"""Answers to texts: STOP, START and what means the same, for the right tenants, and in whichever order they are heard."""

from datetime import UTC, datetime, timedelta

import pytest

from clientway.messaging.delivery import providers
from clientway.messaging.events import service
from tests.messaging.books import NUMBER, PHONE, Books
from tests.messaging.events import answer


@pytest.fixture
def books(admin_engine, tenant):
    return Books(admin_engine, tenant)


@pytest.fixture
def texts(monkeypatch):
    sent = []

    def send(message, *, once):
        # A second confirmation is one too many: botocore is not to try again by itself.
        assert once
        sent.append(message)
        return "m"

    monkeypatch.setattr(providers, "send", send)
    return sent


@pytest.fixture
def texting(books):
    books.run("insert into messaging_settings (tenant_id, sms_sender) values (:t, :n)", n=NUMBER)
    books.run(
        """with e as (insert into consent_events (tenant_id, id, contact_id, channel, purpose, state, source, actor_type, occurred_at)
                      values (:t, gen_random_uuid(), :c, 'sms', 'marketing', 'granted', 'form', 'job', now() - interval '1 day') returning id)
           insert into contact_consents (tenant_id, contact_id, channel, purpose, state, event_id, since)
           select :t, :c, 'sms', 'marketing', 'granted', e.id, now() - interval '1 day' from e"""
    )
    yield books
    books.run("update messaging_settings set sms_sender = null where tenant_id = :t")


def consents(books):
    return dict(books.run("select purpose, state from contact_consents where tenant_id = :t and contact_id = :c and channel = 'sms'"))


def say(books, said, minute, heard_at):
    """An answer that was given at one minute and is heard at another."""
    start = datetime.now(UTC) - timedelta(hours=1)
    queued_at, now = (start + timedelta(minutes=one) for one in (minute, heard_at))
    assert service.apply(answer(said, sender=PHONE, to=NUMBER), now=now, queued_at=queued_at) == "applied"


def test_stop_in_any_words_ends_it_at_once_with_one_confirmation(texting, texts):
    said = answer("please stop texting me", sender=PHONE, to=NUMBER, message_id=f"in-{texting.contact}")

    assert [service.apply(said) for _ in range(2)] == ["applied", "duplicate"]
    assert consents(texting) == {"marketing": "denied", "transactional": "denied"}
    assert texting.run("select channel, reason, address from suppressions where tenant_id = :t") == [("sms", "stop", PHONE)]
    assert texting.value("count(*)", "activities", "activity_type = 'sms_replied' and contact_id = :c") == 1
    (confirmation,) = texts
    assert (confirmation.to, confirmation.sms_sender) == ((PHONE,), NUMBER)
    assert "START" in confirmation.text


def test_the_word_that_the_provider_confirms_gets_no_second_confirmation(texting, texts):
    service.apply(answer("STOP", sender=PHONE, to=NUMBER))

    assert consents(texting) == {"marketing": "denied", "transactional": "denied"}
    assert texts == []


def test_start_brings_back_what_stop_took(texting, texts):
    say(texting, "STOP", 0, 0)
    say(texting, "Start!", 1, 1)
    say(texting, "start", 2, 2)

    assert consents(texting) == {"marketing": "granted", "transactional": "granted"}
    assert texting.value("lifted_at is not null", "suppressions")
    # It is confirmed where it changed something.
    assert [message.text for message in texts] == [f"{texting.value('name', 'tenants')}: you get our texts again. Reply STOP to end them."]


def test_start_gives_nobody_what_they_had_not_before(texting, texts):
    texting.run("delete from contact_consents where tenant_id = :t")
    texting.run("delete from consent_events where tenant_id = :t")
    say(texting, "STOP", 0, 0)
    say(texting, "START", 1, 1)

    assert consents(texting) == {"marketing": "denied", "transactional": "granted"}


# (said, when it was said, when it is heard): what was said last counts.
@pytest.mark.parametrize(
    ("heard", "stopped"),
    [
        ([("START", 1), ("STOP", 0)], False),
        ([("STOP", 0), ("STOP", 2), ("START", 1)], True),
        ([("STOP", 2), ("START", 1), ("STOP", 0)], True),
        ([("START", 3), ("STOP", 2), ("START", 1), ("STOP", 0)], False),
    ],
)
def test_what_was_said_last_counts_however_late_the_other_is_heard(texting, texts, heard, stopped):
    for place, (said, minute) in enumerate(heard):
        say(texting, said, minute, 10 + place)

    denied = {"marketing": "denied", "transactional": "denied"}
    assert (consents(texting) == denied) == stopped
    assert texting.value("count(*)", "suppressions", "lifted_at is null") == stopped
    assert texting.value("count(*)", "activities", "activity_type = 'sms_replied'") == len(heard)


def test_two_machines_that_answer_each_other_come_to_an_end(texting, texts):
    for number in range(3):
        say(texting, "Sorry, I did not get that. Reply STOP to opt out of our messages.", number, number)

    assert len(texts) == 1


@pytest.mark.parametrize("words", [["Help!", "Help!"], ["please stop", "Start!"]], ids=["help", "stop and start"])
def test_whoever_texts_on_and_on_is_obeyed_and_no_longer_confirmed(texting, texts, words):
    for minute in range(-2, 9):
        say(texting, words[minute % 2], minute, minute)
    assert len(texts) == service.CONFIRMED_AN_HOUR
    assert texting.value("count(*)", "activities", "activity_type = 'sms_replied'") == 11
    assert texting.value("count(*)", "suppressions", "lifted_at is null") == ("please stop" in words)

    say(texting, "Help!", 60, 60)
    assert len(texts) == service.CONFIRMED_AN_HOUR
    say(texting, "Help!", 68, 68)
    assert len(texts) == service.CONFIRMED_AN_HOUR + 1


def test_a_stranger_may_stop_too_and_an_answer_is_only_that(texting, texts):
    assert service.apply(answer("STOP", sender="+14155550123", to=NUMBER)) == "applied"
    assert texting.value("count(*)", "suppressions", "contact_id is null") == 1
    service.apply(answer("See you at five", sender=PHONE, to=NUMBER))

    assert consents(texting) == {"marketing": "granted"}
    assert texting.value("description", "activities", "activity_type = 'sms_replied'") == "See you at five"


def test_a_stop_at_a_shared_number_counts_for_everybody_who_texts_from_it_and_knows_them(
    books, admin_engine, other_tenant, texts, monkeypatch
):
    """And what they wrote is for the one they answer alone."""
    monkeypatch.setenv("SMS_SENDER", "+18005550100")
    theirs = Books(admin_engine, other_tenant)
    said = "select description from activities where tenant_id = :t and activity_type = 'sms_replied' order by created_at, id"
    assert service.apply(answer("Who is this?", sender=PHONE, to="+18005550100")) == "unknown"
    for one, minutes in ((books, 9), (theirs, 3)):
        one.run(
            "update campaign_sends set channel = 'sms', address = :p, sent_at = now() - :m * interval '1 minute' where tenant_id = :t",
            p=PHONE, m=minutes,
        )  # fmt: skip
    assert service.apply(answer("The gate's code is 1234", sender=PHONE, to="+18005550100")) == "applied"
    assert (books.run(said), theirs.run(said)) == ([], [("The gate's code is 1234",)])

    assert service.apply(answer("please stop texting", sender=PHONE, to="+18005550100")) == "applied"

    for one in (books, theirs):
        assert one.value("reason", "suppressions") == "stop"
    assert (books.run(said), theirs.run(said)[1:]) == ([("STOP",)], [("please stop texting",)])
    (confirmation,) = texts
    assert " and others: you will get no more texts" in confirmation.text
    assert service.apply(answer("stop", sender="+14155550124", to="+18005550100")) == "unknown"
    # Whoever has a number of their own is not meant, and whoever knew them once is.
    books.run("insert into messaging_settings (tenant_id, sms_sender) values (:t, :n)", n=NUMBER)
    theirs.run("update contacts set deleted_at = now() where tenant_id = :t")
    assert service.apply(answer("start", sender=PHONE, to="+18005550100")) == "applied"
    assert [one.value("lifted_at is not null", "suppressions") for one in (books, theirs)] == [False, True]
    books.run("update messaging_settings set sms_sender = null where tenant_id = :t")
