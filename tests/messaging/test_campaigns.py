"""Campaigns as drafts: what they take, what they refuse, and their lists."""

from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import uuid4

import pytest

from clientway.messaging.campaigns import rules
from clientway.messaging.campaigns.schemas import Campaign, CampaignPreview, CampaignSend, CampaignWithProgress
from clientway.messaging.mails.schemas import EmailMessage
from clientway.schemas import Page
from tests.messaging import campaigning
from tests.messaging.campaigning import WORDS

stage = campaigning.stage
SOON = datetime.now(UTC) + timedelta(days=1)


def match(campaign):
    return {"If-Match": f'"{campaign["version"]}"'}


def patch(invoke, campaign, body, **how):
    how.setdefault("headers", match(campaign))
    return invoke("messaging/campaign", method="PATCH", path={"campaign_id": campaign["id"]}, body=body, **how)


def test_a_draft_is_made_and_read(stage, invoke, tenant):
    campaign = stage.draft(stage.person(), scheduled_at=SOON, ends_at=SOON + timedelta(days=2))

    answer = invoke("messaging/campaign", path={"campaign_id": campaign["id"]}, token=tenant.viewer)

    CampaignWithProgress.model_validate_json(answer.body)
    assert answer.json == campaign
    assert (campaign["status"], campaign["purpose"], campaign["quiet_hours"]) == ("draft", "marketing", False)
    assert campaign["progress"]["total"] == 0
    assert campaign["progress"]["rates"] == dict.fromkeys(("delivered", "bounced", "complained", "opened", "clicked", "unsubscribed"))
    assert [action for action, _ in stage.audited()] == ["campaign.created"]


def test_text_messages_keep_quiet_hours(stage, invoke):
    campaign = stage.draft(stage.person(), channel="sms")

    assert campaign["quiet_hours"] is True
    answer = patch(invoke, campaign, {"quiet_hours": False})
    assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (422, "#/quiet_hours", "required")


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"segment_id": None}, "#/segment_id", "missing"),
        ({"segment": {"field": "status", "op": "eq", "value": "active"}}, "#/segment_id", "one_of"),
        ({"segment_id": str(uuid4())}, "#/segment_id", "unknown_segment"),
        (
            {"segment_id": None, "segment": {"all": [{"field": "shoe_size", "op": "eq", "value": 9}]}},
            "#/segment/all/0/field",
            "unknown_field",
        ),
        ({"segment_id": None, "segment": [1]}, "#/segment", "value_error"),
        ({"body_text": None, "subject": None}, "#/body_text", "missing"),
        ({"subject": None}, "#/subject", "required"),
        ({"template_id": str(uuid4())}, "#/subject", "one_of"),
        ({"template_id": str(uuid4()), "subject": None, "body_text": None}, "#/template_id", "unknown_template"),
        ({"body_text": "{{ contact.secret }}"}, "#/body_text", "template_variable_unknown"),
        ({"channel": "sms"}, "#/subject", "not_for_sms"),
        ({"scheduled_at": SOON, "ends_at": SOON}, "#/ends_at", "before_start"),
        ({"ends_at": SOON - timedelta(days=3)}, "#/ends_at", "before_start"),
        ({"scheduled_at": SOON + timedelta(days=900)}, "#/scheduled_at", "too_far"),
        ({"channel": "pigeon"}, "#/channel", "literal_error"),
        ({"name": " "}, "#/name", "string_too_short"),
        ({"unknown": 1}, "#/unknown", "extra_forbidden"),
    ],
)
def test_what_a_draft_may_not_be(stage, invoke, changes, pointer, code):
    body = {"name": "Spring", "channel": "email", "segment_id": stage.listed(), **WORDS, **changes}

    answer = invoke("messaging/campaigns", body={name: value for name, value in body.items() if value is not None})

    assert answer.status == 422, answer.body
    assert (pointer, code) in {(one["pointer"], one["code"]) for one in answer.json["errors"]}, answer.body
    assert stage.run("select count(*) from campaigns where tenant_id = :t") == [(0,)]


