"""A message that would say nothing to somebody: they are not sent it, and whoever looks beforehand is told."""

import time

import pytest

from clientway.messaging.templates.markup import blank_page
from clientway.messaging.templates.rules import Source, check, render
from tests.messaging import at_work, campaigning
from tests.messaging.at_work import NOON, work

launched, provider, stage = at_work.launched, at_work.provider, campaigning.stage
NAME = "{{ contact.first_name }}"
IF_NAMED = "{% if contact.first_name %}Hi{% endif %}"


@pytest.mark.parametrize(
    ("page", "empty"),
    [
        ("", True), (" \n", True), ("<p> </p>", True), ("<p>&nbsp;&#160;<br>\u200b&zwnj;</p>", True), ("<!-- note --><p></p>", True),
        ("<!-- never closed <p>Hi</p>", True), ("<!doctype html><html><head><title>Spring</title><style>p {}</style></head><body></body>", True),
        ("<style>p {} <p>Hi</p>", True), ('<p title="Hi > there"></p>', True), ('<a href="https://x.example"></a>', True), ("<?xml?><p></p>", True),
        ("<p>Hi</p>", False), ("Hi", False), ("<style>p {}</STYLE>Hi", False), ('<img src="https://x.example/a.png">', False), ("<IMG>", False),
        ("&lt;", False), ("<!-- note -->&copy;", False), ("2 < 3", False), ("<", False), ("<p title='>'>.", False), ("</p><b></b>x", False),
    ],
)  # fmt: skip
def test_what_is_to_be_seen_of_a_page(page, empty):
    assert blank_page(page) is empty


@pytest.mark.parametrize(
    "page", ["<!--" * 50_000, "<style>" * 30_000, "<p>" * 60_000, '<p a="' * 30_000, "<" + " " * 200_000, "</" * 90_000]
)
def test_no_page_is_slow_to_look_at(page):
    began = time.thread_time()
    blank_page(page)

    assert time.thread_time() - began < 1


@pytest.mark.parametrize(
    ("source", "empty"),
    [
        (Source(None, NAME), True),
        (Source(None, "Hi " + NAME), False),
        (Source("Spring", NAME), True),
        (Source(NAME, "Hello"), True),
        (Source("Spring", "Hello", f"<p>{NAME}</p>"), True),
        (Source("Spring", NAME, "<p>Hello</p>"), True),
        (Source("Spring", "Hello", f"<p>{NAME}</p><img src='https://x.example/a.png'>"), False),
        (Source("Spring", "Hello"), False),
    ],
)
@pytest.mark.parametrize("nobody", [None, "", " ", "\u200b", "\xa0\n"])
def test_a_message_is_empty_if_any_part_of_it_is(source, empty, nobody):
    assert render(source, {"contact": {"first_name": nobody}}).empty is empty
    assert render(source, {"contact": {"first_name": "Ana"}}).empty is False


def test_nothing_but_blanks_is_no_template():
    assert [(one.pointer, one.code) for one in check("email", " ", "\n", "\u200b")] == [
        (f"#/{name}", "says_nothing") for name in ("subject", "body_text", "body_html")
    ]
    assert [one.code for one in check("sms", None, "  ")] == ["says_nothing"]


@pytest.mark.parametrize("purpose", ["marketing", "transactional"])
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_who_would_get_nothing_but_a_footer_is_skipped(launched, provider, channel, purpose):
    campaign = launched(5, channel=channel, purpose=purpose, body=IF_NAMED)
    campaign.one("update contacts set first_name = null where tenant_id = :t and last_name in ('N1', 'N4')")
    campaign.pump()
    campaign.send(lambda body: work(body, NOON))

    assert campaign.states == {"sent": 3, "skipped": 2}
    skipped = campaign.rows(where="s.state = 'skipped'")
    assert {(row.reason, row.attempts, row.address, row.consent_event_id, row.lease_token) for row in skipped} == {
        ("empty_message", 0, None, None, None)
    }
    assert len(provider.sent) == 3
    assert campaign.status == "finished"
    assert (
        campaign.one(
            "select count(*) from activities where tenant_id = :t and contact_id in (select id from contacts where first_name is null)"
        )
        == 0
    )


def test_nobody_of_a_whole_wave_is_no_sign_of_the_provider(launched, provider):
    campaign = launched(30, body="{{ contact.phone|trim }}{{ invoice.number }}", chunk=30)
    campaign.one("update contacts set phone_e164 = null where tenant_id = :t and last_name <> 'N30'")
    campaign.pump()

    assert campaign.send(lambda body: work(body, NOON)) == 1
    assert (campaign.states, campaign.status) == ({"sent": 1, "skipped": 29}, "finished")


def test_it_is_told_before_it_goes_out(stage):
    ana, nobody = stage.person(), stage.person(first_name=None)
    campaign = stage.draft(ana, nobody, body_text=IF_NAMED)

    [told] = stage.dry_run(campaign["id"])["warnings"]
    assert told == "It says nothing to 1 of 2 recipients looked at, for whom it renders empty: they get nothing."
    shown = [stage.post("preview", campaign["id"], {"contact_id": str(one)}).json for one in (ana, nobody)]
    assert [one["excluded"] for one in shown] == [None, "empty_message"]
    assert (shown[1]["text"], "Unsubscribe" in shown[0]["text"]) == ("", True)
    staff = stage.run("select u.email from users u join memberships m on m.user_id = u.id where m.tenant_id = :t")[0][0]
    refused = stage.post("test_send", campaign["id"], {"to": [staff], "contact_id": str(nobody)})
    assert (refused.status, [one["code"] for one in refused.json["errors"]]) == (422, ["says_nothing"])


def test_a_template_shows_it_too(stage):
    answer = stage.invoke("messaging/message_template_preview", body={"channel": "email", "subject": "{{ data.x }}", "body_text": "Hello"})

    assert [one["code"] for one in answer.json["warnings"]][:1] == ["empty_message"], answer.body
