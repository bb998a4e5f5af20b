"""What starts functions besides HTTP: queue pollers with Lambda's partial batch semantics, and schedules."""

import json
import logging
import os
import re
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError

from clientway.local.aws import ACCOUNT, LocalAws
from clientway.local.template import QueueConsumer, Schedule
from clientway.local.workers import FunctionError

logger = logging.getLogger(__name__)

SQS_BATCH_LIMIT = 10
POLL_SECONDS = 10
# A minute's wait for a sign-in mail is no pleasure on one's own machine.
QUICK_RATE_SECONDS = 2.0
# Nor is a quarter of an hour's for a reminder that is due, and what these look at is little on one machine.
_QUICK = {"DispatchReminders": QUICK_RATE_SECONDS, "TendMessages": QUICK_RATE_SECONDS, "PlanReminders": 5.0}

Invoke = Callable[[str, dict[str, Any]], Any]
Message = Mapping[str, Any]


class Poller(threading.Thread):
    """Feeds one function from one queue, batch after batch."""

    def __init__(self, consumer: QueueConsumer, aws: LocalAws, invoke: Invoke, *, wait_seconds: int = POLL_SECONDS) -> None:
        """Prepare; `start` begins to poll. An empty queue is waited on for `wait_seconds` a call."""
        super().__init__(daemon=True, name=f"queue {consumer.queue}")
        self._consumer = consumer
        self._url = aws.known[consumer.queue]
        self._arn = aws.known[f"{consumer.queue}.Arn"]
        self._region = aws.region
        self._sqs = aws.client("sqs")
        self._invoke = invoke
        self._wait_seconds = wait_seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        """Poll until stopped. An unreachable queue is tried again, as Lambda would."""
        while not self._stopping.is_set():
            try:
                self.poll()
            except (BotoCoreError, ClientError) as error:
                if not self._stopping.wait(1):
                    logger.warning("%s: %s", self.name, error)

    def poll(self) -> None:
        """Receive at most one batch, invoke the function and delete what it has dealt with."""
        received = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(self._consumer.batch_size, SQS_BATCH_LIMIT),
            WaitTimeSeconds=self._wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[Message] = received.get("Messages", [])
        if not messages or self._stopping.is_set():
            return
        try:
            answer = self._invoke(self._consumer.handler, sqs_event(messages, self._arn, self._region))
        except FunctionError as error:
            if not self._stopping.is_set():
                logger.warning("%s: %s", self._consumer.function, error)
            return
        done = handled(messages, answer, partial=self._consumer.report_batch_item_failures)
        if done:
            entries = [{"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(done)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def stop(self) -> None:
        """Take no further batch."""
        self._stopping.set()


def sqs_event(messages: Sequence[Message], arn: str, region: str) -> dict[str, Any]:
    """Build the event that Lambda's SQS event source makes of received messages."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": dict(message.get("Attributes", {})),
                "messageAttributes": {
                    name: {
                        "dataType": attribute["DataType"],
                        "stringValue": attribute.get("StringValue"),
                        "stringListValues": [],
                        "binaryListValues": [],
                    }
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": message.get("MD5OfBody", ""),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": region,
            }
            for message in messages
        ]
    }


def handled(messages: Sequence[Message], answer: object, *, partial: bool) -> list[Message]:
    """Return the messages to delete after an invocation that did not raise.

    With ReportBatchItemFailures these are all that the answer does not name; an answer that Lambda cannot read, or one that names an
    unknown or empty identifier, fails the whole batch. Source: "Handling errors for an SQS event source in Lambda", AWS documentation.
    """
    if not partial or answer in (None, {}, ""):
        return list(messages)
    if not isinstance(answer, dict):
        return []
    failures = answer.get("batchItemFailures")
    if failures is None:
        return list(messages)
    if not isinstance(failures, list):
        return []
    failed = {failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures}
    if not failed <= {message["MessageId"] for message in messages}:
        return []
    return [message for message in messages if message["MessageId"] not in failed]


class Clock(threading.Thread):
    """Runs one function on its schedule, never twice at once; a run that takes too long delays the next."""

    def __init__(self, schedule: Schedule, invoke: Invoke, *, every: float | None = None, region: str = "local") -> None:
        """Prepare; `start` begins to count. `every`, in seconds, replaces what the schedule says."""
        super().__init__(daemon=True, name=f"schedule {schedule.function}")
        self._schedule = schedule
        self._invoke = invoke
        self._region = region
        self._next = (lambda now: now + timedelta(seconds=every)) if every else next_due(schedule.expression, schedule.timezone)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Wait for the next due time and run, until stopped."""
        while True:
            now = datetime.now(UTC)
            due = self._next(now)
            if due is None or self._stopping.wait((due - now).total_seconds()):
                return
            try:
                self._invoke(self._schedule.handler, self.event(due))
            except FunctionError as error:
                if not self._stopping.is_set():
                    logger.warning("%s: %s", self._schedule.function, error)

    def event(self, due: datetime) -> dict[str, Any]:
        """Build what EventBridge Scheduler sends: the schedule's Input, or its standard event."""
        if self._schedule.payload is not None:
            payload: dict[str, Any] = json.loads(self._schedule.payload)
            return payload
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT,
            "time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._region,
            "resources": [f"arn:aws:scheduler:{self._region}:{ACCOUNT}:schedule/default/{self._schedule.function}"],
            "detail": {},
        }

    def stop(self) -> None:
        """Start no further run."""
        self._stopping.set()


def seconds_override(function: str, expression: str) -> float | None:
    """Return how often to run a schedule instead of what it says, or None to obey it.

    CLIENTWAY_SCHEDULE_SECONDS is a number for all schedules, or pairs with commas between: "RelayOutbox=0.5,Reminders=3".
    Without it, what runs every minute in the cloud runs every two seconds here, and so does what sends messages.
    """
    setting = os.environ.get("CLIENTWAY_SCHEDULE_SECONDS", "")
    for part in filter(None, (part.strip() for part in setting.split(","))):
        name, equals, seconds = part.rpartition("=")
        if not equals or name.strip() == function:
            return float(seconds)
    return QUICK_RATE_SECONDS if re.fullmatch(r"rate\(\s*1 minute\s*\)", expression) else _QUICK.get(function)


_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {
    name: number for number, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1)
}
_WEEKDAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
_HORIZON_DAYS = 366 * 8  # beyond the longest gap of a 29 February