def test_another_tenants_segment_and_template_are_unknown(stage, invoke, other_tenant, admin_engine):
    theirs = campaigning.Stage(admin_engine, other_tenant, invoke)
    bodies = [
        ({"segment_id": theirs.listed(), **WORDS}, "unknown_segment"),
        ({"segment_id": stage.listed(), "template_id": theirs.template()}, "unknown_template"),
    ]
    for body, code in bodies:
        answer = invoke("messaging/campaigns", body={"name": "Spring", "channel": "email", **body})
        assert (answer.status, answer.json["errors"][0]["code"]) == (422, code)


def test_a_template_of_the_other_channel_is_refused(stage, invoke):
    body = {"name": "Spring", "channel": "sms", "segment_id": stage.listed(), "template_id": stage.template()}

    answer = invoke("messaging/campaigns", body=body)

    assert (answer.status, answer.json["errors"][0]["code"]) == (422, "other_channel")


def test_a_change_replaces_what_excludes_it(stage, invoke):
    campaign = stage.draft()
    template_id = stage.template()

    answer = patch(invoke, campaign, {"template_id": template_id, "name": "May"})
    assert answer.status == 200, answer.body
    assert (answer.json["template_id"], answer.json["subject"], answer.json["body_text"]) == (str(template_id), None, None)
    back = patch(invoke, answer.json, WORDS)
    assert (back.json["template_id"], back.json["body_text"], back.json["name"]) == (None, WORDS["body_text"], "May")
    own = patch(invoke, back.json, {"segment": {"field": "status", "op": "eq", "value": "active"}})
    assert own.status == 200, own.body
    assert (own.json["segment_id"], own.json["segment"]["field"]) == (None, "status")
    assert [action for action, _ in stage.audited()] == ["campaign.created", *["campaign.updated"] * 3]


def test_changes_need_the_version(stage, invoke, tenant):
    campaign = stage.draft()

    assert patch(invoke, campaign, {"name": "x"}, headers={}).status == 428
    assert patch(invoke, campaign, {"name": "x"}, headers={"If-Match": '"9"'}).status == 412
    assert patch(invoke, campaign, {"name": "x"}, token=tenant.viewer).status == 403
    assert patch(invoke, campaign, {"name": None}).status == 422
    assert stage.read(campaign["id"]) == campaign


def test_only_what_is_not_on_its_way_is_deleted(stage, invoke):
    campaign = stage.draft(stage.person())
    path = {"campaign_id": campaign["id"]}
    stage.launch(campaign["id"], scheduled_at=SOON)
    now = stage.read(campaign["id"])

    answer = invoke("messaging/campaign", method="DELETE", path=path, headers=match(now))
    assert (answer.status, answer.json["code"]) == (409, "campaign_move_refused")
    assert answer.json["legal"] == ["reschedule", "dry_run", "cancel"]
    ended = stage.post("cancel", campaign["id"])
    assert ended.status == 200, ended.body
    assert invoke("messaging/campaign", method="DELETE", path=path, headers={"If-Match": ended.etag}).status == 204
    assert invoke("messaging/campaign", path=path).status == 404
    assert invoke("messaging/campaigns").json["data"] == []
    assert len(invoke("messaging/campaigns", query={"include_deleted": "true"}).json["data"]) == 1


def test_a_scheduled_one_takes_another_time_and_no_other_words(stage, invoke):
    campaign = stage.draft(stage.person())
    scheduled = stage.launch(campaign["id"], scheduled_at=SOON)

    refused = patch(invoke, scheduled, {"body_text": "other"})
    moved = patch(invoke, scheduled, {"scheduled_at": SOON + timedelta(days=1)})
    unset = patch(invoke, moved.json, {"scheduled_at": None})

    assert (refused.status, refused.json["code"]) == (409, "campaign_move_refused")
    assert datetime.fromisoformat(moved.json["scheduled_at"]) == SOON + timedelta(days=1)
    assert (moved.json["status"], unset.status, unset.json["errors"][0]["pointer"]) == ("scheduled", 422, "#/scheduled_at")


