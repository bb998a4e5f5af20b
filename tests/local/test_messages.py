"""The stand-ins for SES and End User Messaging: what boto3 hands over is kept whole, and what they tell is read by the product."""

import json
import stat
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import boto3
import pytest

from clientway.config import settings
from clientway.local.mailbox import Mailbox
from clientway.local.messages.providers import TROUBLES, Providers
from clientway.messaging.delivery import calls, providers
from clientway.messaging.delivery.message import Outgoing, Refused, Unclear
from clientway.messaging.events.reading import read
from tests.served import eventually

NUMBER, OURS = "+14155552671", "+14155550100"


@pytest.fixture
def told():
    """The bodies that were published."""
    return []


@pytest.fixture
def fake(told, monkeypatch):
    """The stand-ins, where the product's own sending finds them."""
    running = Providers(region="us-east-1").start(told.extend)
    environment = {**running.environment, "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", "AWS_DEFAULT_REGION": "us-east-1"}
    environment |= {"SES_CONFIGURATION_SET": "clientway", "SMS_CONFIGURATION_SET": "clientway", "SMS_SENDER": OURS}
    environment |= {"MAIL_FROM": "Clientway <hello@clientway.localhost>", "DATABASE_URL": "postgresql://nobody@127.0.0.1/none"}
    environment |= {"CLIENTWAY_SIGNING_KEY": "k" * 32, "CLIENTWAY_IDENTITY_KEY": "k" * 32}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    calls.forget()
    yield running
    running.stop()
    calls.forget()
    settings.cache_clear()


def outgoing(channel="email", **more):
    """A message as a campaign sends it."""
    shape = {"kind": "campaign_send", "id": uuid4(), "tenant_id": uuid4(), "channel": channel, "text": "Hello", **more}
    if channel == "email":
        shape = {"to": ("ana@x.example",), "subject": "Menus", "html": "<p>Hello</p>", **shape}
    return Outgoing(**{"to": (NUMBER,), **shape})


def events(told, count):
    """What the product reads of what was published."""
    bodies = eventually(lambda: told if len(told) >= count else None)
    return [read(body, now=datetime.now(UTC)) for body in bodies]


def test_a_mail_is_kept_whole_and_its_events_are_the_products(fake, told):
    message = outgoing(unsubscribe_url="http://127.0.0.1:3000/u/abc", from_name="Böll & Söhne", reply_to="b@x.example")
    sent = providers.send(message, once=True)
    kept = fake.store.find(sent)
    assert (kept.subject, kept.text, kept.html, kept.recipients) == ("Menus", "Hello", "<p>Hello</p>", ("ana@x.example",))
    assert kept.header("list-unsubscribe") == "<http://127.0.0.1:3000/u/abc>"
    assert kept.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    assert (kept.header("Reply-To"), kept.configuration_set) == ("b@x.example", "clientway")

    for what in ("machine", "bounce", "complaint"):
        fake.report(kept, what)
    found = {event.kind: event for event in events(told, 5)}
    assert set(found) == {"send", "delivery", "open", "bounce", "complaint"}
    assert {(one.tenant_id, one.subject, one.subject_id) for one in found.values()} == {(message.tenant_id, message.kind, message.id)}
    assert {one.provider_message_id for one in found.values()} == {sent}
    assert found["open"].machine
    assert found["bounce"].permanent
    assert found["bounce"].addresses == found["complaint"].addresses == ("ana@x.example",)


def test_a_person_who_presses_at_once_is_no_machine(fake):
    kept = fake.store.find(providers.send(outgoing(), once=True))
    fake.report(kept, "open")
    fake.report(kept, "click", link="https://x.example/?a=1")
    opened, clicked = (
        read(one.body, now=datetime.now(UTC)) for one in fake.store.events([kept]) if one.name.split()[0] in {"open", "click"}
    )
    assert (opened.kind, opened.machine, clicked.kind, clicked.machine) == ("open", False, "click", False)
    assert clicked.detail == {"link": "https://x.example/?a=1"}


def test_a_text_its_delivery_and_an_answer(fake, told):
    message = outgoing("sms", promotional=True)
    kept = fake.store.find(providers.send(message, once=True))
    assert (kept.sender, kept.recipients, kept.text, kept.promotional) == (OURS, (NUMBER,), "Hello", True)
    fake.reply(kept, "Stop")
    answer, delivered = events(told, 2)
    assert (answer.kind, answer.sender, answer.to, answer.text) == ("stop", NUMBER, OURS, "Stop")
    assert (delivered.kind, delivered.subject_id, delivered.addresses) == ("delivery", message.id, (NUMBER,))
    fake.report(kept, "unreachable")
    assert events(told, 3)[-1].permanent
    # As End User Messaging does, and then nobody else does.
    assert [one.text[:4] for one in fake.store.conversation(NUMBER)] == ["Hell", "Stop", "You "]


def test_a_number_that_said_stop_is_refused_until_it_says_start(fake):
    kept = fake.store.find(providers.send(outgoing("sms"), once=True))
    for word, refused in (("Stop by at 10", False), ("STOP", True), ("thanks", True), ("START", False), ("quit", True)):
        fake.reply(kept, word)
        if refused:
            with pytest.raises(Refused, match="opted_out") as caught:
                providers.send(outgoing("sms"), once=True)
            assert not caught.value.retryable
        else:
            providers.send(outgoing("sms"), once=True)


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize(
    ("mode", "failure", "retryable", "taken"),
    [
        ("throttle", Refused, True, 0),
        ("paused", Refused, True, 0),
        ("refuse", Refused, False, 0),
        ("outage", Unclear, None, 0),
        ("lost", Unclear, None, 1),
    ],
)
def test_what_goes_wrong_is_what_the_product_takes_it_for(fake, channel, mode, failure, retryable, taken):
    assert mode in TROUBLES
    fake.trouble.mode[channel] = mode
    with pytest.raises(failure) as caught:
        providers.send(outgoing(channel), once=True)
    assert getattr(caught.value, "retryable", None) == retryable
    assert fake.store.count(channel) == taken
    fake.trouble.mode[channel] = "none"
    providers.send(outgoing(channel), once=True)
    assert fake.store.count(channel) == taken + 1


