"""What leaves, in the providers' own words, and what their answers, and their silence, say of a message."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import boto3
import pytest
from botocore import exceptions
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from clientway.messaging.delivery import calls, providers, ses
from clientway.messaging.delivery.message import Outgoing, Refused, Unclear

TENANT, ONE = UUID(int=1), UUID(int=2)
URL = "https://clientway.example/u/token"


@pytest.fixture(autouse=True)
def _region(monkeypatch, database_url):
    """Credentials of nobody, and clients that nobody made before."""
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SESV2",
        "AWS_DUALSTACK",
        "SES_CONFIGURATION_SET",
        "SMS_CONFIGURATION_SET",
        "SMS_SENDER",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    calls.forget()
    yield
    calls.forget()


def mail(**given):
    return Outgoing(
        **{"kind": "campaign_send", "id": ONE, "tenant_id": TENANT, "channel": "email", "to": ("ana@bistro.example",), "text": "Hello",
           "subject": "Spring", "html": "<p>Hello</p>", "unsubscribe_url": URL, **given}
    )  # fmt: skip


def sms(**given):
    return Outgoing(
        **{"kind": "reminder", "id": ONE, "tenant_id": TENANT, "channel": "sms", "to": ("+13055550199",), "text": "Tomorrow at 10", **given}
    )


class Provider:
    """A stand-in on a port of its own: it does with each request what its plan says, and remembers it."""

    def __init__(self) -> None:
        outer = self
        self.plan, self.seen, self.meanwhile = [], [], lambda: None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.seen.append((self.path, dict(self.headers), json.loads(body)))
                outer.meanwhile()
                step = outer.plan.pop(0) if len(outer.plan) > 1 else outer.plan[0]
                if step == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    self.connection.close()
                    self.close_connection = True
                    return
                if step == "hang":
                    time.sleep(1.5)
                    self.close_connection = True
                    return
                status, kind, answer = step
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                if kind:
                    self.send_header("x-amzn-ErrorType", kind)
                self.send_header("content-type", "application/x-amz-json-1.0")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.request_queue_size = 50
        self.server.server_bind()
        self.server.server_activate()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def provider(monkeypatch) -> Iterator[Provider]:
    one = Provider()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", one.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2", one.url)
    calls.forget()
    yield one
    calls.forget()
    one.server.shutdown()
    one.server.server_close()


def error(code, status=400, **more):
    return (status, code, {"__type": code, "message": "because", "Message": "because", **more})


OK = (200, None, {"MessageId": "m-1"})


def test_a_mail_reaches_ses():
    with mock_aws():
        boto3.client("sesv2").create_email_identity(EmailIdentity="clientway.example")
        calls.forget()
        answer = providers.send(mail(from_name="Bistro"), once=True)
        [sent] = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages

    assert answer == sent.id
    assert sent.destinations["ToAddresses"] == ["ana@bistro.example"]
    assert (sent.subject, sent.body) == ("Spring", "<p>Hello</p>")


def test_what_ses_refuses_for_the_message_is_not_retried():
    with mock_aws():
        calls.forget()
        with pytest.raises(Refused) as refused:
            providers.send(mail(), once=True)

    assert (refused.value.code, refused.value.retryable) == ("MessageRejected", False)


def test_a_mail_in_full(provider, monkeypatch):
    monkeypatch.setenv("SES_CONFIGURATION_SET", "ours")
    provider.plan = [OK]
    assert providers.send(mail(from_name="Café “Bistro”\r\nBcc: x@y.example", reply_to="desk@bistro.example"), once=True) == "m-1"

    [(path, _, body)] = provider.seen
    assert path == "/v2/email/outbound-emails"
    name = body.pop("FromEmailAddress")
    assert name == ses.sender("Café “Bistro”\r\nBcc: x@y.example")
    assert name.isascii()
    assert "\n" not in name
    assert name.endswith("<hello@clientway.example>")
    utf8 = {"Charset": "UTF-8"}
    assert body == {
        "Destination": {"ToAddresses": ["ana@bistro.example"]},
        "ReplyToAddresses": ["desk@bistro.example"],
        "ConfigurationSetName": "ours",
        "EmailTags": [
            {"Name": "tenant_id", "Value": str(TENANT)},
            {"Name": "kind", "Value": "campaign_send"},
            {"Name": "id", "Value": str(ONE)},
        ],
        "Content": {
            "Simple": {
                "Subject": {"Data": "Spring", **utf8},
                "Body": {"Text": {"Data": "Hello", **utf8}, "Html": {"Data": "<p>Hello</p>", **utf8}},
                "Headers": [
                    {"Name": "List-Unsubscribe", "Value": f"<{URL}>"},
                    {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
                ],
            }
        },
    }


def test_a_mail_of_little(provider):
    provider.plan = [OK]
    providers.send(mail(html=None, unsubscribe_url=None, subject="two\nlines"), once=False)

    [(_, _, body)] = provider.seen
    assert set(body) == {"FromEmailAddress", "Destination", "EmailTags", "Content"}
    assert body["FromEmailAddress"] == "Clientway <hello@clientway.example>"
    simple = body["Content"]["Simple"]
    assert set(simple) == {"Subject", "Body"}
    assert set(simple["Body"]) == {"Text"}
    assert simple["Subject"]["Data"] == "two lines"


@pytest.mark.parametrize(("promotional", "kind"), [(True, "PROMOTIONAL"), (False, "TRANSACTIONAL")])
def test_a_text_in_full(provider, monkeypatch, promotional, kind):
    monkeypatch.setenv("SMS_CONFIGURATION_SET", "ours")
    monkeypatch.setenv("SMS_SENDER", "+18005550100")
    provider.plan = [OK]
    assert providers.send(sms(sms_sender="+18005550111", promotional=promotional), once=True) == "m-1"
    providers.send(sms(), once=True)

    (_, headers, body), (_, _, second) = provider.seen
    assert headers["X-Amz-Target"] == "PinpointSMSVoiceV2.SendTextMessage"
    assert body == {
        "DestinationPhoneNumber": "+13055550199",
        "OriginationIdentity": "+18005550111",
        "MessageBody": "Tomorrow at 10",
        "MessageType": kind,
        "ConfigurationSetName": "ours",
        "Context": {"tenant_id": str(TENANT), "kind": "reminder", "id": str(ONE)},
    }
    assert second["OriginationIdentity"] == "+18005550100"


@pytest.mark.parametrize("message", [mail(subject=None), mail(to=()), sms(), sms(to=("+1", "+2"), sms_sender="+18005550111")])
def test_what_cannot_be_sent_is_refused_before_anybody_is_asked(provider, message):
    provider.plan = [OK]
    with pytest.raises(Refused) as refused:
        providers.send(message, once=True)

    assert (refused.value.retryable, provider.seen) == (False, [])


@pytest.mark.parametrize(
    ("message", "answer", "code", "retryable"),
    [
        (mail(), error("TooManyRequestsException", 429), "throttled", True),
        (mail(), error("ThrottlingException"), "throttled", True),
        (mail(), error("LimitExceededException"), "throttled", True),
        (mail(), error("Whatever", 429), "throttled", True),
        (mail(), error("SlowDown", 503), "throttled", True),
        (mail(), error("SendingPausedException"), "SendingPausedException", True),
        (mail(), error("AccountSuspendedException"), "AccountSuspendedException", True),
        (mail(), error("AccessDeniedException", 403), "AccessDeniedException", True),
        (mail(), error("ExpiredTokenException", 403), "ExpiredTokenException", True),
        (mail(), error("MessageRejected"), "MessageRejected", False),
        (mail(), error("BadRequestException"), "BadRequestException", False),
        (mail(), error("MailFromDomainNotVerifiedException"), "MailFromDomainNotVerifiedException", False),
        (mail(), error("NotFoundException", 404), "NotFoundException", False),
        (sms(sms_sender="+18005550111"), error("ThrottlingException"), "throttled", True),
        (sms(sms_sender="+18005550111"), error("ServiceQuotaExceededException", Reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"), "throttled", True),
        (sms(sms_sender="+18005550111"), error("ValidationException", Reason="INVALID_PARAMETER"), "invalid_parameter", False),
        (sms(sms_sender="+18005550111"), error("ConflictException", Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT"), "destination_phone_number_opted_out", False),
    ],
)  # fmt: skip
def test_a_refusal_says_that_nothing_was_sent(provider, message, answer, code, retryable):
    provider.plan = [answer]
    with pytest.raises(Refused) as refused:
        providers.send(message, once=True)

    assert (refused.value.code, refused.value.retryable) == (code, retryable)
    assert "because" in refused.value.detail
    assert len(provider.seen) == 1


@pytest.mark.parametrize("message", [mail(), sms(sms_sender="+18005550111")])
@pytest.mark.parametrize("answer", ["reset", error("InternalServerException", 500), (502, None, b"<html>bad gateway"), (200, None, b"{}")])
def test_an_answer_that_is_none_leaves_it_unclear_and_nobody_asks_again(provider, message, answer):
    provider.plan = [answer]
    with pytest.raises(Unclear):
        providers.send(message, once=True)

    assert len(provider.seen) == 1


def test_silence_leaves_it_unclear(provider, monkeypatch):
    monkeypatch.setattr(calls, "PROVIDER_TIMEOUT_SECONDS", 0.4)
    provider.plan = ["hang"]
    with pytest.raises(Unclear):
        providers.send(mail(), once=True)

    assert len(provider.seen) == 1


@pytest.mark.parametrize("answer", ["reset", error("InternalServerException", 500), error("TooManyRequestsException", 429)])
def test_what_may_be_read_twice_is_tried_twice(provider, answer):
    provider.plan = [answer, OK]

    assert providers.send(mail(), once=False) == "m-1"
    assert len(provider.seen) == 2


def test_a_provider_that_is_not_there_was_sent_nothing(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Refused) as refused:
            providers.send(mail(), once=True)

    assert (refused.value.code, refused.value.retryable) == ("unreachable", True)


@pytest.mark.parametrize(
    ("failure", "becomes"),
    [
        (exceptions.ConnectTimeoutError(endpoint_url="x"), Refused),
        (exceptions.EndpointConnectionError(endpoint_url="x"), Refused),
        (exceptions.SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"), Refused),
        (exceptions.SSLError(endpoint_url="x", error="record layer failure"), Unclear),
        (exceptions.ReadTimeoutError(endpoint_url="x"), Unclear),
        (exceptions.ConnectionClosedError(endpoint_url="x"), Unclear),
        (exceptions.ResponseStreamingError(error="x"), Unclear),
        (exceptions.ParamValidationError(report="x"), Refused),
    ],
)
def test_what_went_wrong_on_the_way_says_whether_the_request_left(failure, becomes):
    with pytest.raises(becomes) as told, calls.told():
        raise failure

    if becomes is Refused:
        assert told.value.retryable is not isinstance(failure, exceptions.ParamValidationError)


def test_no_credentials_no_message(provider, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    provider.plan = [OK]
    with pytest.raises(Refused) as refused:
        providers.send(mail(), once=True)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    assert (refused.value.retryable, provider.seen) == (True, [])


def test_a_connection_that_was_idle_for_long_is_not_trusted(provider, monkeypatch):
    provider.plan = [OK]
    clock = [1000.0]
    monkeypatch.setattr(calls.time, "monotonic", lambda: clock[0])
    closed = []
    providers.send(mail(), once=True)
    client = calls.client("sesv2", once=True)
    monkeypatch.setattr(client, "close", lambda: closed.append(clock[0]))
    clock[0] += 5
    providers.send(mail(), once=True)
    clock[0] += 60
    providers.send(mail(), once=True)

    assert closed == [1065.0]
    assert len(provider.seen) == 3


@pytest.mark.parametrize("service", ["sesv2", "pinpoint-sms-voice-v2"])
@pytest.mark.parametrize(("given", "dual"), [("true", True), ("false", False)])
def test_the_way_out_of_private_subnets(monkeypatch, service, given, dual):
    monkeypatch.delenv("AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2", raising=False)
    monkeypatch.setenv("AWS_DUALSTACK", given)
    host = calls.client(service, once=True).meta.endpoint_url

    assert host.endswith(".api.aws") is dual
    calls.forget()
    # A stand-in has one address only.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert calls.client(service, once=True).meta.endpoint_url == "http://127.0.0.1:1"


def test_calls_at_once_have_a_connection_each_and_keep_it(provider, monkeypatch):
    """One client for all threads, and no connection that is thrown away and made anew."""
    together, opened = threading.Barrier(calls.AT_ONCE), []
    process = provider.server.process_request
    monkeypatch.setattr(provider.server, "process_request", lambda *given: opened.append(1) or process(*given))
    provider.meanwhile = lambda: together.wait(5)
    provider.plan = [OK]

    for _ in range(2):
        assert calls.at_once(lambda _: providers.send(mail(), once=True), range(calls.AT_ONCE)) == ["m-1"] * calls.AT_ONCE

    assert len(provider.seen) == 2 * calls.AT_ONCE
    assert len(opened) == calls.AT_ONCE


def test_what_comes_of_calls_at_once_is_in_their_order_and_a_failure_waits_for_the_others(monkeypatch):
    over, quick = [], threading.Event()

    def call(what):
        if what == "slow":
            assert quick.wait(20)
        over.append(what)
        if what == "fails":
            raise ZeroDivisionError
        quick.set()
        return what

    assert calls.at_once(call, ["slow", "quick"]) == ["slow", "quick"]
    assert calls.at_once(call, []) == []
    # On a busy machine a thread may come late.
    monkeypatch.setattr(calls, "ThreadPoolExecutor", lambda _most, **how: ThreadPoolExecutor(1, **how))
    with pytest.raises(ZeroDivisionError):
        calls.at_once(call, ["fails", "late", "last"])
    assert over == ["quick", "slow", "fails", "late", "last"]


def test_a_client_for_campaigns_is_another_than_for_the_rest():
    assert calls.client("sesv2", once=True).meta.config.retries["total_max_attempts"] == 1
    assert calls.client("sesv2", once=False).meta.config.retries["total_max_attempts"] == 2
