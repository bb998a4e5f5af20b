"""Single mails: asked for, rendered, sent once nobody objects, and shown with what became of them."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.messaging import links
from clientway.messaging.delivery import providers
from clientway.messaging.delivery.message import Refused, Unclear
from clientway.messaging.mails import sending, service
from clientway.messaging.mails.schemas import EmailMessage, EmailMessageLine
from clientway.schemas import Page
from tests.fixtures import EVENTS, LambdaContext
from tests.messaging.campaigning import stage as _stage

stage = _stage
LIST, ONE, RETRY = "messaging/email_messages", "messaging/email_message", "messaging/email_message_retry"
SCORE = {"template": "assessment_results", "data": {"score": 72, "tier": "Ready for AI"}}


class Provider:
    """Takes everything, unless told otherwise."""

    def __init__(self):
        self.sent, self.answers = [], []

    def __call__(self, message, *, once):
        assert once is False
        self.sent.append(message)
        answer = self.answers.pop(0) if self.answers else f"ses-{len(self.sent)}"
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def provider(monkeypatch):
    one = Provider()
    monkeypatch.setattr(providers, "send", one)
    return one


@pytest.fixture
def mail(stage):
    """Ask for a mail."""

    def ask(body=None, *, key=None, **how):
        return stage.invoke(
            LIST,
            method="POST",
            body=body or {"to": ["ana@bistro.example"], **SCORE},
            headers={"Idempotency-Key": key or uuid4().hex},
            **how,
        )

    return ask


def queued(stage):
    rows = stage.run("select payload, id, topic, tenant_id from outbox where tenant_id = :t and topic = 'message.send' order by id")
    return [json.dumps({"id": str(row.id), "tenant_id": str(row.tenant_id), "topic": row.topic, "payload": row.payload}) for row in rows]


def read(stage, made):
    return stage.invoke(ONE, path={"email_message_id": made.json["id"]}).json


def test_a_mail_to_a_contact_is_rendered_kept_sent_and_on_their_timeline(stage, mail, provider):
    contact_id = stage.person(first_name="Ana", last_name="Ruiz")
    stage.settings(from_name="Clean & Co", reply_to="desk@clean.example")

    made = mail({"contact_id": contact_id, **SCORE})

    assert made.status == 201, made.body
    EmailMessage.model_validate_json(made.body)
    assert made.json["subject"] == "Your assessment: 72 of 100"
    assert "Hello Ana,\n\nYour business reached 72 of 100 points: Ready for AI." in made.json["body_text"]
    assert (made.json["status"], made.json["attempts"], made.json["to"]) == ("pending", 0, [f"{contact_id.hex}@people.example"])
    [body] = queued(stage)
    assert sending.work(body) == "sent"

    [message] = provider.sent
    assert (message.kind, message.id, message.channel, message.to) == (
        "email_message",
        UUID(made.json["id"]),
        "email",
        tuple(made.json["to"]),
    )
    assert (message.subject, message.text, message.html) == (made.json["subject"], made.json["body_text"], made.json["body_html"])
    assert (message.from_name, message.reply_to, message.promotional, message.unsubscribe_url) == (
        "Clean & Co",
        "desk@clean.example",
        False,
        None,
    )
    now = read(stage, made)
    assert (now["status"], now["attempts"], now["error"], now["provider_message_id"]) == ("sent", 1, None, "ses-1")
    assert now["sent_at"] is not None
    [line] = stage.run(
        "select activity_type, title, metadata->>'message_id' as of from activities where tenant_id = :t and contact_id = :c", c=contact_id
    )
    assert (line.activity_type, line.title, line.of) == ("email_sent", made.json["subject"], made.json["id"])
    [reached] = stage.run(
        "select total_emails_received, last_contacted_at is not null as at, version from contacts where id = :c", c=contact_id
    )
    assert (reached.total_emails_received, reached.at, reached.version) == (1, True, 1)
    assert [row.action for row in stage.run("select action from audit_log where tenant_id = :t")] == ["email_message.created"]

    # Delivered twice: nothing more happens.
    assert (sending.work(body), len(provider.sent)) == ("nothing", 1)


def test_a_mail_to_addresses_with_a_subject_of_its_own(mail):
    made = mail(
        {
            "to": [" Ana@Bistro.Example", "bo@bistro.example", "ana@bistro.example"],
            **SCORE,
            "subject": "{{ tenant.name }}: {{ data.score }}",
        }
    )

    assert made.json["to"] == ["ana@bistro.example", "bo@bistro.example"]
    assert made.json["subject"] == "Test tenant: 72"
    assert made.json["body_text"].startswith("Hello,\n")


def test_a_template_may_show_where_to_unsubscribe(stage, mail, tenant):
    contact_id = stage.person()
    stage.template(key="news", body_text="{{ unsubscribe_url }}")

    shown = mail({"contact_id": contact_id, "template": "news"}).json["body_text"]

    found = links.read(shown.rpartition("/")[2])
    assert found == links.Subscription(tenant.id, contact_id, "email")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"to": []}, "#/to", "too_short"),
        ({"to": ["a@b.example"] * 11}, "#/to", "too_long"),
        ({"to": ["ana@bistro.example", "nobody"]}, "#/to/1", "invalid_email"),
        ({"to": ["ana@bistro.example\nBcc: eve@evil.example"]}, "#/to/0", "invalid_email"),
        ({"to": None}, "#", "value_error"),
        ({"contact_id": "01990000-0000-7000-8000-000000000001"}, "#", "value_error"),
        ({"to": None, "contact_id": "01990000-0000-7000-8000-000000000001"}, "#/contact_id", "unknown_contact"),
        ({"template": "nothing"}, "#/template", "unknown_template"),
        ({"template": "Nothing at all"}, "#/template", "string_pattern_mismatch"),
        ({"subject": "{{ contact.__class__ }}"}, "#/subject", "template_variable_unknown"),
        ({"data": {"score": [1]}}, None, None),
        ({"data": {"__class__": "x"}}, None, None),
        ({"template": "empty", "data": {}}, "#/data", "says_nothing"),
        ({"subject": "{{ data.x }}"}, "#/data", "says_nothing"),
    ],
)
def test_what_makes_no_sense_says_where(stage, mail, body, pointer, code):
    stage.template(key="empty", body_text="{{ data.x }} ")

    refused = mail({"to": ["ana@bistro.example"], **SCORE, **body})

    assert refused.status == 422, refused.body
    assert pointer is None or [(one["pointer"], one["code"]) for one in refused.json["errors"]] == [(pointer, code)]
    assert (stage.invoke(LIST).json["data"], queued(stage)) == ([], [])


def test_who_may_and_who_may_not(stage, mail, invoke, tenant, other_tenant):
    contact_id = stage.person()
    nowhere = stage.person(email=None, email_norm=None)
    made = mail(token=tenant.editor)
    path = {"email_message_id": made.json["id"]}

    assert invoke(LIST, method="POST", body={"to": ["ana@bistro.example"], **SCORE}).status == 400
    assert mail(token=tenant.viewer).status == 403
    assert mail({"contact_id": nowhere, **SCORE}).json["errors"][0]["code"] == "no_address"
    assert mail({"contact_id": contact_id, **SCORE}, token=other_tenant.admin).json["errors"][0]["code"] == "unknown_contact"
    assert invoke(ONE, path=path, token=tenant.viewer).json == made.json
    assert invoke(ONE, path=path, token=other_tenant.admin).status == 404
    assert invoke(RETRY, path=path, headers={"Idempotency-Key": "r"}, token=other_tenant.admin).status == 404
    assert invoke(RETRY, path=path, headers={"Idempotency-Key": "r"}, token=tenant.viewer).status == 403
    assert invoke(LIST, token=other_tenant.admin).json["data"] == []
    assert len(queued(stage)) == 1


def test_a_request_that_comes_twice_is_one_mail(stage, mail):
    first, second = mail(key="once"), mail(key="once")

    assert (second.status, second.body, second.headers["Idempotent-Replayed"]) == (201, first.body, "true")
    assert len(queued(stage)) == 1


def test_mails_are_listed_by_what_became_of_them(stage, mail, invoke, provider):
    contact_id = stage.person()
    made = [mail({"contact_id": contact_id, **SCORE}), mail(), mail({"contact_id": contact_id, **SCORE})]
    ids = [one.json["id"] for one in made]
    sending.work(queued(stage)[0])

    first = invoke(LIST, query={"limit": 2, "sort": "created_at"})
    second = invoke(LIST, query={"limit": 2, "sort": "created_at", "cursor": first.json["next_cursor"]})

    Page[EmailMessageLine].model_validate_json(first.body)
    assert [one["id"] for one in first.json["data"] + second.json["data"]] == ids

    def listed(**query):
        return [one["id"] for one in invoke(LIST, query={"sort": "created_at", **query}).json["data"]]

    assert listed(status="sent") == ids[:1]
    assert listed(contact_id=contact_id) == [ids[0], ids[2]]
    assert listed(contact_id=contact_id, status="pending") == ids[2:]
    assert listed(created_from=made[1].json["created_at"]) == ids[1:]
    assert listed(created_before=made[1].json["created_at"]) == ids[:1]
    assert invoke(LIST, query={"status": "lost"}).status == 400


@pytest.mark.parametrize("why", ["do_not_contact", "consent_denied", "suppressed", "deleted", "no_address"])
def test_nobody_is_written_to_who_does_not_want_it(stage, mail, provider, why):
    contact_id = stage.person()
    made = mail({"contact_id": contact_id, **SCORE})
    address = made.json["to"][0]
    match why:
        case "do_not_contact":
            stage.run("update contacts set do_not_contact = true where id = :c", c=contact_id)
        case "consent_denied":
            stage.consent(contact_id, "email", "denied", "transactional")
        case "suppressed":
            suppress(stage, address)
        case "deleted":
            stage.run("update contacts set deleted_at = now() where id = :c", c=contact_id)
        case _:
            stage.run("update contacts set email = null, email_norm = null where id = :c", c=contact_id)

    assert sending.work(queued(stage)[0]) == "failed"

    now = read(stage, made)
    assert (now["status"], now["error"], now["attempts"]) == ("failed", f"not sent to {address}: {why}", 1)
    assert provider.sent == []
    assert stage.run("select count(*) as n from activities where tenant_id = :t")[0].n == 0


def suppress(stage, address):
    with db.job_transaction(stage.tenant.id) as tx:
        tx.execute(
            text(
                "insert into suppressions (id, channel, address, address_hash, reason) values (gen_random_uuid(), 'email', :a, app.address_hash('email', :a), 'manual')"
            ),
            {"a": address},
        )


def test_an_address_is_looked_at_whosever_it_is(stage, mail, provider):
    contact_id = stage.person(do_not_contact=True)
    suppress(stage, "gone@bistro.example")
    made = mail({"to": ["gone@bistro.example", "ana@bistro.example", f"{contact_id.hex}@people.example"], **SCORE})

    assert sending.work(queued(stage)[0]) == "sent"

    assert provider.sent[0].to == ("ana@bistro.example",)
    now = read(stage, made)
    assert now["error"] == f"left out gone@bistro.example: suppressed; {contact_id.hex}@people.example: do_not_contact"


def test_who_was_merged_meanwhile_gets_it_and_the_survivor_has_it_on_the_timeline(stage, mail, provider):
    contact_id, survivor = stage.person(), stage.person()
    made = mail({"contact_id": str(contact_id), **SCORE})
    stage.run("update contacts set merged_into = :s, deleted_at = now() where tenant_id = :t and id = :c", s=survivor, c=contact_id)

    assert [sending.work(body) for body in queued(stage)] == ["sent"]
    assert read(stage, made)["status"] == "sent"
    assert stage.run("select contact_id from activities where tenant_id = :t and activity_type = 'email_sent'") == [(survivor,)]
    # And what the survivor has said counts for it.
    stage.consent(survivor, "email", "denied", "transactional")
    mail({"to": ["other@bistro.example"], **SCORE})
    stage.run("update email_messages set contact_id = :c where tenant_id = :t and status = 'pending'", c=contact_id)
    assert sending.work(queued(stage)[-1]) == "failed"


def test_marketing_that_is_denied_denies_no_single_mail(stage, mail, provider):
    contact_id = stage.person(unsubscribed_at=datetime.now(UTC))
    stage.consent(contact_id, "email", "denied", "marketing")
    mail({"contact_id": contact_id, **SCORE})

    assert sending.work(queued(stage)[0]) == "sent"


def test_what_fails_for_now_is_tried_again_and_the_last_time_it_shows(stage, mail, provider):
    made = mail()
    [body] = queued(stage)
    provider.answers = [Refused("throttled", "too much at once", retryable=True), Unclear("timed out"), Unclear("timed out")]

    with pytest.raises(sending.NotYet):
        sending.work(body)
    assert (read(stage, made)["status"], read(stage, made)["error"]) == ("pending", "throttled: too much at once")
    with pytest.raises(sending.NotYet):
        sending.work(body)
    assert sending.work(body, last=True) == "failed"
    assert (read(stage, made)["status"], read(stage, made)["error"], read(stage, made)["attempts"]) == ("failed", "no answer: timed out", 3)
    assert sending.work(body) == "nothing"


def test_what_is_refused_for_good_has_failed_and_can_be_retried(stage, mail, invoke, provider):
    made = mail()
    path, provider.answers = {"email_message_id": made.json["id"]}, [Refused("MessageRejected", "not verified", retryable=False)]
    early = invoke(RETRY, path=path, headers={"Idempotency-Key": "early"})
    assert (early.status, early.json["code"], early.json["mail_status"]) == (409, "mail_not_failed", "pending")
    assert sending.work(queued(stage)[0]) == "failed"
    assert read(stage, made)["error"] == "MessageRejected: not verified"

    assert invoke(RETRY, path=path, headers={"idempotency-key": ""}).status == 400
    again = invoke(RETRY, path=path, headers={"Idempotency-Key": "again"})
    twice = invoke(RETRY, path=path, headers={"Idempotency-Key": "again"})

    EmailMessage.model_validate_json(again.body)
    assert (again.status, again.json["status"], again.json["error"], twice.body) == (200, "pending", None, again.body)
    assert len(queued(stage)) == 2
    assert sending.work(queued(stage)[1]) == "sent"
    assert invoke(RETRY, path=path, headers={"Idempotency-Key": "late"}).json["mail_status"] == "sent"
    assert invoke(RETRY, path={"email_message_id": uuid4()}, headers={"Idempotency-Key": "x"}).status == 404


def test_a_worker_whose_lease_is_over_tells_nothing(stage, mail, provider):
    made = mail()
    [body] = queued(stage)
    later = datetime.now(UTC) + sending.LEASE + timedelta(seconds=1)
    # While the first one waits for the provider, the second takes over and is done.
    provider.answers = [lambda: sending.work(body, now=later) and Refused("MessageRejected", "late", retryable=False), "second"]

    assert sending.work(body) == "nothing"

    now = read(stage, made)
    assert (now["status"], now["provider_message_id"], now["attempts"], now["error"]) == ("sent", "second", 2, None)


def test_a_message_that_comes_twice_at_once_is_one_mail(stage, mail, provider):
    mail()
    [body] = queued(stage)
    outcomes = []
    provider.answers = [lambda: outcomes.append(sending.work(body)) or "first"]

    assert (sending.work(body), outcomes, len(provider.sent)) == ("sent", ["nothing"], 1)


def test_mails_that_nobody_looks_after_are_queued_again_until_they_have_failed(stage, mail, provider):
    made = [mail() for _ in range(4)]
    ids = [one.json["id"] for one in made]
    now = datetime.now(UTC) + service.STALE + timedelta(minutes=1)
    state = "update email_messages set status = 'sending', lease_token = gen_random_uuid(), lease_until = :l where id = :i"
    stage.run(state, i=ids[1], l=now - timedelta(seconds=1))
    stage.run(state, i=ids[2], l=now + timedelta(seconds=30))
    stage.run("update email_messages set attempts = 12, error = 'throttled' where id = :i", i=ids[3])

    with db.job_transaction(stage.tenant.id, now=now - timedelta(minutes=2)) as tx:
        assert service.retry_stale(tx) == 0
    with db.job_transaction(stage.tenant.id, now=now) as tx:
        assert service.retry_stale(tx) == 3
    with db.job_transaction(stage.tenant.id, now=now) as tx:
        assert service.retry_stale(tx) == 0

    assert [read(stage, one)["status"] for one in made] == ["pending", "pending", "sending", "failed"]
    assert read(stage, made[3])["error"] == "given up: throttled"
    assert sorted(json.loads(body)["payload"]["email_message_id"] for body in queued(stage)[4:]) == sorted(ids[:2])


def test_the_queue_hears_which_of_a_batch_failed(stage, mail, provider):
    made = [mail() for _ in range(3)]
    provider.answers = ["first", Unclear("timed out"), Unclear("timed out")]
    event = json.loads((EVENTS / "messaging/send_message.json").read_text())
    [record] = event["Records"]
    bodies = [*queued(stage), '{"id": "poison"}']
    event["Records"] = [
        {
            **record,
            "messageId": f"m{n}",
            "body": body,
            "attributes": {**record["attributes"], "ApproximateReceiveCount": "5" if n == 2 else "4"},
        }
        for n, body in enumerate(bodies)
    ]

    from messaging import send_message

    answer = send_message.handler(event, LambdaContext())

    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["m1", "m3"]
    assert [read(stage, one)["status"] for one in made] == ["sent", "pending", "failed"]