def test_the_list_is_paged_and_filtered(stage, invoke):
    made = [stage.draft(name=f"{number}", channel=("email", "sms")[number % 2])["id"] for number in range(5)]
    seen, cursor = [], None
    for _ in range(3):
        answer = invoke("messaging/campaigns", query={"limit": 2, **({"cursor": cursor} if cursor else {})})
        Page[Campaign].model_validate_json(answer.body)
        seen += [one["id"] for one in answer.json["data"]]
        cursor = answer.json["next_cursor"]

    assert (seen, cursor) == (made[::-1], None)
    assert len(invoke("messaging/campaigns", query={"channel": "sms"}).json["data"]) == 2
    assert invoke("messaging/campaigns", query={"status": "sending"}).json["data"] == []
    assert invoke("messaging/campaigns", query={"status": "sent"}).status == 400
    assert invoke("messaging/campaigns", query={"updated_since": SOON.isoformat()}).json["data"] == []


def test_another_tenants_campaign_is_absent(stage, invoke, other_tenant):
    campaign = stage.draft(stage.person())
    before = stage.read(campaign["id"])

    for what, body in (
        ("preview", {}),
        ("dry_run", None),
        ("launch", {"dry_run_hash": "0" * 64}),
        ("pause", None),
        ("resume", None),
        ("cancel", None),
    ):
        assert stage.post(what, campaign["id"], body, token=other_tenant.admin).status == 404, what
    path = {"campaign_id": campaign["id"]}
    assert invoke("messaging/campaign_sends", path=path, token=other_tenant.admin).status == 404
    assert invoke("messaging/campaign", path=path, token=other_tenant.admin).status == 404
    for method in ("PATCH", "DELETE"):
        body = {"name": "x"} if method == "PATCH" else None
        answer = invoke("messaging/campaign", method=method, path=path, body=body, headers=match(campaign), token=other_tenant.admin)
        assert answer.status == 404
    assert stage.read(campaign["id"]) == before


def test_a_viewer_changes_nothing(stage, tenant):
    campaign = stage.draft(stage.person())

    for what, body in (("dry_run", None), ("launch", {"dry_run_hash": "0" * 64}), ("pause", None), ("resume", None), ("cancel", None)):
        assert stage.post(what, campaign["id"], body, token=tenant.viewer).status == 403, what
    assert stage.post("preview", campaign["id"], {}, token=tenant.viewer).status == 200


