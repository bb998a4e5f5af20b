"""What an ingress lets in: what the account signed, now, and nothing else."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway import queues
from clientway.integrations.stripe import ingress, secrets
from clientway.integrations.stripe.signature import TOLERANCE_SECONDS, BadSignature, sign, verify
from clientway.integrations.stripe.subjects import subject

ENDPOINT = "01890a5d-ac96-774b-bcce-b302099a8057"
SECRET = "whsec_" + "a" * 32
OLD = "whsec_" + "b" * 32
NOW = 1_800_000_000
BODY = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}).encode()
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "stripe" / "events"


def header(body=BODY, secret=SECRET, at=NOW, *more):
    return ",".join([f"t={at}", f"v1={sign(body, secret, str(at))}", *more])


def test_what_was_signed_now_passes():
    verify(BODY, header(), [SECRET], now=NOW)


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_either_secret_holds_while_they_are_rotated(secret):
    verify(BODY, header(secret=secret), [SECRET, OLD], now=NOW)


def test_one_right_signature_of_several_is_enough():
    verify(BODY, header(BODY, SECRET, NOW, "v1=" + "0" * 64, "v0=x"), [SECRET], now=NOW)


@pytest.mark.parametrize("away", [300, -300])
def test_what_was_signed_five_minutes_ago_passes_still(away):
    verify(BODY, header(at=NOW + away), [SECRET], now=NOW)


def test_a_header_may_be_so_long_and_no_longer():
    whole = header() + ",x="
    verify(BODY, whole + "x" * (4096 - len(whole)), [SECRET], now=NOW)
    with pytest.raises(BadSignature):
        verify(BODY, whole + "x" * (4097 - len(whole)), [SECRET], now=NOW)

    right, wrong = f"v1={sign(BODY, SECRET, str(NOW))}", ["v1=" + "0" * 64]
    verify(BODY, ",".join([f"t={NOW}", *wrong * 15, right]), [SECRET], now=NOW)
    with pytest.raises(BadSignature):
        verify(BODY, ",".join([f"t={NOW}", *wrong * 16, right]), [SECRET], now=NOW)


def test_the_time_is_what_stands_there_as_the_time():
    verify(BODY, header(BODY, SECRET, NOW, "x=1"), [SECRET], now=NOW)
    last = 10**12 - 1
    verify(BODY, header(at=last), [SECRET], now=last)
    with pytest.raises(BadSignature):
        verify(BODY, header(at=last + 1), [SECRET], now=last + 1)


@pytest.mark.parametrize("away", [TOLERANCE_SECONDS + 1, -TOLERANCE_SECONDS - 1])
def test_what_was_signed_at_another_time_is_refused(away):
    with pytest.raises(BadSignature):
        verify(BODY, header(at=NOW + away), [SECRET], now=NOW)


@pytest.mark.parametrize(
    "given_header",
    [
        None, "", "t=", f"t={NOW}", "v1=" + sign(BODY, SECRET, str(NOW)), f"t=x,v1={sign(BODY, SECRET, 'x')}", "t=1800000000;v1=x",
        f"t={NOW},v0={sign(BODY, SECRET, str(NOW))}", f"t=-{NOW},v1=x", f"t={NOW},v1=é", header() + "x" * 5000,
    ],
)  # fmt: skip
def test_a_header_that_says_less_is_refused(given_header):
    with pytest.raises(BadSignature):
        verify(BODY, given_header, [SECRET], now=NOW)


def test_another_secret_is_refused():
    with pytest.raises(BadSignature):
        verify(BODY, header(secret=OLD), [SECRET], now=NOW)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_any_flipped_bit_is_refused(body, data):
    signed = header(body)
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8
    verify(body, signed, [SECRET], now=NOW)
    with pytest.raises(BadSignature):
        verify(bytes(flipped), signed, [SECRET], now=NOW)


@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"))
def test_any_changed_digit_of_the_signature_is_refused(place, digit):
    good = sign(BODY, SECRET, str(NOW))
    changed = good[:place] + digit + good[place + 1 :]
    if changed != good:
        with pytest.raises(BadSignature):
            verify(BODY, f"t={NOW},v1={changed}", [SECRET], now=NOW)


def test_it_agrees_with_the_library():
    import stripe

    stripe.WebhookSignature.verify_header(BODY.decode(), header(), SECRET, tolerance=None)


@pytest.fixture
def queue(monkeypatch):
    """What was queued, with the endpoint's secrets known."""
    sent = []
    monkeypatch.setattr(queues, "send", lambda name, message, *, group: sent.append((name, message, group)))
    monkeypatch.setattr(secrets, "webhook_secrets", lambda endpoint: (SECRET,) if endpoint == ENDPOINT else ())
    monkeypatch.setattr(ingress.time, "time", lambda: NOW)
    return sent


