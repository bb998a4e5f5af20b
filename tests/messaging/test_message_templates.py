"""Templates of a tenant's own, the built-in ones behind them, and previews."""

import pytest

from clientway.errors import NotFound
from clientway.messaging.templates import service
from clientway.messaging.templates.defaults import DEFAULTS
from clientway.messaging.templates.schemas import DefaultTemplates, MessageTemplate, MessageTemplateLine, TemplatePreviewed
from clientway.schemas import Page
from tests.messaging.campaigning import stage as _stage

stage = _stage

LIST, ONE, PREVIEW = "messaging/message_templates", "messaging/message_template", "messaging/message_template_preview"
SPRING = {
    "key": "spring",
    "channel": "email",
    "name": "Spring",
    "subject": "Hi {{ contact.first_name }}",
    "body_text": "Book now, {{ contact.name }}.",
}


def test_a_template_is_kept_changed_and_deleted(invoke, stage):
    made = invoke(LIST, method="POST", body=SPRING)
    assert made.status == 201, made.body
    MessageTemplate.model_validate_json(made.body)
    template_id = made.json["id"]
    assert made.json == {
        **SPRING,
        "body_html": None,
        **{name: made.json[name] for name in ("id", "created_by", "version", "created_at", "updated_at")},
    }

    changed = invoke(
        ONE, method="PATCH", path={"template_id": template_id}, body={"body_html": "<p>Book</p>"}, headers={"If-Match": made.etag}
    )
    assert (changed.status, changed.json["body_html"], changed.json["subject"], changed.etag) == (
        200,
        "<p>Book</p>",
        SPRING["subject"],
        '"2"',
    )
    assert invoke(ONE, path={"template_id": template_id}).json == changed.json
    back = invoke(ONE, method="PATCH", path={"template_id": template_id}, body={"body_html": None}, headers={"If-Match": '"2"'})
    assert back.json["body_html"] is None

    gone = invoke(ONE, method="DELETE", path={"template_id": template_id}, headers={"If-Match": '"3"'})
    assert (gone.status, gone.body) == (204, "")
    assert invoke(ONE, path={"template_id": template_id}).status == 404
    assert invoke(LIST).json["data"] == []
    assert invoke(LIST, method="POST", body=SPRING).status == 201
    actions = stage.run("select action from audit_log where tenant_id = :t and object_type = 'message_template' order by at, id")
    assert [one.action.partition(".")[2] for one in actions] == ["created", "updated", "updated", "deleted", "created"]


def test_a_key_is_one_templates_and_of_each_channel_its_own(invoke):
    first = invoke(LIST, method="POST", body=SPRING).json["id"]

    again = invoke(LIST, method="POST", body=SPRING)
    text = invoke(LIST, method="POST", body={"key": "spring", "channel": "sms", "name": "Spring", "body_text": "Book now"})

    assert (again.status, again.json["code"], again.json["existing_id"]) == (409, "template_exists", first)
    assert text.status == 201


def test_templates_are_listed_without_their_bodies_page_by_page(invoke):
    ids = [invoke(LIST, method="POST", body={**SPRING, "key": f"k{n}"}).json["id"] for n in range(3)]
    invoke(LIST, method="POST", body={"key": "k0", "channel": "sms", "name": "Spring", "body_text": "Book now"})

    first = invoke(LIST, query={"limit": 2, "channel": "email", "sort": "updated_at"})
    second = invoke(LIST, query={"limit": 2, "channel": "email", "sort": "updated_at", "cursor": first.json["next_cursor"]})

    Page[MessageTemplateLine].model_validate_json(first.body)
    assert [one["id"] for one in first.json["data"] + second.json["data"]] == ids
    assert second.json["has_more"] is False
    assert [one["channel"] for one in invoke(LIST, query={"key": "k0", "sort": "updated_at"}).json["data"]] == ["email", "sms"]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"body_text": "{{ contact.__class__ }}"}, "#/body_text", "template_variable_unknown"),
        ({"body_html": "{% for x in y %}{% endfor %}"}, "#/body_html", "template_not_allowed"),
        ({"subject": "{{ "}, "#/subject", "template_syntax"),
        ({"subject": None}, "#/subject", "required"),
        ({"channel": "sms", "body_text": "x" * 1_001, "subject": None}, "#/body_text", "too_long"),
        ({"channel": "sms"}, "#/subject", "not_for_sms"),
        ({"channel": "post"}, "#/channel", "literal_error"),
        ({"key": "Spring Sale"}, "#/key", "string_pattern_mismatch"),
        ({"body_text": ""}, "#/body_text", "string_too_short"),
        ({"name": " "}, "#/name", "string_too_short"),
        ({"shape": 1}, "#/shape", "extra_forbidden"),
    ],
)
def test_what_makes_no_sense_says_where(invoke, change, pointer, code):
    refused = invoke(LIST, method="POST", body={**SPRING, **change})

    assert (refused.status, [(one["pointer"], one["code"]) for one in refused.json["errors"]]) == (422, [(pointer, code)])