def next_due(expression: str, timezone: str = "UTC") -> Callable[[datetime], datetime | None]:
    """Return a function from now to the next due time of `rate(value unit)` or AWS's six-field `cron(...)`; None when there is none.

    Raises ValueError for an expression that is neither, or for cron's L, W and #.
    """
    if rate := re.fullmatch(r"rate\(\s*(\d+) (minute|hour|day)s?\s*\)", expression):
        period = timedelta(seconds=int(rate[1]) * _UNITS[rate[2]])
        return lambda now: now + period
    cron = re.fullmatch(r"cron\((.+)\)", expression)
    fields = cron[1].split() if cron else []
    if len(fields) != 6:  # noqa: PLR2004
        raise ValueError(f"Not a schedule: {expression!r}")
    minutes, hours = _cron_field(fields[0], 0, 59), _cron_field(fields[1], 0, 23)
    days, months = _cron_field(fields[2], 1, 31), _cron_field(fields[3], 1, 12, _MONTHS)
    weekdays, years = _cron_field(fields[4], 1, 7, _WEEKDAYS), _cron_field(fields[5], 1970, 2199)
    zone = ZoneInfo(timezone)

    def following(now: datetime) -> datetime | None:
        local = now.astimezone(zone)
        for offset in range(_HORIZON_DAYS):
            day = local.date() + timedelta(days=offset)
            # AWS counts weekdays from Sunday = 1.
            if day.month not in months or day.day not in days or day.isoweekday() % 7 + 1 not in weekdays or day.year not in years:
                continue
            for hour in hours:
                for minute in minutes:
                    due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
                    if due > now:
                        return due
        return None

    return following


def _cron_field(text: str, low: int, high: int, names: Mapping[str, int] | None = None) -> list[int]:
    def number(word: str) -> int:
        value = (names or {}).get(word.upper())
        value = int(word) if value is None else value
        if not low <= value <= high:
            raise ValueError(f"{word!r} in a cron field is not between {low} and {high}")
        return value

    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span in {"*", "?"}:
            start, end = low, high
        else:
            start = number(first)
            end = number(last) if dash else high if step else start
        values.update(range(start, end + 1, int(step or 1)))
    return sorted(values)
