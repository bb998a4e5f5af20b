"""From the outbox to the queues: what a transaction wanted done is handed over after it has committed.

Rows are claimed with a lease and a fencing token, so relays may run side by side and one that dies hands its rows on.
A row goes out at least once; its id travels along as the receiver's idempotency key.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from clientway.config import settings
from clientway.db import job_connection
from clientway.queues import sqs

DESTINATIONS = {
    "campaign": "campaign_queue_url",
    "import": "import_queue_url",
    "mail": "mail_queue_url",
    "message": "message_queue_url",
    "stripe": "stripe_send_queue_url",
    "wake": "wake_queue_url",
}
"""Topic (up to its first dot) → the setting that holds its queue.

A topic that is not listed is a domain event that nothing subscribes to yet (`organization.stage_changed`): it counts as
handed over at once, so that it neither piles up nor hides what is stuck. To subscribe is to add a line here.
"""

BATCH = 100
LEASE = timedelta(minutes=2)
_SQS_ENTRIES = 10
_SQS_BYTES = 200 * 1024
_LONGEST_DELAY = timedelta(minutes=15)
_LONGEST_IN_QUEUE = 900
"""Seconds; SQS takes no more."""


@dataclass(frozen=True)
class Row:
    """A claimed outbox row."""

    tenant_id: UUID
    id: UUID
    topic: str
    payload: dict[str, Any]
    attempts: int

    @property
    def message(self) -> str:
        """What the queue carries."""
        return json.dumps({"id": str(self.id), "tenant_id": str(self.tenant_id), "topic": self.topic, "payload": self.payload})

    @property
    def held_back(self) -> dict[str, int]:
        """For how long the queue keeps it to itself, where the payload says so: nobody need look again when that is over."""
        seconds = self.payload.get("delay_seconds")
        return {"DelaySeconds": min(seconds, _LONGEST_IN_QUEUE)} if isinstance(seconds, int) and seconds > 0 else {}

    @property
    def delay(self) -> timedelta:
        """How long to wait after a failure: 2, 4, 8 … seconds, at most 15 minutes."""
        return min(timedelta(seconds=2 ** min(self.attempts, 20)), _LONGEST_DELAY)


@dataclass
class Relayed:
    """What one run did."""

    sent: int = 0
    unsubscribed: int = 0
    failed: int = 0


def relay(*, may_go_on: Callable[[], bool] = lambda: True) -> Relayed:
    """Hand over everything that is due, batch after batch, until nothing is left or `may_go_on` says no."""
    total = Relayed()
    while may_go_on():
        token = uuid4()
        rows = _claim(token)
        _hand_over(rows, token, total)
        if len(rows) < BATCH:
            break
    return total


def oldest() -> float:
    """For how many seconds the oldest row has been waiting; 0 when none is."""
    with job_connection() as connection:
        return float(connection.scalar(text("select app.outbox_age()")))


def _hand_over(rows: Sequence[Row], token: UUID, total: Relayed) -> None:
    done: list[UUID] = []
    failed: list[tuple[Row, str]] = []
    for setting, meant in _by_destination(rows).items():
        if setting is None:
            done += [row.id for row in meant]
            total.unsubscribed += len(meant)
            continue
        for chunk in _chunks(meant):
            errors = _send(getattr(settings(), setting), chunk)
            done += [row.id for row in chunk if row.id not in errors]
            failed += [(row, errors[row.id]) for row in chunk if row.id in errors]
            total.sent += len(chunk) - len(errors)
    total.failed += len(failed)
    _finish(token, done, failed)


def _by_destination(rows: Iterable[Row]) -> dict[str | None, list[Row]]:
    found: dict[str | None, list[Row]] = {}
    for row in rows:
        found.setdefault(DESTINATIONS.get(row.topic.partition(".")[0]), []).append(row)
    return found


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        length = len(row.message.encode())
        if chunk and (len(chunk) == _SQS_ENTRIES or size + length > _SQS_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk


def _send(queue_url: str, rows: Sequence[Row]) -> dict[UUID, str]:
    """Send up to ten messages; returns what failed and why."""
    entries = [
        # The group gives tenants their turns on a standard queue: one tenant's thousand mails do not hold up another's one.
        {"Id": str(index), "MessageBody": row.message, "MessageGroupId": str(row.tenant_id), **row.held_back}
        for index, row in enumerate(rows)
    ]
    try:
        answer = sqs().send_message_batch(QueueUrl=queue_url, Entries=entries)
    except Exception as error:  # noqa: BLE001  (whatever it is, the rows are tried again and carry the reason)
        return {row.id: f"{type(error).__name__}: {error}" for row in rows}
    return {rows[int(entry["Id"])].id: f"{entry['Code']}: {entry.get('Message', '')}" for entry in answer.get("Failed", [])}


def _claim(token: UUID) -> list[Row]:
    with job_connection() as connection:
        found = connection.execute(_CLAIM, {"limit": BATCH, "lease": LEASE, "token": token}).all()
    return [Row(*row) for row in found]


def _finish(token: UUID, done: Sequence[UUID], failed: Sequence[tuple[Row, str]]) -> None:
    if not done and not failed:
        return
    with job_connection() as connection:
        if done:
            connection.execute(_FINISH, {"ids": list(done), "token": token})
        for row, error in failed:
            connection.execute(_RETRY, {"id": row.id, "token": token, "delay": row.delay, "error": error})


_CLAIM = text("select tenant_id, id, topic, payload, attempts from app.claim_outbox(:limit, cast(:lease as interval), :token)")
_FINISH = text("select app.finish_outbox(cast(:ids as uuid[]), :token)")
_RETRY = text("select app.retry_outbox(:id, :token, cast(:delay as interval), :error)")