def test_a_change_is_refused_for_what_comes_of_it(invoke):
    made = invoke(LIST, method="POST", body={"key": "spring", "channel": "sms", "name": "Spring", "body_text": "Book now"})
    path = {"template_id": made.json["id"]}

    subject = invoke(ONE, method="PATCH", path=path, body={"subject": "x"}, headers={"If-Match": made.etag})
    null = invoke(ONE, method="PATCH", path=path, body={"body_text": None}, headers={"If-Match": made.etag})
    assert [(one.status, one.json["errors"][0]["pointer"]) for one in (subject, null)] == [(422, "#/subject"), (422, "#/body_text")]
    assert invoke(ONE, method="PATCH", path=path, body={"name": "x"}).status == 428
    assert invoke(ONE, method="PATCH", path=path, body={"name": "x"}, headers={"If-Match": '"9"'}).status == 412
    assert invoke(ONE, method="DELETE", path=path, headers={"If-Match": '"9"'}).status == 412
    assert invoke(ONE, path=path).json == made.json


def test_who_may_and_who_may_not(invoke, tenant, other_tenant):
    made = invoke(LIST, method="POST", body=SPRING, token=tenant.editor)
    path, match = {"template_id": made.json["id"]}, {"If-Match": '"1"'}

    assert invoke(ONE, path=path, token=tenant.viewer).status == 200
    assert invoke(PREVIEW, body={"template": "welcome"}, token=tenant.viewer).status == 200
    assert invoke(LIST, method="POST", body=SPRING, token=tenant.viewer).status == 403
    assert invoke(ONE, method="PATCH", path=path, body={"name": "x"}, headers=match, token=tenant.viewer).status == 403
    assert invoke(ONE, method="DELETE", path=path, headers=match, token=tenant.viewer).status == 403
    assert invoke(ONE, path=path, token=other_tenant.admin).status == 404
    assert invoke(ONE, method="PATCH", path=path, body={"name": "x"}, headers=match, token=other_tenant.admin).status == 404
    assert invoke(ONE, method="DELETE", path=path, headers=match, token=other_tenant.admin).status == 404
    assert invoke(LIST, token=other_tenant.admin).json["data"] == []
    assert invoke(ONE, path=path).json == made.json


def test_a_request_that_comes_twice_makes_one_template(invoke):
    headers = {"Idempotency-Key": "spring-1"}

    first, second = (invoke(LIST, method="POST", body=SPRING, headers=headers) for _ in range(2))

    assert (second.status, second.body, second.headers["Idempotent-Replayed"]) == (201, first.body, "true")


def test_the_built_in_ones_are_shown_with_what_replaces_them(invoke):
    own = invoke(LIST, method="POST", body={**SPRING, "key": "welcome"}).json["id"]

    answer = invoke("messaging/message_template_defaults")

    DefaultTemplates.model_validate_json(answer.body)
    replaced = {(one["key"], one["channel"]): one["replaced_by"] for one in answer.json["templates"]}
    assert set(replaced) == set(DEFAULTS)
    assert {key: value for key, value in replaced.items() if value} == {("welcome", "email"): own}
    assert {"contact.first_name", "tenant.postal_address", "unsubscribe_url"} <= {one["name"] for one in answer.json["variables"]}
    assert "money" in answer.json["filters"]
    assert all(
        key in {key for key, _ in DEFAULTS} for key in ("welcome", "assessment_results", "roi_report", "follow_up", "meeting_reminder")
    )


