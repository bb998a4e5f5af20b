"""The outbox to the queues: everything once at least, nothing stuck, secrets blanked once handed over."""

import importlib
import json
from datetime import timedelta
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from sqlalchemy import text

from clientway import effects, ids
from clientway.config import settings
from clientway.db import job_transaction
from clientway.operations import relay
from tests.fixtures import LambdaContext


@pytest.fixture
def queue(monkeypatch, database_url):
    """An SQS of this test alone with the mail queue; read what is in it."""
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        url = sqs.create_queue(QueueName=f"mail-{uuid4().hex}")["QueueUrl"]
        monkeypatch.setenv("MAIL_QUEUE_URL", url)
        settings.cache_clear()
        relay.sqs.cache_clear()

        def read():
            found = []
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                found += [json.loads(message["Body"]) for message in messages]
            return found

        yield read
    monkeypatch.undo()
    settings.cache_clear()
    relay.sqs.cache_clear()


@pytest.fixture
def outbox(admin_engine, tenant):
    """The tenant's outbox; other tests' rows of this database are put out of the way."""
    with admin_engine.connect() as connection:
        connection.execute(text("update outbox set sent_at = now() where sent_at is null"))
        connection.execute(text("update platform_outbox set sent_at = now() where sent_at is null"))

    def read():
        with admin_engine.connect() as connection:
            return (
                connection.execute(text("select * from outbox where tenant_id = :t order by created_at, id"), {"t": tenant.id})
                .mappings()
                .all()
            )

    return read


def publish(tenant, topic="mail", count=1, **payload):
    with job_transaction(tenant.id) as tx:
        return [effects.publish(tx, topic, {"number": number, **payload}) for number in range(count)]


def run():
    return importlib.import_module("operations.relay_outbox").handler({}, LambdaContext())


def test_what_was_published_reaches_the_queue_once(tenant, outbox, queue):
    (row_id,) = publish(tenant, template="staff_link")

    assert run() == {"sent": 1, "unsubscribed": 0, "failed": 0}
    assert queue() == [
        {"id": str(row_id), "tenant_id": str(tenant.id), "topic": "mail", "payload": {"number": 0, "template": "staff_link"}}
    ]
    assert run() == {"sent": 0, "unsubscribed": 0, "failed": 0}


def test_a_link_is_blanked_once_handed_over(tenant, outbox, queue):
    publish(tenant, url="https://a.example/sign-in#token=secret")
    run()

    (row,) = outbox()
    assert (row["payload"], row["sent_at"] is not None) == ({}, True)


def test_more_than_one_batch_goes_out_in_one_run(tenant, outbox, queue):
    publish(tenant, count=relay.BATCH + 15)

    assert run()["sent"] == relay.BATCH + 15
    assert sorted(message["payload"]["number"] for message in queue()) == list(range(relay.BATCH + 15))


def test_the_age_of_what_still_waits_is_a_metric(tenant, outbox, queue, admin_engine, capsys):
    def age():
        run()
        metric = json.loads(capsys.readouterr().out.splitlines()[-1])
        (defined,) = metric["_aws"]["CloudWatchMetrics"]
        assert (defined["Namespace"], defined["Dimensions"], metric["service"]) == ("Clientway", [["service"]], "clientway")
        return metric["OldestOutboxSeconds"][0]

    assert age() == 0
    publish(tenant)
    with admin_engine.connect() as connection:
        connection.execute(
            text(
                "update outbox set created_at = now() - interval '1 hour', available_at = now() + interval '1 minute' where tenant_id = :t"
            ),
            {"t": tenant.id},
        )
    assert 3600 <= age() < 3700
    with admin_engine.connect() as connection:
        connection.execute(text("update outbox set available_at = now() where tenant_id = :t"), {"t": tenant.id})
    assert age() == 0


