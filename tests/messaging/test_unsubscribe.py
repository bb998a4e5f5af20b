"""Unsubscribing by the link in a message: looking changes nothing, one click does, and nobody else's link is theirs."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations
from threading import Barrier

import pytest
from sqlalchemy import text

from clientway import db
from clientway.ids import uuid7
from clientway.lifecycle.consents import service as consents
from clientway.messaging import links
from clientway.messaging.links import Subscription
from clientway.messaging.unsubscribe import forms, page, service
from tests.data import shared_data
from tests.messaging.campaigning import Stage

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def stage(admin_engine, tenant, invoke):
    return Stage(admin_engine, tenant, invoke)


def open_link(invoke, token, method="GET", body=None, headers=None):
    given = {} if body is None else {"raw_body": body, "headers": headers or FORM}
    return invoke("messaging/unsubscribe", method=method, path={"token": token}, token=None, **given)


def click(invoke, token, body=ONE_CLICK, headers=None):
    return open_link(invoke, token, "POST", body, headers)


def subscription(tenant, person, channel="email", send_id=None):
    return links.token(Subscription(tenant.id, person, channel, send_id))


def sent(stage, person):
    """One send of a campaign to somebody."""
    campaign, one = uuid7(), uuid7()
    segment = stage.listed(person)
    stage.run(
        "insert into campaigns (tenant_id, id, name, channel, segment_id, quiet_hours) values (:t, :i, 'Spring', 'email', :s, false)",
        i=campaign, s=segment,
    )  # fmt: skip
    stage.run(
        "insert into campaign_sends (tenant_id, id, campaign_id, contact_id, channel, chunk, state) values (:t, :i, :c, :p, 'email', 0, 'sent')",
        i=one, c=campaign, p=person,
    )  # fmt: skip
    return one


def written(stage):
    """Everything that unsubscribing may write."""
    return {
        "ledger": stage.run(
            "select channel, purpose, state, source, evidence, contact_id from consent_events where tenant_id = :t order by id"
        ),
        "contacts": stage.run("select id, unsubscribed_at is not null from contacts where tenant_id = :t order by id"),
        "sends": stage.run("select id from campaign_sends where tenant_id = :t and unsubscribed_at is not null"),
        "events": stage.run("select kind, channel, campaign_send_id, contact_id from message_events where tenant_id = :t"),
        "timeline": stage.run("select activity_type, contact_id from activities where tenant_id = :t"),
    }


def test_looking_changes_nothing(stage, tenant, invoke):
    person = stage.person(email="ana@bistro.example", email_norm="ana@bistro.example")
    stage.run("update tenants set name = 'Bö & <Söhne>' where tenant_id = :t")
    before = written(stage)
    for _ in range(3):
        answer = open_link(invoke, subscription(tenant, person))

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Bö &amp; &lt;Söhne&gt;" in answer.body
    assert "a•••@bistro.example" in answer.body
    assert "ana@bistro.example" not in answer.body
    assert '<form method="post"><button ' in answer.body
    assert "<script" not in answer.body
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert written(stage) == before


def test_one_click_ends_it_with_its_evidence(stage, tenant, invoke):
    person = stage.person(email="ana@bistro.example", email_norm="ana@bistro.example")
    other, send = stage.person(), sent(stage, person)
    token = subscription(tenant, person, send_id=send)
    answer = click(invoke, token)

    assert (answer.status, answer.cookies, "Location" in answer.headers) == (200, [], False)
    assert "You are unsubscribed" in answer.body
    found = written(stage)
    assert found["ledger"] == [("email", "marketing", "denied", "one_click", {"campaign_send_id": str(send)}, person)]
    assert dict(map(tuple, found["contacts"])) == {person: True, other: False}
    assert found["sends"] == [(send,)]
    assert found["events"] == [("unsubscribe", "email", send, person)]
    assert found["timeline"] == [("consent_changed", person)]

    again = click(invoke, token)
    assert (again.status, again.body) == (200, answer.body)
    assert written(stage) == found
    assert "You are unsubscribed" in open_link(invoke, token).body


def test_what_links_carry_along_is_no_matter(stage, tenant, invoke):
    """Newsletters, shops and mail gateways add their own parameters to whatever link they see."""
    person = stage.person()
    given = {"path": {"token": subscription(tenant, person)}, "token": None, "query": {"utm_source": "mail", "fbclid": "x"}}

    assert "<form" in invoke("messaging/unsubscribe", method="GET", **given).body
    assert invoke("messaging/unsubscribe", method="POST", raw_body=ONE_CLICK, headers=FORM, **given).status == 200
    assert [tuple(row) for row in written(stage)["contacts"]] == [(person, True)]


def test_the_button_ends_it_and_who_came_back_may_leave_again(stage, tenant, invoke):
    person = stage.person()
    button = f"{page.FIELD}={page.FROM_PAGE}"
    assert click(invoke, subscription(tenant, person), button).status == 200
    invoke("lifecycle/contact_consents", method="POST", path={"contact_id": person},
           body={"channel": "email", "purpose": "marketing", "state": "granted", "source": "web_form"})  # fmt: skip
    assert [tuple(row) for row in written(stage)["contacts"]] == [(person, False)]
    assert "Unsubscribe" in open_link(invoke, subscription(tenant, person)).body
    click(invoke, subscription(tenant, person), button)

    found = written(stage)
    assert [row[2:4] for row in found["ledger"]] == [
        ("denied", "unsubscribe_page"),
        ("granted", "web_form"),
        ("denied", "unsubscribe_page"),
    ]
    assert [tuple(row) for row in found["contacts"]] == [(person, True)]
    assert len(found["events"]) == 2


def test_a_text_messages_link_ends_texts_alone(stage, tenant, invoke):
    person = stage.person(phone_e164="+13055550199", phone="+13055550199")
    stage.consent(person, "sms", "granted")
    token = subscription(tenant, person, "sms")

    assert "•••99" in open_link(invoke, token).body
    assert "marketing text messages" in click(invoke, token).body
    assert [tuple(row) for row in written(stage)["contacts"]] == [(person, False)]
    assert stage.run("select channel, state from contact_consents where tenant_id = :t") == [("sms", "denied")]


def test_of_one_who_was_merged_the_survivor_is_meant(stage, tenant, invoke):
    survivor, merged, send = stage.person(), stage.person(), None
    send = sent(stage, merged)
    answer = invoke("lifecycle/contact_merge", method="POST", path={"contact_id": survivor}, body={"merged_id": merged},
                    headers={"Idempotency-Key": "m"})  # fmt: skip
    assert answer.status == 201, answer.body
    assert click(invoke, subscription(tenant, merged, send_id=send)).status == 200

    found = written(stage)
    assert dict(map(tuple, found["contacts"]))[survivor] is True
    assert [row[5] for row in found["ledger"]] == [survivor]
    assert found["sends"] == [(send,)]
    assert found["events"] == [("unsubscribe", "email", send, survivor)]


def test_a_record_that_was_deleted_keeps_the_word_for_when_it_comes_back(stage, tenant, invoke):
    person = stage.person(deleted_at="2026-01-01T00:00:00Z")

    assert click(invoke, subscription(tenant, person)).status == 200
    assert [tuple(row) for row in written(stage)["contacts"]] == [(person, True)]


def test_a_send_of_somebody_elses_is_not_marked(stage, tenant, invoke):
    person, other = stage.person(), stage.person()
    assert click(invoke, subscription(tenant, person, send_id=sent(stage, other))).status == 200

    found = written(stage)
    assert found["sends"] == []
    assert found["events"] == [("unsubscribe", "email", None, person)]


def test_what_is_not_ours_is_not_found_and_says_nothing(stage, tenant, other_tenant, invoke):
    person = stage.person()
    token = subscription(tenant, person)
    data = bytearray(base64.urlsafe_b64decode(token + "=="))
    bad = []
    for at in range(0, len(data), 5):
        changed = bytearray(data)
        changed[at] ^= 1
        bad.append(base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("="))
    bad += [token[:-1], token[4:], "x", "%00", "a" * 4000, subscription(other_tenant, person), subscription(tenant, uuid7())]
    # A tenant that is no more.
    bad.append(links.token(Subscription(uuid7(), person, "email")))
    before = written(stage)
    for one in bad:
        for answer in (open_link(invoke, one), click(invoke, one)):
            assert (answer.status, answer.body) == (404, page.unknown()), one
    assert written(stage) == before
    assert str(tenant.id) not in page.unknown()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("", FORM),
        ("a=b", FORM),
        ("List-Unsubscribe=Maybe", FORM),
        ("&".join(f"a{n}=b" for n in range(50)) + f"&{ONE_CLICK}", FORM),
        ('{"List-Unsubscribe": "One-Click"}', {"content-type": "application/json"}),
        (b"List-Unsubscribe=One-Click", {"content-type": "text/plain"}),
    ],
)
def test_a_body_that_asks_for_nothing_is_asked(stage, tenant, invoke, body, headers):
    token = subscription(tenant, stage.person())
    answer = click(invoke, token, body, headers)

    assert answer.status == 400
    assert "<form" in answer.body
    assert written(stage)["ledger"] == []


def test_the_rfcs_own_requests_are_understood(stage, tenant, invoke):
    examples = json.loads(shared_data("mail/rfc8058_examples.json").read_text())
    for example in examples:
        head, _, body = example["request"].partition("\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        person = stage.person()
        answer = click(invoke, subscription(tenant, person), body.encode(), {"content-type": headers["Content-Type"]})
        assert answer.status == 200, example["section"]
        assert stage.run("select unsubscribed_at is not null from contacts where tenant_id = :t and id = :i", i=person) == [(True,)]
    assert len(examples) >= 3


@pytest.mark.parametrize(
    ("kind", "body", "source"),
    [
        ("", "List-Unsubscribe=One-Click", "one_click"),
        ("Application/X-WWW-Form-URLEncoded; charset=utf-8", " list-unsubscribe=one-click\r\n", "one_click"),
        ("multipart/form-data; boundary=x", '--x\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click', "one_click"),
        ("multipart/form-data; boundary=x", "--x\nContent-Disposition: form-data; name=List-Unsubscribe\n\nOne-Click\n--x--", "one_click"),
        ("multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\nContent-Type: text/plain\r\n\r\nOne-Click\r\n--x--\r\n', "one_click"),
        ("multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="confirm"\r\n\r\nunsubscribe\r\n--x--\r\n', "unsubscribe_page"),
        ("multipart/form-data", "", None),
    ],
)  # fmt: skip
def test_forms(kind, body, source):
    assert forms.wish(kind, body) == source


@pytest.mark.parametrize(
    "body", ["content-disposition: " + "name=a;" * 30_000, "content-disposition: name=a\n" * 9_000, "name=" * 50_000, "a=1&" * 60_000]
)
def test_nobody_keeps_us_busy_with_a_long_body(body):
    began = time.process_time()

    assert [forms.wish(kind, body) for kind in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded")] == [None, None]
    assert time.process_time() - began < 0.5


def test_the_link_is_what_it_was_made_of(tenant):
    person, send = uuid7(), uuid7()
    url = links.unsubscribe_url(tenant.id, person, "email", send_id=send)

    assert links.read(url.rpartition("/u/")[2]) == Subscription(tenant.id, person, "email", send)
    assert links.read(subscription(tenant, person, "sms")) == Subscription(tenant.id, person, "sms", None)


@pytest.mark.parametrize(
    ("address", "masked"),
    [("ana@bistro.example", "a•••@bistro.example"), ("+13055550199", "•••99"), (None, None), ("", None)],
)
def test_an_address_is_masked(address, masked):
    assert page.mask(address) == masked


def test_a_word_heard_late_does_not_undo_a_later_one(stage, tenant, invoke):
    person, now = stage.person(), datetime.now(UTC)
    with db.job_transaction(tenant.id, now=now) as tx:
        consents.settle(tx, person, "sms", ("marketing",), "granted", source="start", evidence={}, occurred_at=now)
    with db.job_transaction(tenant.id, now=now) as tx:
        late = consents.settle(
            tx, person, "sms", ("marketing",), "denied", source="stop", evidence={}, occurred_at=now - timedelta(hours=1)
        )
        statement = text("select state from contact_consents where tenant_id = app.tenant() and contact_id = :c")
        assert tx.scalar(statement, {"c": person}) == "granted"
        both = consents.settle(tx, person, "sms", ("marketing", "transactional"), "denied", source="stop", evidence={}, occurred_at=now)
        assert consents.settle(tx, uuid7(), "sms", ("marketing",), "denied", source="stop", evidence={}, occurred_at=now) is None

    # It stands in the ledger, and counts for nothing.
    assert len(late.event_ids) == 1
    assert (len(both.event_ids), both.contact_id) == (2, person)
    with db.job_transaction(tenant.id) as tx:
        statement = text("select purpose, state from contact_consents where tenant_id = app.tenant() and contact_id = :c order by purpose")
        assert tx.execute(statement, {"c": person}).all() == [("marketing", "denied"), ("transactional", "denied")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_was_said_last_counts_in_whichever_order_it_is_heard(stage, tenant, order):
    person, now = stage.person(), datetime.now(UTC)
    said = [("denied", 30), ("granted", 20), ("denied", 10)]
    for at in order:
        state, minutes = said[at]
        with db.job_transaction(tenant.id, now=now) as tx:
            moment = now - timedelta(minutes=minutes)
            consents.settle(tx, person, "email", ("marketing",), state, source="text", evidence={}, occurred_at=moment)

    assert stage.run("select state from contact_consents where tenant_id = :t") == [("denied",)]
    assert stage.run("select unsubscribed_at is not null from contacts where tenant_id = :t") == [(True,)]


def test_many_clicks_at_once_count_as_one(stage, tenant):
    person = stage.person()
    token = subscription(tenant, person, send_id=sent(stage, person))
    start = Barrier(4)

    def once(_):
        start.wait()
        try:
            return service.unsubscribe(token, FORM["content-type"], ONE_CLICK)[0]
        except db.Unavailable:
            return None

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(once, range(4)))
    found = written(stage)

    assert set(answers) <= {200, None}
    assert 200 in answers
    assert [len(found[name]) for name in ("ledger", "sends", "events", "timeline")] == [1, 1, 1, 1]
