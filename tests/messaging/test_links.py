"""The link that unsubscribes, byte by byte: it is in mail that is kept for years, and whatever is not ours stands for nothing."""

import base64
import hashlib
import hmac
from types import SimpleNamespace
from uuid import UUID

import pytest

from clientway.messaging import links
from clientway.messaging.links import Subscription

TENANT, CONTACT, SEND = (UUID(bytes=bytes(range(first, first + 16))) for first in (10, 100, 200))
NOW, BEFORE = b"the key of now", b"the key of before"


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    known = SimpleNamespace(public_url="https://api.example.com", signing_key=NOW, signing_keys=(NOW, BEFORE))
    monkeypatch.setattr(links, "settings", lambda: known)


def signed(payload, key=NOW, word=b"unsubscribe:", length=16):
    """A link as the version 1 has them: version, channel, tenant, contact, send; and the first 16 bytes of what signs them."""
    signature = hmac.new(key, word + payload, hashlib.sha256).digest()[:length]
    return base64.urlsafe_b64encode(payload + signature).decode().rstrip("=")


@pytest.mark.parametrize(("channel", "number"), [("email", 0), ("sms", 1)])
@pytest.mark.parametrize("send_id", [None, SEND])
def test_a_link_is_its_ids_and_a_signature(channel, number, send_id):
    payload = bytes([1, number]) + TENANT.bytes + CONTACT.bytes + (send_id.bytes if send_id else b"")
    one = Subscription(TENANT, CONTACT, channel, send_id)

    assert links.unsubscribe_url(TENANT, CONTACT, channel, send_id=send_id) == f"https://api.example.com/u/{signed(payload)}"
    assert links.read(links.token(one)) == one
    # What was signed before the key was changed is good still.
    assert links.read(signed(payload, key=BEFORE)) == one


PAYLOAD = bytes([1, 0]) + TENANT.bytes + CONTACT.bytes


@pytest.mark.parametrize(
    "raw",
    [
        signed(PAYLOAD, key=b"another key"), signed(PAYLOAD, word=b""), signed(PAYLOAD, length=15), signed(PAYLOAD, length=17),
        signed(bytes([2]) + PAYLOAD[1:]), signed(PAYLOAD[:-1]), signed(PAYLOAD + b"x"), signed(PAYLOAD + SEND.bytes + b"x"), signed(b""),
        "", "a", "a" * 2000, "é", " " + signed(PAYLOAD), signed(PAYLOAD)[:30] + "!!!!" + signed(PAYLOAD)[30:],
    ],
)  # fmt: skip
def test_what_is_not_ours_stands_for_nothing(raw):
    assert links.read(raw) is None


@pytest.mark.parametrize("place", range(0, 67, 6))
def test_a_link_of_which_one_letter_is_another_stands_for_nothing(place):
    good = signed(PAYLOAD)
    other = "A" if good[place] != "A" else "B"

    assert links.read(good[:place] + other + good[place + 1 :]) is None
