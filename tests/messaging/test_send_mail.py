"""Mail from the queue to SES (moto's), and what the templates make of hostile text."""

import importlib
import json
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from clientway.messaging.mail import service, templates
from tests.fixtures import LambdaContext

EVENT = json.loads((Path(__file__).parents[2] / "events/messaging/send_mail.json").read_text())


@pytest.fixture
def ses(monkeypatch):
    """An SES of this test alone; read what it accepted."""
    monkeypatch.setenv("MAIL_FROM", "Clientway <hello@clientway.example>")
    with mock_aws():
        boto3.client("sesv2", region_name="us-east-1").create_email_identity(EmailIdentity="clientway.example")
        service._ses.cache_clear()
        yield ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
    service._ses.cache_clear()


def record(body, message_id):
    return {**EVENT["Records"][0], "body": body if isinstance(body, str) else json.dumps(body), "messageId": message_id}


def send(*records):
    return importlib.import_module("messaging.send_mail").handler({"Records": list(records)}, LambdaContext())


def test_the_sample_event_is_sent(ses):
    assert send(*EVENT["Records"]) == {"batchItemFailures": []}

    (message,) = ses
    assert message.destinations["ToAddresses"] == ["ada@example.com"]
    assert message.subject == "Sign in to Example Provisions"


def test_one_bad_message_holds_up_no_other(ses):
    good = json.loads(EVENT["Records"][0]["body"])
    unknown = {**good, "payload": {**good["payload"], "template": "no_such_template"}}

    answer = send(record("not json", "a"), record(good, "b"), record(unknown, "c"), record({**good, "extra": 1}, "d"))

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["a", "c", "d"]
    assert len(ses) == 1


def test_what_is_refused_by_ses_stays_in_the_queue(ses, monkeypatch):
    monkeypatch.setenv("MAIL_FROM", "nobody@unverified.example")

    assert send(*EVENT["Records"]) == {"batchItemFailures": [{"itemIdentifier": EVENT["Records"][0]["messageId"]}]}


@pytest.mark.parametrize("template", ["staff_link", "portal_link", "invitation"])
def test_every_template_escapes_what_tenants_wrote(template):
    hostile = '<script>alert(1)</script>"&{url}'
    data = {"tenant_name": hostile, "inviter": hostile, "role": "viewer", "url": "https://a.example/sign-in#token=x&y=1", "code": "012345"}

    mail = templates.render(template, data)

    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert 'href="https://a.example/sign-in#token=x&amp;y=1"' in mail.html
    assert data["url"] in mail.text


def test_a_name_cannot_add_headers_to_the_mail():
    mail = templates.render("staff_link", {"tenant_name": "A\r\nBcc: x@y.example", "url": "u", "code": "1"})

    assert mail.subject == "Sign in to A Bcc: x@y.example"


def test_the_code_stands_in_both_parts_of_a_sign_in_mail():
    mail = templates.render("portal_link", {"tenant_name": "A", "url": "u", "code": "012345"})

    assert "012345" in mail.text
    assert "<strong>012345</strong>" in mail.html


def test_importing_the_sender_does_not_load_the_database():
    import subprocess
    import sys

    code = "import sys, messaging.send_mail; sys.exit(any(m in sys.modules for m in ('sqlalchemy', 'pg8000', 'boto3')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
