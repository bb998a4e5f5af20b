"""`clientway dev` as its user meets it: a process that serves, is alone, and leaves nothing behind however it ends."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from clientway.local import postgres
from tests.served import eventually

TEMPLATE = """
Globals: {Function: {Timeout: 10, Environment: {Variables: {QUEUE_URL: !Ref JobQueue}}}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        paths:
          /hello/{name}:
            get: {x-amazon-apigateway-integration: {uri: !Sub "arn:aws:apigateway:r:lambda:path/v/functions/${Hello.Arn}/invocations"}}
  Hello: {Type: AWS::Serverless::Function, Properties: {Handler: stack_handlers.hello}}
  Consumer:
    Type: AWS::Serverless::Function
    Properties:
      Handler: stack_handlers.consume
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt JobQueue.Arn, FunctionResponseTypes: [ReportBatchItemFailures]}}}
  Tick:
    Type: AWS::Serverless::Function
    Properties:
      Handler: stack_handlers.tick
      Events: {Every: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}}}
  JobQueue: {Type: AWS::SQS::Queue}
"""

HANDLERS = """
import os, pathlib
import boto3

def hello(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["pathParameters"]["name"])
    return {"statusCode": 200, "body": os.environ["DATABASE_URL"] + " " + os.environ["JOB_DATABASE_URL"]}

def consume(event, context):
    with open("consumed", "a") as file:
        file.writelines(record["body"] + "\\n" for record in event["Records"])
    mail = {"Simple": {"Subject": {"Data": "Sign in"}, "Body": {"Text": {"Data": "http://link"}}}}
    boto3.client("sesv2").send_email(FromEmailAddress="a@example.com", Destination={"ToAddresses": ["b@x.example"]}, Content=mail)

def tick(event, context):
    pathlib.Path("ticked").touch()
"""

# The schema, the demo tenant and what is taken up again have tests of their own; here they would only cost time.
DRIVER = """
import sys, types
import clientway.local, clientway.migrations
demo, run = types.ModuleType("clientway.local.demo"), types.ModuleType("clientway.migrations.run")
redelivery = types.ModuleType("clientway.local.redelivery")

def seed(admin_url, *, known_key=None):
    from clientway.config import settings
    assert "clientway_job@" in settings().job_database_url and len(settings().signing_key) >= 32
    return "demo-key"

demo.seed = seed
demo.tenant = lambda admin_url: None
run.migrate = lambda admin_url: None
redelivery.resume = lambda: 0
clientway.local.redelivery = sys.modules["clientway.local.redelivery"] = redelivery
clientway.local.demo = sys.modules["clientway.local.demo"] = demo
clientway.migrations.run = sys.modules["clientway.migrations.run"] = run
from clientway.local.stripe import demo as stripe
stripe.resume = lambda *_: None
stripe.USUAL_PORT = 0
from clientway.local.cli import app
app(sys.argv[1:])
"""


class Dev:
    """One `clientway dev` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it, its output going to the file `output`."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.endswith("DATABASE_URL") and name not in {"PORT", "CLIENTWAY_SIGNING_KEY", "CLIENTWAY_IDENTITY_KEY"}
        }
        path = f"{self.folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        environment |= {"PYTHONPATH": path, "CLIENTWAY_WORKERS": "2", "CLIENTWAY_SCHEDULE_SECONDS": "Tick=0.2"}
        with (self.folder / "output").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, "dev", *(arguments or ["--port", "0"])],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
            )
        self.processes.append(process)
        return process

    def url(self) -> str:
        """Wait until it runs; return its address."""
        return eventually(lambda: re.search(r"Clientway is running\s+(\S+)", self.output()), seconds=120)[1]

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def processes_left(self) -> list[str]:
        """Command lines of processes that were started in this folder or on its data."""
        left = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_text().replace("\0", " ")
                    if line and (str(self.folder) in line or (entry / "cwd").readlink() == self.folder):
                        left.append(line)
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
        return left


@pytest.fixture
def dev() -> Iterator[Dev]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "template.yaml").write_text(TEMPLATE)
        (folder / "stack_handlers.py").write_text(HANDLERS)
        running = Dev(folder)
        yield running
        for process in running.processes:
            process.kill()
            process.wait()
        postgres.stop(folder / ".clientway" / "postgres")


def wait_for(file: Path) -> str:
    eventually(lambda: file.exists() and (file.stat().st_size or file.name == "ticked"), seconds=60)
    return file.read_text()


def test_it_serves_consumes_ticks_and_mails_and_leaves_nothing(dev: Dev) -> None:
    process = dev.start()
    url = dev.url()
    with urllib.request.urlopen(f"{url}/hello/ann") as response:
        app_url, job_url = response.read().decode().split()
    assert re.fullmatch(r"postgresql://clientway_app@127\.0\.0\.1:\d+/clientway", app_url)
    assert job_url == app_url.replace("clientway_app", "clientway_job")
    assert wait_for(dev.folder / "consumed") == "ann\n"
    wait_for(dev.folder / "ticked")
    kept = json.loads(wait_for(dev.folder / ".clientway" / "mailbox.jsonl"))
    assert (kept["subject"], kept["text"]) == ("Sign in", "http://link")
    # It is printed once it has been kept.
    eventually(lambda: "http://link" in dev.output())

    key = dev.folder / ".clientway" / "demo-api-key"
    assert key.read_text() == "demo-key\n"
    secrets = [key, key.with_name("clientway-signing-key"), key.with_name("clientway-identity-key")]
    assert {stat.S_IMODE(secret.stat().st_mode) for secret in secrets} == {0o600}

    output = dev.output()
    second = dev.start()
    assert second.wait(60) == 1
    assert f"already running in {dev.folder} (process {process.pid})" in dev.output().replace("\n", " ")
    assert "Traceback" not in output + dev.output()

    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert dev.processes_left() == []


def test_after_a_kill_the_next_start_takes_over(dev: Dev) -> None:
    began = time.monotonic()
    killed = dev.start()
    dev.url()
    first = time.monotonic() - began
    killed.kill()
    killed.wait()
    began = time.monotonic()
    process = dev.start()
    dev.url()
    # It waits for nobody who is gone.
    assert time.monotonic() - began < first + 10
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert dev.processes_left() == []


def test_an_interrupt_while_starting_leaves_nothing(dev: Dev) -> None:
    process = dev.start()
    postmaster = dev.folder / ".clientway" / "postgres" / "cluster" / "postmaster.pid"
    eventually(postmaster.exists, seconds=60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    eventually(lambda: dev.processes_left() == [], seconds=5)


def test_a_taken_port_is_one_clear_line(dev: Dev) -> None:
    dev.start()
    port = dev.url().rpartition(":")[2]
    (dev.folder / "elsewhere").mkdir()
    (dev.folder / "elsewhere" / "template.yaml").write_text(TEMPLATE)
    other = Dev(dev.folder / "elsewhere")
    process = other.start("--port", port)
    assert process.wait(60) == 1
    assert other.output().count("\n") == 1
    assert f"Port {port} on 127.0.0.1 is not free" in other.output()
