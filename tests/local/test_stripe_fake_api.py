"""The ways of Stripe's API in its stand-in: keys, answers that come again, platforms, pages of lists and forms."""

import re
import urllib.parse
import urllib.request
from typing import Any

import pytest
import stripe

from clientway.integrations.stripe.client import client
from clientway.local.stripe.forms import Refusal, parse
from tests.local.stripe_account import account, api, charged, get, link  # noqa: F401  (fixtures)


def test_the_same_key_gets_the_same_answer_and_another_request_is_refused(api):  # noqa: F811
    first = link(api, key="outbox-1")
    again = link(api, key="outbox-1")

    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError) as refused:
        link(api, 999, key="outbox-1")
    assert refused.value.http_status == 400
    assert len(api.v1.payment_links.list().data) == 1


def test_what_was_refused_for_its_form_may_come_again_under_its_key(api):  # noqa: F811
    intent = charged(api)
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.refunds.create({"payment_intent": "pi_nobody", "amount": 1}, {"idempotency_key": "k"})

    assert api.v1.refunds.create({"payment_intent": intent.id, "amount": 1}, {"idempotency_key": "k"}).amount == 1


def test_an_answer_that_was_lost_is_got_by_the_librarys_second_try(fake_stripe, api):  # noqa: F811
    intent = charged(api)
    fake_stripe.trouble.lose = 1

    made = api.v1.refunds.create({"payment_intent": intent.id, "amount": 100})

    assert [one.id for one in api.v1.refunds.list().data] == [made.id]


def test_the_next_call_fails_as_asked(fake_stripe, api):  # noqa: F811
    fake_stripe.trouble.fail = [500, 503]

    with pytest.raises(stripe.APIError):
        api.v1.charges.list()
    assert api.v1.charges.list().data == []


def test_keys_open_their_own_account(fake_stripe, api):  # noqa: F811
    _, other = fake_stripe.add_account("Somebody else")
    intent = charged(api)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client(other).v1.payment_intents.retrieve(intent.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key") as unknown:
        client("rk_test_thisIsNobodysKey").v1.charges.list()
    assert "thisIsNobodysKey" not in str(unknown.value)


def test_a_platform_acts_for_its_own_accounts_alone(fake_stripe, account):  # noqa: F811
    stranger, _ = account
    _, platform_key = fake_stripe.add_account("Platform")
    made = client(platform_key).v1.accounts.create({"type": "standard"})
    assert made.charges_enabled is False

    acting = client(platform_key, made.id)
    charged(acting)
    assert len(acting.v1.charges.list().data) == 1
    assert client(platform_key).v1.charges.list().data == []
    with pytest.raises(stripe.PermissionError):
        client(platform_key, stranger).v1.charges.list()


def test_onboarding_lets_an_account_take_payments(fake_stripe):
    _, platform_key = fake_stripe.add_account("Platform")
    platform = client(platform_key)
    made = platform.v1.accounts.create({"type": "standard"})
    given: Any = {
        "account": made.id,
        "type": "account_onboarding",
        "return_url": f"{fake_stripe.base}/dashboard",
        "refresh_url": "http://127.0.0.1/b",
    }
    asked = platform.v1.account_links.create(given)
    target = re.search(r'name="return_url" value="([^"]+)"', get(asked.url))[1]  # type: ignore[index]

    with urllib.request.urlopen(asked.url, urllib.parse.urlencode({"return_url": target}).encode()) as answer:
        assert answer.geturl() == f"{fake_stripe.base}/dashboard"
    assert platform.v1.accounts.retrieve(made.id).charges_enabled is True


def test_lists_have_pages_newest_first(api):  # noqa: F811
    made = [charged(api, cents=100 + number).id for number in range(7)]

    walked = [one.id for one in api.v1.payment_intents.list({"limit": 3}).auto_paging_iter()]

    assert walked == made[::-1]
    back = api.v1.payment_intents.list({"limit": 3, "ending_before": made[3]})
    assert ([one.id for one in back.data], back.has_more) == ([made[6], made[5], made[4]], False)
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.payment_intents.list({"limit": 101})


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ("a=1&b[c]=2&b[d][e]=3", {"a": "1", "b": {"c": "2", "d": {"e": "3"}}}),
        ("items[0][price]=x&items[1][price]=y", {"items": [{"price": "x"}, {"price": "y"}]}),
        ("expand[]=a&expand[]=b.c", {"expand": ["a", "b.c"]}),
        ("l[10]=k&l[9]=j", {"l": ["j", "k"]}),
        ("e=", {"e": ""}),
    ],
)
def test_forms_are_read_as_stripe_reads_them(form, found):
    assert parse(form) == found


def test_a_form_that_contradicts_itself_is_refused():
    with pytest.raises(Refusal):
        parse("a=1&a[b]=2")
