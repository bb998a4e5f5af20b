"""What providers tell, read: SES's published records, their envelopes, texts, and what is none of them."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.messaging.events.reading import UnreadableEventError, read
from tests.data import shared_data

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TENANT, SEND = "01990000-0000-7000-8000-00000000000a", "01990000-0000-7000-8000-00000000000b"
TAGS = {"tenant_id": [TENANT], "kind": ["campaign_send"], "id": [SEND]}


def published(name, **more):
    """A record as SES publishes it, with the tags of one of ours."""
    record = json.loads((shared_data("ses") / "event_publishing" / f"{name}_record.json").read_text())
    record["mail"]["tags"] = {**record["mail"].get("tags", {}), **TAGS}
    return {**record, **more}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("send", "send"), ("delivery", "delivery"), ("bounce", "bounce"), ("complaint", "complaint"), ("open", "open"), ("click", "click"),
        ("reject", "reject"), ("rendering_failure", "rendering_failure"), ("deliverydelay", "delay"), ("subscription", "subscription"),
    ],
)  # fmt: skip
def test_every_record_that_ses_publishes_is_understood(name, kind):
    record = published(name)
    plain = read(json.dumps(record), now=NOW)

    assert (plain.kind, plain.channel, plain.tenant_id, plain.subject, plain.subject_id) == (
        kind,
        "email",
        UUID(TENANT),
        "campaign_send",
        UUID(SEND),
    )
    assert plain.occurred_at.tzinfo is not None
    assert plain.provider_message_id.startswith("EXAMPLE")
    # In whatever envelope it comes, it is the same event.
    bridged = {"version": "0", "id": "x", "detail-type": "Email Event", "source": "aws.ses", "detail": record}
    notified = {"Type": "Notification", "MessageId": "y", "Message": json.dumps(record)}
    assert read(json.dumps(bridged), now=NOW) == plain
    assert read(json.dumps(notified), now=NOW) == plain


def test_a_bounce_says_whom_and_why():
    event = read(json.dumps(published("bounce")), now=NOW)

    assert event.addresses == ("recipient@example.com",)
    assert event.permanent
    assert event.detail == {"type": "Permanent", "subtype": "General", "diagnostic": "smtp; 550 5.1.1 user unknown"}
    transient = published("bounce")
    transient["bounce"]["bounceType"] = "Transient"
    assert not read(json.dumps(transient), now=NOW).permanent


def test_two_events_of_one_message_are_two():
    one, other = published("click"), published("click")
    other["click"]["link"] = "https://clientway.example/other"

    assert read(json.dumps(one), now=NOW).key == read(json.dumps(one), now=NOW).key
    assert read(json.dumps(one), now=NOW).key != read(json.dumps(other), now=NOW).key
    assert (
        len({read(json.dumps(published(name)), now=NOW).key for name in ("send", "delivery", "open", "click", "bounce", "complaint")}) == 6
    )


def test_neither_address_on_the_net_nor_reader_is_kept():
    for name in ("open", "click"):
        assert "192.0.2.1" not in str(read(json.dumps(published(name)), now=NOW))
        assert "Mozilla" not in str(read(json.dumps(published(name)), now=NOW))


def test_mail_that_is_none_of_these_messages_is_nobodys_event():
    without = published("open")
    without["mail"]["tags"] = {"outbox_id": ["1"], "template": ["staff_link"]}

    assert read(json.dumps(without), now=NOW) is None
    text = {"eventType": "TEXT_SENT", "context": {"tenant_id": TENANT, "kind": "newsletter", "id": "7"}}
    assert read(json.dumps(text), now=NOW) is None


def test_what_a_forwarder_reports_is_about_the_address_that_was_sent_to():
    bounce = published("bounce")
    bounce["mail"]["destination"] = ["Ana@Bistro.example"]
    bounce["bounce"]["bouncedRecipients"] = [{"emailAddress": "ana.private@elsewhere.example"}]
    assert read(json.dumps(bounce), now=NOW).addresses == ("Ana@Bistro.example",)

    bounce["mail"]["destination"] = ["ana@bistro.example", "bob@bistro.example", "eve@bistro.example"]
    bounce["bounce"]["bouncedRecipients"] = [{"emailAddress": "Bob@BISTRO.example"}, {"emailAddress": "someone@elsewhere.example"}]
    assert read(json.dumps(bounce), now=NOW).addresses == ("bob@bistro.example",)


def test_a_mail_that_was_never_tried_is_no_complaint():
    told = published("complaint")
    told["complaint"]["complaintSubType"] = "OnAccountSuppressionList"

    event = read(json.dumps(told), now=NOW)

    assert (event.kind, event.permanent) == ("bounce", True)


@pytest.mark.parametrize(
    ("kind", "read_as", "permanent"),
    [
        ("TEXT_DELIVERED", "delivery", False),
        ("TEXT_SENT", "send", False),
        ("TEXT_INVALID", "bounce", True),
        ("TEXT_BLOCKED", "bounce", False),
        ("TEXT_TTL_EXPIRED", "bounce", False),
        ("TEXT_PROTECT_BLOCKED", "reject", False),
    ],
)
def test_what_becomes_of_a_text(kind, read_as, permanent):
    told = {
        "eventType": kind, "eventTimestamp": 1795338000000, "messageId": "m-1", "destinationPhoneNumber": "+14155550100", "isFinal": True,
        "messageStatus": "X", "context": {"tenant_id": TENANT, "kind": "reminder", "id": SEND},
    }  # fmt: skip
    event = read(json.dumps({"Type": "Notification", "Message": json.dumps(told)}), now=NOW)

    assert (event.kind, event.channel, event.subject, event.permanent) == (read_as, "sms", "reminder", permanent)
    assert event.addresses == ("+14155550100",)
    assert read(json.dumps({**told, "context": {}}), now=NOW) is None
    assert read(json.dumps({**told, "eventType": "TEXT_PENDING"}), now=NOW) is None


def test_an_answer_to_a_text():
    told = {
        "originationNumber": "+14155550100", "destinationNumber": "+14155550199", "messageKeyword": "KEYWORD_1", "messageBody": "please stop texting me",
        "inboundMessageId": "in-1", "previousPublishedMessageId": "m-1",
    }  # fmt: skip
    event = read(json.dumps(told), now=NOW)

    assert (event.kind, event.sender, event.to, event.occurred_at) == ("stop", "+14155550100", "+14155550199", NOW)
    assert read(json.dumps({**told, "messageBody": "On my way"}), now=NOW).kind == "reply"


@pytest.mark.parametrize(
    "body",
    ["", "[]", "null", "1", '"x"', "{}", '{"detail-type": "x", "detail": {}}', '{"eventType": "Open", "mail": null}', '{"Type": "Notification", "Message": "{"}',
     '{"eventType": "Open", "mail": {"tags": {"tenant_id": ["x"], "kind": ["reminder"], "id": ["y"]}, "timestamp": "z", "messageId": "m"}}',
     '{"inboundMessageId": "1"}', pytest.param("[" * 100_000, id="deep"), pytest.param('{"Type": "Notification", "Message": "' + "[" * 100_000 + '"}', id="deep within"),
     '{"eventType": "TEXT_SENT", "eventTimestamp": 1e300, "messageId": "m", "context": {"tenant_id": "01990000-0000-7000-8000-000000000001", "kind": "reminder", "id": "01990000-0000-7000-8000-000000000001"}}', '{"eventType": "TEXT_SENT", "context": {"tenant_id": "x", "kind": "reminder"}}'],
)  # fmt: skip
def test_what_is_no_event_is_kept_for_somebody_to_look_at(body):
    with pytest.raises(UnreadableEventError):
        read(body, now=NOW)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_whatever_comes_is_read_or_refused(value):
    with pytest.raises(UnreadableEventError):
        read(json.dumps(value), now=NOW)
