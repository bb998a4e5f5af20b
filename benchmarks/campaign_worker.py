"""Workers of campaigns as processes of their own, which take messages from a queue one after another, as Lambda's do.

The real handler, and a provider that takes everything at once and remembers it, or takes its time.
"""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from typing import Any

from clientway.messaging.campaigns import chunks, claims, sending
from clientway.messaging.delivery import calls, providers
from clientway.messaging.delivery.message import Outgoing
from clientway.operations import relay
from messaging import send_campaign
from tests.fixtures import LambdaContext

SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Taken:
    """What a worker's provider was given, and what its worker spent its time on."""

    ids: list[str] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)
    """Tenant → when it was sent something last."""
    seconds: Counter[str] = field(default_factory=Counter)


def work(messages: "Queue[str | None]", reports: "Queue[Any]", latency: float, together: bool) -> None:  # noqa: FBT001  (a process's arguments)
    """A worker: until there is a None in the queue, which it leaves for the next one. `together`: its calls of the provider are."""
    taken = Taken()

    def send(message: Outgoing, *, once: bool) -> str:  # noqa: ARG001
        if latency:
            time.sleep(latency)
        taken.ids.append(str(message.id))
        taken.last[str(message.tenant_id)] = time.time()
        return f"provider-{message.id}"

    providers.send = send
    if not together:
        calls.at_once = lambda call, of: [call(one) for one in of]
    for module, name in ((claims, "claim"), (claims, "record"), (claims, "content"), (sending, "outgoing"), (chunks, "settle")):
        setattr(module, name, _timed(getattr(module, name), taken.seconds, name))
    began = 0.0
    reports.put("ready")
    while (body := messages.get()) is not None:
        began = began or time.perf_counter()
        record = {"messageId": "1", "body": body, "eventSource": "aws:sqs", "attributes": {"ApproximateReceiveCount": "1"}}
        failed = send_campaign.handler({"Records": [record]}, LambdaContext())["batchItemFailures"]
        if failed:
            reports.put(f"a message failed: {body}")
    messages.put(None)
    taken.seconds["all"] = time.perf_counter() - began if began else 0
    reports.put(taken)


def _timed(call: Callable[..., Any], seconds: Counter[str], name: str) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*given, **named)
        finally:
            seconds[name] += time.perf_counter() - began

    return timed


@dataclass
class Workers:
    """Some workers on one queue: first in, first out, whoever's it is."""

    messages: "Queue[str | None]"
    reports: "Queue[Any]"
    processes: list[Any]

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: ARG002, N803  (boto3's words)
        """Take what the relay hands over."""
        for one in Entries:
            self.messages.put(one["MessageBody"])
        return {}

    def relay_until(self, done: Callable[[], bool]) -> None:
        """Run the real relay again and again; in production it is called as soon as something waits."""
        while not done():
            relay.relay()
            time.sleep(0.005)

    def end(self) -> list[Taken]:
        """Let them go home, and hear what they did."""
        self.messages.put(None)
        found = [self.reports.get(timeout=60) for _ in self.processes]
        for one in self.processes:
            one.join(10)
        broken = [one for one in found if not isinstance(one, Taken)]
        if broken:
            raise RuntimeError(broken[0])
        return found


@contextmanager
def working(count: int, *, latency: float = 0.0, together: bool = True) -> Iterator[Workers]:
    """Start workers and wait until they have imported everything."""
    messages, reports = SPAWN.Queue(), SPAWN.Queue()
    processes = [SPAWN.Process(target=work, args=(messages, reports, latency, together), daemon=True) for _ in range(count)]
    for one in processes:
        one.start()
    for _ in processes:
        if reports.get(timeout=60) != "ready":
            raise RuntimeError("a worker did not start")
    workers = Workers(messages, reports, processes)
    former, relay.sqs = relay.sqs, lambda: workers
    try:
        yield workers
    finally:
        relay.sqs = former
        for one in processes:
            one.kill()