def test_where_metrics_are_switched_off_none_pile_up(tenant, outbox, queue, monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    run()

    assert importlib.import_module("operations.relay_outbox").metrics.provider.metric_set == {}
    assert capsys.readouterr().out == ""


def test_what_is_to_be_held_back_is_held_back_by_the_queue(tenant, outbox, queue, monkeypatch):
    with job_transaction(tenant.id) as tx:
        for seconds in (60, 5000, 0, None, "x"):
            effects.publish(tx, "mail", {"delay_seconds": seconds})
    sent = []

    class Away:
        def send_message_batch(self, *, QueueUrl, Entries):  # noqa: ARG002, N803
            sent.extend(Entries)
            return {}

    monkeypatch.setattr(relay, "sqs", Away)
    run()

    assert sorted(one.get("DelaySeconds", 0) for one in sent) == [0, 0, 0, 60, 900]


def test_events_without_a_subscriber_do_not_pile_up(tenant, outbox, queue):
    publish(tenant, "organization.stage_changed", count=3)

    assert run() == {"sent": 0, "unsubscribed": 3, "failed": 0}
    assert all(row["sent_at"] for row in outbox())
    assert queue() == []


def test_a_queue_that_is_away_is_tried_again_later(tenant, outbox, queue, monkeypatch, admin_engine):
    publish(tenant)

    class Away:
        def send_message_batch(self, **_):
            raise EndpointConnectionError(endpoint_url="https://sqs.example")

    with monkeypatch.context() as patch:
        patch.setattr(relay, "sqs", Away)
        assert run() == {"sent": 0, "unsubscribed": 0, "failed": 1}
    (row,) = outbox()
    assert (row["sent_at"], row["attempts"], row["lease_until"]) == (None, 1, None)
    assert "EndpointConnectionError" in row["last_error"]
    assert run()["sent"] == 0, "it waits before it tries again"
    with admin_engine.connect() as connection:
        connection.execute(text("update outbox set available_at = now() where tenant_id = :t"), {"t": tenant.id})
    assert run()["sent"] == 1


def test_a_message_that_sqs_refuses_holds_up_no_other(tenant, outbox, queue, monkeypatch):
    publish(tenant, count=2)
    real = relay.sqs()

    class Refusing:
        def send_message_batch(self, *, QueueUrl, Entries):  # noqa: N803
            answer = real.send_message_batch(QueueUrl=QueueUrl, Entries=Entries[1:])
            return {**answer, "Failed": [{"Id": Entries[0]["Id"], "Code": "InternalError", "SenderFault": False}]}

    with monkeypatch.context() as patch:
        patch.setattr(relay, "sqs", Refusing)
        assert run() == {"sent": 1, "unsubscribed": 0, "failed": 1}
    assert [row["sent_at"] is None for row in outbox()].count(True) == 1


def test_a_row_claimed_by_a_relay_that_died_is_taken_over_after_its_lease(tenant, outbox, queue, admin_engine):
    publish(tenant)
    assert len(relay._claim(uuid4())) == 1
    assert run()["sent"] == 0
    with admin_engine.connect() as connection:
        connection.execute(text("update outbox set lease_until = now() - interval '1 second' where tenant_id = :t"), {"t": tenant.id})

    assert run()["sent"] == 1


def test_a_relay_whose_lease_was_taken_over_finishes_nothing(tenant, outbox, queue, admin_engine):
    publish(tenant)
    old = uuid4()
    rows = relay._claim(old)
    with admin_engine.connect() as connection:
        connection.execute(text("update outbox set lease_until = now() - interval '1 second' where tenant_id = :t"), {"t": tenant.id})
    relay._claim(uuid4())

    relay._finish(old, [rows[0].id], [])

    assert outbox()[0]["sent_at"] is None


def test_rows_of_a_transaction_that_rolled_back_never_go_out(tenant, outbox, queue):
    def fail():
        with job_transaction(tenant.id) as tx:
            effects.publish(tx, "mail", {})
            effects.flush(tx)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert run()["sent"] == 0


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 2), (5, 32), (10, 900), (60, 900)])
def test_failures_wait_longer_and_longer(attempts, seconds):
    assert relay.Row(ids.uuid7(), ids.uuid7(), "mail", {}, attempts).delay == timedelta(seconds=seconds)


def test_chunks_keep_to_ten_messages_and_the_size_sqs_takes():
    small = [relay.Row(ids.uuid7(), ids.uuid7(), "mail", {}, 1) for _ in range(25)]
    large = [relay.Row(ids.uuid7(), ids.uuid7(), "mail", {"text": "x" * 90_000}, 1) for _ in range(5)]

    assert [len(chunk) for chunk in relay._chunks(small)] == [10, 10, 5]
    assert [len(chunk) for chunk in relay._chunks(large)] == [2, 2, 1]