def test_the_providers_refuse_what_the_real_ones_do(fake):
    ses, sms = boto3.client("sesv2"), boto3.client("pinpoint-sms-voice-v2")
    good = {"Subject": {"Data": "a"}, "Body": {"Text": {"Data": "b"}}}

    def mail(simple=good, to="a@b.example", **more):
        ses.send_email(FromEmailAddress="x@y.example", Destination={"ToAddresses": [to]}, Content={"Simple": simple}, **more)

    mail()
    for wrong in (
        {"to": "a\r\nBcc: c@d.example"},
        {"to": "nobody"},
        {"simple": {**good, "Subject": {"Data": "a\r\nBcc: x"}}},
        {"simple": {**good, "Headers": [{"Name": "X-A", "Value": "b\r\nBcc: x"}]}},
        {"simple": {**good, "Body": {}}},
        {"EmailTags": [{"Name": "a b", "Value": "c"}]},
    ):
        with pytest.raises(ses.exceptions.BadRequestException):
            mail(**wrong)
    for number, body in (("12a", "x"), (NUMBER, "x" * 1601)):
        with pytest.raises(sms.exceptions.ClientError, match="ValidationException"):
            sms.send_text_message(DestinationPhoneNumber=number, OriginationIdentity=OURS, MessageBody=body)
    with pytest.raises(sms.exceptions.ClientError, match="no such operation"):
        sms.describe_pools()


def test_without_a_configuration_set_nothing_is_told(fake):
    boto3.client("pinpoint-sms-voice-v2").send_text_message(DestinationPhoneNumber=NUMBER, OriginationIdentity=OURS, MessageBody="x")
    assert fake.store.events(fake.store.newest()) == []


def test_the_simulators_addresses_bounce_and_complain(fake):
    for name, last in (("bounce", "bounce"), ("complaint", "complaint")):
        kept = fake.store.find(providers.send(outgoing(to=(f"{name}@simulator.amazonses.com",)), once=True))
        assert [one.name for one in fake.store.events([kept])][-1] == last


def test_events_outlive_a_restart_and_a_queue_that_does_not_answer(tmp_path):
    now, file = time.time(), tmp_path / "messages.sqlite3"
    first = Providers(file, clock=lambda: now)
    first.take("sms", {"DestinationPhoneNumber": NUMBER, "OriginationIdentity": OURS, "MessageBody": "x", "ConfigurationSetName": "c"})
    first._server.server_close()
    first.store.close()

    calls_made, got = [], []

    def publish(bodies):
        calls_made.append(len(bodies))
        if len(calls_made) == 1:
            raise ConnectionError
        got.extend(bodies)

    second = Providers(file, clock=lambda: now + 5)
    second.trouble.twice = True
    second.start(publish)
    try:
        assert len(eventually(lambda: got if len(got) == 2 else None)) == 2
        assert got[0] == got[1]
        assert eventually(lambda: all(one.done for one in second.store.events(second.store.newest())))
    finally:
        second.stop()


def test_mail_is_kept_for_its_owner_and_printed(tmp_path, caplog):
    file = tmp_path / "mailbox.jsonl"
    running = Providers(show=Mailbox(file).show)
    html = '<p>Click <a href="http://l/1">here</a> &amp; go</p>'
    shape = {"FromEmailAddress": "a@x.example", "Destination": {"ToAddresses": ["b@x.example"]}}
    tags = [{"Name": "kind", "Value": "reminder"}]
    with caplog.at_level("INFO", "clientway.local"):
        running.take("email", {**shape, "Content": {"Simple": {"Subject": {"Data": "Grüße"}, "Body": {"Html": {"Data": html}}}}})
        told = {"Simple": {"Subject": {"Data": "Soon"}, "Body": {"Text": {"Data": "At 10"}}}}
        running.take("email", {**shape, "Content": told, "EmailTags": tags})
    running._server.server_close()
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert kept[0] == {"sender": "a@x.example", "recipients": ["b@x.example"], "subject": "Grüße", "text": "Click here (http://l/1) & go"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Sign-in links are read on the console; of a campaign's thousands, a line each.
    assert "Click here (http://l/1)" in caplog.text
    assert "✉ mail to b@x.example: Soon" in caplog.text
    assert "At 10" not in caplog.text


def test_lists_go_from_the_newest_back(fake):
    began = datetime.now(UTC) - timedelta(seconds=1)
    ids = [providers.send(outgoing(to=(f"p{number}@x.example",)), once=False) for number in range(3)]
    text = providers.send(outgoing("sms"), once=False)
    store = fake.store
    assert [one.id for one in store.newest()] == [text, *ids[::-1]]
    assert [one.id for one in store.newest(channel="email", limit=2)] == [ids[2], ids[1]]
    assert [one.id for one in store.newest(before=store.find(ids[1]).seq)] == [ids[0]]
    assert [one.id for one in store.newest(address="P1@x")] == [ids[1]]
    assert store.newest(address="nobody") == []
    assert datetime.fromtimestamp(store.find(text).at, UTC) > began