def test_a_preview_is_what_the_recipient_would_get(stage):
    ana = stage.person(first_name="Ana <b>")
    campaign = stage.draft(ana)

    answer = stage.post("preview", campaign["id"], {"contact_id": ana})

    CampaignPreview.model_validate_json(answer.body)
    seen = answer.json
    assert seen["subject"] == "Spring at Test tenant"
    assert seen["text"].startswith("Hello Ana <b>, it is spring.")
    assert "1 Main St, Miami FL" in seen["text"]
    assert "/u/sample" in seen["text"]
    assert "Hello Ana &lt;b&gt;" in seen["html"]
    assert seen["headers"] == {
        "List-Unsubscribe": "<http://127.0.0.1:3000/u/sample>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert (seen["to"], seen["excluded"], seen["sms_segments"]) == (f"{ana.hex}@people.example", None, None)


def test_a_preview_says_why_somebody_would_get_nothing(stage):
    gone = stage.person(phone_e164="+13055550199", do_not_contact=True)
    campaign = stage.draft(channel="sms")

    seen = stage.post("preview", campaign["id"], {"contact_id": gone}).json
    nobody = stage.post("preview", campaign["id"], {}).json
    unknown = stage.post("preview", campaign["id"], {"contact_id": str(uuid4())})

    assert (seen["excluded"], seen["to"], seen["headers"], seen["html"], seen["sms_segments"]) == (
        "do_not_contact",
        "+13055550199",
        {},
        None,
        1,
    )
    assert seen["text"].endswith("Reply STOP to opt out")
    assert (nobody["contact_id"], nobody["to"], nobody["excluded"]) == (None, "+13055550199", None)
    assert (unknown.status, unknown.json["errors"][0]["code"]) == (422, "unknown_contact")


def test_a_test_goes_to_members_only_and_says_that_it_is_one(stage, tenant):
    campaign = stage.draft(stage.person())
    staff = f"{tenant.slug}@staff.example"

    sent = stage.post("test_send", campaign["id"], {"to": [staff.upper(), staff]})

    assert sent.status == 201, sent.body
    EmailMessage.model_validate_json(sent.body)
    assert (sent.json["to"], sent.json["subject"], sent.json["contact_id"]) == ([staff], "[Test] Spring at Test tenant", None)
    assert stage.run("select payload ->> 'email_message_id' from outbox where tenant_id = :t and topic = 'message.send'") == [
        (sent.json["id"],)
    ]
    for body, code in (({"to": [staff, "ana@people.example"]}, "no_member"), ({"to": []}, "too_short"), ({"to": [staff] * 4}, "too_long")):
        refused = stage.post("test_send", campaign["id"], body)
        assert (refused.status, refused.json["errors"][0]["code"], refused.json["errors"][0]["pointer"]) == (422, code, "#/to")
    text_message = stage.post("test_send", stage.draft(channel="sms")["id"], {"to": [staff]})
    assert (text_message.status, text_message.json["errors"][0]["code"]) == (422, "other_channel")
    assert stage.post("test_send", campaign["id"], {"to": [staff]}, headers={"Idempotency-Key": ""}).status == 400
    assert stage.post("test_send", campaign["id"], {"to": [staff]}, token=tenant.viewer).status == 403
    assert stage.read(campaign["id"])["status"] == "draft"


def test_recipients_are_paged_and_filtered(stage, invoke):
    people = [stage.person(unsubscribed_at=SOON if number == 3 else None) for number in range(5)]
    one = stage.sending(*people)
    seen, cursor = [], None
    for _ in range(3):
        answer = invoke("messaging/campaign_sends", path={"campaign_id": one}, query={"limit": 2, **({"cursor": cursor} if cursor else {})})
        Page[CampaignSend].model_validate_json(answer.body)
        seen += [row["contact_id"] for row in answer.json["data"]]
        cursor = answer.json["next_cursor"]

    assert (seen, cursor) == ([str(person) for person in sorted(people)], None)
    [skipped] = invoke("messaging/campaign_sends", path={"campaign_id": one}, query={"state": "skipped"}).json["data"]
    assert (skipped["contact_id"], skipped["reason"]) == (str(people[3]), "unsubscribed")
    [own] = invoke("messaging/campaign_sends", path={"campaign_id": one}, query={"contact_id": people[1]}).json["data"]
    assert (own["state"], own["attempts"], own["address"]) == ("queued", 0, None)
    assert invoke("messaging/campaign_sends", path={"campaign_id": uuid4()}).status == 404


def test_every_move_leads_somewhere_and_the_refusal_names_what_does():
    statuses = get_args(rules.Status)
    for status in statuses:
        for move, table in rules.MOVES.items():
            if status in table:
                assert rules.after(status, move) in statuses
            else:
                with pytest.raises(rules.MoveRefused) as refusal:
                    rules.after(status, move)
                assert refusal.value.extensions["legal"] == rules.legal(status)
    assert {status: rules.legal(status) for status in ("finished", "canceled")} == {"finished": ["delete"], "canceled": ["delete"]}
    assert rules.legal("stopped") == ["resume", "cancel"]
