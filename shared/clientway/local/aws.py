"""A stand-in for the AWS services that the template uses, inside this process: moto's server on a free port of 127.0.0.1.

Its state is memory only. That loses nothing that matters: the outbox in the database is the record of what is still to be sent.
"""

import json
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from clientway.local.template import Queue, Template

ACCOUNT = "123456789012"  # moto's account
DEFAULT_REGION = "eu-central-1"
# Senders accepted besides those that the template names: SES refuses unverified ones.
LOCAL_SENDERS = ("clientway.localhost", "clientway.example", "example.com", "localhost")

_ADDRESS = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")


@dataclass
class LocalAws:
    """The running stand-in: `environment` is for the workers, `known` resolves the template's references to resources."""

    endpoint: str
    region: str
    server: ThreadedMotoServer
    environment: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    # One for all clients: each session reads what AWS has, half a megabyte of JSON, anew.
    _session: boto3.session.Session = field(default_factory=boto3.session.Session)
    _making: Lock = field(default_factory=Lock)

    def client(self, service: str) -> Any:
        """Return a boto3 client of the stand-in, whatever credentials and profiles this machine has."""
        # A session is not to be used by several threads at once; its clients may be.
        with self._making:
            return self._session.client(
                service,
                endpoint_url=self.endpoint,
                region_name=self.region,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",  # noqa: S106  moto accepts any
                config=Config(retries={"max_attempts": 2}, read_timeout=30, s3={"addressing_style": "path"}),
            )

    def stop(self) -> None:
        """Stop serving and release the port."""
        self.server.stop()
        if self.server._server:  # noqa: SLF001  moto leaves the listening socket open
            self.server._server.server_close()  # noqa: SLF001


def start(template: Template, senders: Iterable[str] = ()) -> LocalAws:
    """Start the stand-in with the template's queues, buckets, keys and secrets, and verified senders (addresses or domains)."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    aws = LocalAws(f"http://{host}:{port}", region, server)
    aws.environment = {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    aws.known = {
        "AWS::Region": region,
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::StackName": "clientway",
        "AWS::URLSuffix": "localhost",
    }
    _create_queues(aws, template.queues)
    _create_buckets(aws, template.named("AWS::S3::Bucket"))
    _create_keys(aws, template)
    _create_schedule_groups(aws, template)
    _verify_senders(aws, template, senders)
    return aws


def variable(logical_id: str, suffix: str) -> str:
    """Return the environment variable of a resource: OutboxQueue, URL → OUTBOX_QUEUE_URL."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", logical_id)
    return f"{words.upper()}_{suffix}"


def _create_queues(aws: LocalAws, queues: Iterable[Queue]) -> None:
    sqs = aws.client("sqs")
    # Dead letter queues first: a redrive policy names its target.
    for queue in sorted(queues, key=lambda queue: queue.dead_letter is not None):
        attributes = {"VisibilityTimeout": str(queue.visibility_timeout)}
        if queue.dead_letter:
            policy = {"deadLetterTargetArn": aws.known[f"{queue.dead_letter}.Arn"], "maxReceiveCount": queue.max_receive_count}
            attributes["RedrivePolicy"] = json.dumps(policy)
        if queue.fifo:
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        name = f"clientway-{queue.name}{'.fifo' if queue.fifo else ''}"
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        aws.known |= {queue.name: url, f"{queue.name}.QueueUrl": url, f"{queue.name}.QueueName": name}
        aws.known[f"{queue.name}.Arn"] = f"arn:aws:sqs:{aws.region}:{ACCOUNT}:{name}"
        aws.environment[variable(queue.name, "URL")] = url


def _create_buckets(aws: LocalAws, logical_ids: list[str]) -> None:
    s3 = aws.client("s3")
    names = {logical_id: f"clientway-{logical_id.lower()}" for logical_id in logical_ids}
    imports = next((name for logical_id, name in names.items() if "import" in logical_id.lower()), "clientway-imports")
    location = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    for name in {*names.values(), imports}:
        s3.create_bucket(Bucket=name, **location)
    for logical_id, name in names.items():
        aws.known |= {logical_id: name, f"{logical_id}.Arn": f"arn:aws:s3:::{name}"}
    aws.environment["IMPORT_BUCKET"] = imports


def _create_keys(aws: LocalAws, template: Template) -> None:
    for logical_id in template.named("AWS::KMS::Key"):
        key = aws.client("kms").create_key(Description=logical_id)["KeyMetadata"]
        aws.known |= {logical_id: key["KeyId"], f"{logical_id}.Arn": key["Arn"], f"{logical_id}.KeyId": key["KeyId"]}
        aws.environment[variable(logical_id, "ID")] = key["KeyId"]
    for logical_id in template.named("AWS::SecretsManager::Secret"):
        secrets = aws.client("secretsmanager")
        generated = secrets.get_random_password(PasswordLength=43, ExcludePunctuation=True)["RandomPassword"]
        arn = secrets.create_secret(Name=f"clientway/{logical_id}", SecretString=generated)["ARN"]
        aws.known |= {logical_id: arn, f"{logical_id}.Id": arn}
        aws.environment[variable(logical_id, "ARN")] = arn


def _create_schedule_groups(aws: LocalAws, template: Template) -> None:
    """The groups of one-shot schedules, and what their entries name: functions, and the roles that start them."""
    for logical_id in template.named("AWS::Scheduler::ScheduleGroup"):
        aws.client("scheduler").create_schedule_group(Name=logical_id)
        aws.known[logical_id] = logical_id
    for function in template.functions:
        aws.known[f"{function.name}.Arn"] = f"arn:aws:lambda:{aws.region}:{ACCOUNT}:function:{function.name}"
    for logical_id in template.named("AWS::IAM::Role"):
        aws.known[f"{logical_id}.Arn"] = f"arn:aws:iam::{ACCOUNT}:role/{logical_id}"


def _verify_senders(aws: LocalAws, template: Template, senders: Iterable[str]) -> None:
    values = [value for function in template.functions for value in template.environment(function, aws.known).values()]
    domains = {domain for value in [*values, *template.parameters.values()] for domain in _ADDRESS.findall(value)}
    ses = aws.client("sesv2")
    for identity in sorted({*domains, *LOCAL_SENDERS, *senders}):
        ses.create_email_identity(EmailIdentity=identity)
