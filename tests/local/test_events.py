"""Pollers against the local AWS, partial batches as a table, and schedules."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clientway.local import aws, template
from clientway.local.events import Clock, Poller, handled, next_due, seconds_override
from clientway.local.template import Queue, QueueConsumer, Schedule, Template
from clientway.local.workers import FunctionError
from tests.served import eventually

CONSUMER = QueueConsumer("Sender", "send.handler", "OutboxQueue", 10, report_batch_item_failures=True)


@pytest.fixture(scope="module")
def cloud() -> Iterator[aws.LocalAws]:
    queues = (Queue("OutboxQueue", 1, "OutboxDeadLetters", 2), Queue("OutboxDeadLetters"))
    types = {"ImportBucket": "AWS::S3::Bucket", "DataKey": "AWS::KMS::Key", "Pepper": "AWS::SecretsManager::Secret"}
    running = aws.start(Template(queues=queues, resources=types), senders=["mail.example.org"])
    yield running
    running.stop()


MESSAGES = [{"MessageId": "a"}, {"MessageId": "b"}, {"MessageId": "c"}]


@pytest.mark.parametrize(
    ("answer", "deleted"),
    [
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, "ac"),
        ({"batchItemFailures": []}, "abc"),
        ({"batchItemFailures": None}, "abc"),
        ({}, "abc"),
        (None, "abc"),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, ""),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, ""),
        ({"batchItemFailures": [{"wrong": "b"}]}, ""),
        ({"batchItemFailures": ["b"]}, ""),
        ({"batchItemFailures": "b"}, ""),
    ],
)
def test_partial_batches(answer: object, deleted: str) -> None:
    assert "".join(message["MessageId"] for message in handled(MESSAGES, answer, partial=True)) == deleted


def test_without_partial_batches_a_return_deletes_everything() -> None:
    assert handled(MESSAGES, {"batchItemFailures": [{"itemIdentifier": "b"}]}, partial=False) == MESSAGES


def test_failed_messages_come_again_and_end_among_the_dead_letters(cloud: aws.LocalAws) -> None:
    sqs = cloud.client("sqs")
    for body in ("good", "bad"):
        sqs.send_message(
            QueueUrl=cloud.known["OutboxQueue"], MessageBody=body, MessageAttributes={"kind": {"DataType": "String", "StringValue": "k"}}
        )
    seen: list[str] = []

    def invoke(handler: str, event: dict[str, Any]) -> dict[str, Any]:
        assert handler == "send.handler"
        assert event["Records"][0]["eventSourceARN"] == cloud.known["OutboxQueue.Arn"]
        assert event["Records"][0]["messageAttributes"]["kind"]["stringValue"] == "k"
        seen.extend(record["body"] for record in event["Records"])
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"] if record["body"] == "bad"]}

    poller = Poller(CONSUMER, cloud, invoke, wait_seconds=0)
    for _ in range(40):
        poller.poll()
        waiting = sqs.get_queue_attributes(QueueUrl=cloud.known["OutboxDeadLetters"], AttributeNames=["ApproximateNumberOfMessages"])
        if waiting["Attributes"]["ApproximateNumberOfMessages"] == "1":
            break
        time.sleep(0.1)
    assert sorted(seen) == ["bad", "bad", "good"]
    assert sqs.receive_message(QueueUrl=cloud.known["OutboxDeadLetters"])["Messages"][0]["Body"] == "bad"


def test_a_batch_whose_function_raises_stays_and_the_thread_goes_on(cloud: aws.LocalAws) -> None:
    sqs = cloud.client("sqs")
    sqs.send_message(QueueUrl=cloud.known["OutboxQueue"], MessageBody="again")
    tries: list[str] = []

    def invoke(_handler: str, event: dict[str, Any]) -> dict[str, Any]:
        tries.append(event["Records"][0]["body"])
        if len(tries) == 1:
            raise FunctionError("ValueError", "first time")
        return {}

    poller = Poller(CONSUMER, cloud, invoke, wait_seconds=1)
    poller.start()
    deadline = time.monotonic() + 10
    while len(tries) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    poller.stop()
    poller.join(5)
    assert tries == ["again", "again"]


def test_the_stand_in_has_what_the_template_names(cloud: aws.LocalAws) -> None:
    assert cloud.environment["OUTBOX_QUEUE_URL"] == cloud.known["OutboxQueue"]
    cloud.client("s3").put_object(Bucket=cloud.environment["IMPORT_BUCKET"], Key="a", Body=b"1")
    sealed = cloud.client("kms").encrypt(KeyId=cloud.environment["DATA_KEY_ID"], Plaintext=b"1")["CiphertextBlob"]
    assert cloud.client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"1"
    assert len(cloud.client("secretsmanager").get_secret_value(SecretId=cloud.environment["PEPPER_ARN"])["SecretString"]) == 43


NOW = datetime(2026, 11, 21, 4, 30, 20, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("expression", "timezone", "due"),
    [
        ("rate(5 minutes)", "UTC", "2026-11-21T04:35:20"),
        ("rate(1 day)", "UTC", "2026-11-22T04:30:20"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-21T04:45:00"),
        ("cron(30 4 * * ? *)", "UTC", "2026-11-22T04:30:00"),
        ("cron(0 6 ? * MON-FRI *)", "UTC", "2026-11-23T06:00:00"),
        ("cron(0 6 ? * MON-FRI *)", "Europe/Berlin", "2026-11-23T05:00:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2028-02-29T00:00:00"),
        ("cron(0 0 1 JAN,jul ? *)", "UTC", "2027-01-01T00:00:00"),
        ("cron(0 0 1 1 ? 2020)", "UTC", None),
    ],
)
def test_next_due(expression: str, timezone: str, due: str | None) -> None:
    expected = datetime.fromisoformat(due).replace(tzinfo=UTC) if due else None
    assert next_due(expression, timezone)(NOW) == expected


@pytest.mark.parametrize("expression", ["", "rate(5 weeks)", "cron(0 6 * * *)", "cron(0 6 L * ? *)", "cron(61 * * * ? *)"])
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        next_due(expression)


def test_schedules_can_be_sped_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIENTWAY_SCHEDULE_SECONDS", raising=False)
    assert seconds_override("Relay", "rate(1 minute)") == 2
    assert seconds_override("Relay", "rate(1 hour)") is None
    assert seconds_override("DispatchReminders", "rate(15 minutes)") == 2
    monkeypatch.setenv("CLIENTWAY_SCHEDULE_SECONDS", "Relay=0.5, Other=9")
    assert seconds_override("Relay", "rate(1 hour)") == 0.5
    assert seconds_override("Third", "rate(1 hour)") is None
    monkeypatch.setenv("CLIENTWAY_SCHEDULE_SECONDS", "3")
    assert seconds_override("Third", "rate(1 hour)") == 3


def test_a_clock_runs_again_and_again_until_stopped() -> None:
    events: list[dict[str, Any]] = []
    clock = Clock(Schedule("Relay", "relay.handler", "rate(1 minute)"), lambda _handler, event: events.append(event), every=0.02)
    clock.start()
    eventually(lambda: len(events) >= 3)
    clock.stop()
    clock.join(2)
    assert not clock.is_alive()
    assert events[0]["source"] == "aws.scheduler"
    due = datetime.fromisoformat(events[0]["time"])
    assert abs(due - datetime.now(UTC)) < timedelta(seconds=30)
    assert Clock(Schedule("R", "r", "rate(1 day)", payload='{"a": 1}'), lambda *_: None).event(due) == {"a": 1}


def test_names_of_variables() -> None:
    assert aws.variable("OutboxQueue", "URL") == "OUTBOX_QUEUE_URL"
    assert aws.variable("SMSQueue", "URL") == "SMS_QUEUE_URL"
    assert template.parse("Resources: {}").routes == ()