def test_the_tenants_own_template_is_sent_in_place_of_the_built_in_one(tx, invoke):
    built_in = service.source(tx, "welcome", "email")
    made = invoke(LIST, method="POST", body={**SPRING, "key": "welcome"})

    assert built_in == DEFAULTS["welcome", "email"].source
    assert service.source(tx, "welcome", "email").subject == SPRING["subject"]
    invoke(ONE, method="DELETE", path={"template_id": made.json["id"]}, headers={"If-Match": made.etag})
    assert service.source(tx, "welcome", "email") == built_in
    with pytest.raises(NotFound):
        service.source(tx, "welcome", "sms")


def test_a_preview_shows_what_a_contact_would_get(invoke, stage):
    contact_id = stage.person(first_name="Ana <3", last_name=None)
    template_id = invoke(LIST, method="POST", body=SPRING).json["id"]

    shown = invoke(PREVIEW, body={"template_id": template_id, "contact_id": contact_id})
    sample = invoke(PREVIEW, body={"template_id": template_id, "purpose": "transactional"})

    TemplatePreviewed.model_validate_json(shown.body)
    assert shown.json["subject"] == "Hi Ana <3"
    assert shown.json["body_text"].endswith("Ana <3.\n\n-- \n1 Main St, Miami FL\nUnsubscribe: http://127.0.0.1:3000/u/preview\n")
    assert "Book now, Ana &lt;3." in shown.json["body_html"]
    assert [one["code"] for one in shown.json["warnings"]] == ["unsubscribe_link_appended", "postal_address_appended"]
    assert (sample.json["body_text"], sample.json["warnings"], sample.json["segments"]) == ("Book now, Ana Ruiz.", [], None)


def test_a_preview_warns_of_mail_that_may_not_go_out_so(invoke):
    shown = invoke(PREVIEW, body={"subject": "x", "body_text": "Hello {{ unsubscribe_url }}"})

    assert [one["code"] for one in shown.json["warnings"]] == ["postal_address_missing"]
    assert shown.json["body_text"] == "Hello http://127.0.0.1:3000/u/preview"


def test_a_preview_of_words_that_are_not_kept(invoke):
    text = invoke(PREVIEW, body={"channel": "sms", "body_text": "Grüße {{ data.x }} " + "ж" * 70, "data": {"x": "{{ contact.name }}"}})
    built_in = invoke(PREVIEW, body={"template": "assessment_results", "data": {"score": 90}, "purpose": "transactional"})

    assert text.json["body_text"] == "Grüße {{ contact.name }} " + "ж" * 70 + "\nReply STOP to opt out"
    assert (text.json["subject"], text.json["body_html"], text.json["segments"]) == (None, None, 2)
    assert [one["code"] for one in text.json["warnings"]] == ["opt_out_appended", "several_segments"]
    assert built_in.json["subject"] == "Your assessment: 90 of 100"
    assert "Ready for AI" in built_in.json["body_text"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "#", "value_error"),
        ({"template": "welcome", "body_text": "x"}, "#", "value_error"),
        ({"template": "welcome", "subject": "x"}, "#", "value_error"),
        ({"template": "nothing"}, "#/template", "unknown_template"),
        ({"template": "welcome", "channel": "sms"}, "#/template", "unknown_template"),
        ({"template_id": "01990000-0000-7000-8000-000000000001"}, "#/template_id", "unknown_template"),
        ({"template": "welcome", "contact_id": "01990000-0000-7000-8000-000000000001"}, "#/contact_id", "unknown_contact"),
        ({"body_text": "{{ x }}", "subject": "x"}, "#/body_text", "template_variable_unknown"),
        ({"template": "welcome", "data": {"Key": 1}}, "#/data/Key/[key]", "string_pattern_mismatch"),
        ({"template": "welcome", "data": {"key": [1]}}, None, None),
        ({"template": "welcome", "data": {"key": "\x00"}}, None, None),
    ],
)
def test_a_preview_of_what_there_is_none_of(invoke, body, pointer, code):
    refused = invoke(PREVIEW, body=body)

    assert refused.status == 422
    if pointer:
        assert (refused.json["errors"][0]["pointer"], refused.json["errors"][0]["code"]) == (pointer, code)


def test_nobody_previews_anothers(invoke, stage, other_tenant):
    contact_id = stage.person()
    template_id = invoke(LIST, method="POST", body=SPRING).json["id"]

    for body in ({"template_id": template_id}, {"template": "welcome", "contact_id": contact_id}):
        assert invoke(PREVIEW, body=body, token=other_tenant.admin).status == 422