def delivery(body, *, signed=None, encoded=False):
    sent = base64.b64encode(body).decode() if encoded else body.decode()
    return {"headers": {"Stripe-Signature": signed or header(body)}, "body": sent, "isBase64Encoded": encoded}


@pytest.mark.parametrize("encoded", [False, True])
def test_a_delivery_is_queued_by_what_it_is_about_and_no_more(queue, encoded):
    body = json.dumps({"id": "evt_1", "type": "charge.refunded", "created": 5, "account": "acct_1", "data": {"object": {
        "id": "ch_1", "payment_intent": "pi_1", "amount": 99999, "billing_details": {"email": "ana@bistro.example"}}}}).encode()  # fmt: skip
    assert ingress.accept(ENDPOINT, delivery(body, encoded=encoded)).queued
    assert queue == [("STRIPE_EVENT_QUEUE_URL", {
        "endpoint": ENDPOINT, "account_id": "acct_1", "event": {"id": "evt_1", "type": "charge.refunded", "created": 5},
        "subject": {"kind": "payment_intent", "id": "pi_1"}}, ENDPOINT)]  # fmt: skip


def test_what_changes_nothing_here_is_taken_and_left(queue):
    body = json.dumps({"id": "evt_1", "type": "plan.created", "data": {"object": {"id": "p"}}}).encode()
    assert not ingress.accept(ENDPOINT, delivery(body)).queued
    assert not queue


def test_an_unknown_endpoint_answers_as_a_bad_signature_does(queue):
    with pytest.raises(BadSignature) as unknown:
        ingress.accept("01890a5d-ac96-774b-bcce-b302099a8058", delivery(BODY))
    with pytest.raises(BadSignature) as forged:
        ingress.accept(ENDPOINT, delivery(BODY, signed=header(secret=OLD)))
    assert unknown.value.as_document("r") == forged.value.as_document("r")
    assert not queue


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"id": 5, "type": "x"}', b'{"type": "charge.refunded"}', b"[" * 100_000])
def test_signed_nonsense_is_refused(queue, body):
    with pytest.raises(ingress.Malformed):
        ingress.accept(ENDPOINT, delivery(body))


def test_an_event_that_cannot_be_kept_is_asked_for_again(queue, monkeypatch):
    def away(*_args, **_kwargs):
        raise OSError

    monkeypatch.setattr(queues, "send", away)
    with pytest.raises(ingress.QueueAway) as refused:
        ingress.accept(ENDPOINT, delivery(BODY))
    assert refused.value.status == 503


@pytest.mark.parametrize("name", sorted(path.name for path in PUBLISHED.glob("*.json")) or [None])
def test_published_events_are_taken_as_they_are(queue, name):
    if name is None:
        pytest.skip("the published events are not on this machine")
    event = json.loads((PUBLISHED / name).read_text()) | {"id": f"evt_{name}"}
    raw = json.dumps(event).encode()
    accepted = ingress.accept(ENDPOINT, delivery(raw))
    about = subject(event)
    assert accepted.queued == (about is not None)
    assert len(queue) == accepted.queued
    # Every type of event about money or a subscription leads somewhere.
    if event["type"].startswith(("payment_intent.", "charge.", "customer.subscription.")):
        assert about is not None
