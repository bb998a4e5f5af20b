"""Another signing key: links in mail that is out there stay good, whatever need not outlive the key does not."""

import base64
import hmac
from dataclasses import replace

import pytest

from clientway import config, paging
from clientway.errors import Malformed
from clientway.identity.sign_in import secrets
from clientway.ids import uuid7
from clientway.messaging import links
from clientway.messaging.links import Subscription

OLD, OLDER, NEW = (letter.encode() * 40 for letter in "bac")
WANTED = Subscription(uuid7(), uuid7(), "email", uuid7())
LIST = paging.Request(25, None, "-updated_at", {})


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://clientway_app@127.0.0.1/none")


@pytest.fixture
def under(monkeypatch):
    """Have these keys, the current one first."""
    before = config.settings.__wrapped__()

    def have(*keys):
        for module in (links, paging, secrets):
            monkeypatch.setattr(module, "settings", lambda: replace(before, signing_keys=keys))

    return have


def signed(key, kind, payload):
    return base64.urlsafe_b64encode(payload + hmac.digest(key, kind + payload, "sha256")[:16]).decode().rstrip("=")


def test_a_link_outlives_the_key_that_signed_it(under):
    under(OLDER)
    oldest = links.token(WANTED)
    under(OLD, OLDER)
    old = links.token(WANTED)
    under(NEW, OLD, OLDER)
    new = links.token(WANTED)

    assert [links.read(one) for one in (oldest, old, new)] == [WANTED] * 3
    under(NEW)
    assert [links.read(one) for one in (oldest, old, new)] == [None, None, WANTED]
    under(OLD, OLDER)
    assert [links.read(one) for one in (oldest, old, new)] == [WANTED, WANTED, None]


def test_a_former_key_signs_nothing_but_links_and_those_of_their_kind_alone(under):
    under(NEW, OLD)
    token = links.token(WANTED)
    payload = base64.urlsafe_b64decode(token + "==")[:-16]

    assert token == signed(NEW, b"unsubscribe:", payload)
    assert links.read(signed(OLD, b"unsubscribe:", payload)) == WANTED
    for key in (NEW, OLD):
        for kind in (b"cursor:", b"", b"code:", b"unsubscribe"):
            assert links.read(signed(key, kind, payload)) is None
    # Signed by ours and made by somebody else: of another length, version or channel.
    for key in (NEW, OLD):
        for made in (b"", payload[:-1], payload + b"x", b"\x02" + payload[1:]):
            assert links.read(signed(key, b"unsubscribe:", made)) is None


def test_cursors_and_codes_end_with_their_key(under):
    under(OLD)
    cursor = paging._encode(LIST, uuid7(), "v", uuid7())
    code = secrets.code_hash("nonce", "123456")
    assert paging.place(replace(LIST, cursor=cursor))[0] == "v"
    under(NEW, OLD)

    with pytest.raises(Malformed):
        paging.place(replace(LIST, cursor=cursor))
    assert secrets.code_hash("nonce", "123456") != code


@pytest.mark.parametrize(
    ("given", "keys"), [("a" * 32, (b"a" * 32,)), (f" {'c' * 32}\n{'b' * 40} {'a' * 32} ", (b"c" * 32, b"b" * 40, b"a" * 32))]
)
def test_former_keys_follow_the_current_one(monkeypatch, given, keys):
    monkeypatch.setenv("CLIENTWAY_SIGNING_KEY", given)
    found = config.settings.__wrapped__()

    assert (found.signing_keys, found.signing_key) == (keys, keys[0])


@pytest.mark.parametrize("given", [" ", "short", f"{'a' * 32} short", f"{'a' * 32} {'b' * 31}"])
def test_a_key_that_is_too_short_is_refused_former_ones_too(monkeypatch, given):
    monkeypatch.setenv("CLIENTWAY_SIGNING_KEY", given)

    with pytest.raises(config.ConfigurationError, match="CLIENTWAY_SIGNING_KEY needs at least 32 bytes"):
        config.settings.__wrapped__()
