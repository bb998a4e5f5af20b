"""A tenant's small campaign beside another's that is a hundred times as large: how long it waits, and how long it would alone.

On one queue that is first in, first out, whoever's its messages are: what keeps the large one from filling it is that few of
its chunks are in it at a time. AWS's fair queues come on top of that: they give tenants (message groups) their turns.
"""

import os
import random
import time
from collections.abc import Iterator
from statistics import median, quantiles

from benchmarks.campaign_worker import Workers, working
from benchmarks.measure import Row
from benchmarks.stage import Stage
from clientway.config import settings
from clientway.messaging.campaigns.rules import CHUNK
from tests import campaigns
from tests.campaigns import Launched

WORKERS = 4
SMALL = CHUNK
TIMES_AS_LARGE = 100
PROBES = 24
LATENCY = 0.08
"""Seconds that the provider takes for a message: as long as SES does. With much less it is the machine that is shared, not the queue."""


def run(stage: Stage) -> Iterator[Row]:
    """Small campaigns of tenants that do nothing else, first alone, then while a large one is being sent."""
    os.environ["CAMPAIGN_QUEUE_URL"] = "the queue of campaigns"
    settings.cache_clear()
    alone = [campaigns.launched(stage.admin, stage.tenant(), SMALL) for _ in range(PROBES)]
    beside = [campaigns.launched(stage.admin, stage.tenant(), SMALL) for _ in range(PROBES)]
    # One after another, so that there is always one that is a hundred times as large.
    noisy = stage.tenant()
    large = [campaigns.launched(stage.admin, noisy, SMALL * TIMES_AS_LARGE) for _ in range(PROBES // 4)]
    with stage.admin.connect() as connection:
        connection.exec_driver_sql("vacuum analyze")
    quiet, loud, sent = waits(alone, [])[0], *waits(beside, large)
    detail = (
        f"{p95(loud):.2f} s (median {median(loud):.2f}) against {p95(quiet):.2f} s (median {median(quiet):.2f}); {SMALL} recipients each, "
        f"{sent:,} of the large ones sent meanwhile; a provider of {LATENCY * 1000:g} ms, {WORKERS} workers, one plain queue"
    )
    yield Row(f"p95 wait of a small campaign beside one {TIMES_AS_LARGE} × its size : alone", p95(loud) / p95(quiet), 3, detail)


def waits(small: list[Launched], large: list[Launched]) -> tuple[list[float], int]:
    """From its launch until its last message, for each; and how many of the large ones' went out."""
    draw, found, left = random.Random(5), [], list(large)
    with working(WORKERS, latency=LATENCY) as workers:
        current = None
        for one in small:
            while left and (current is None or current.states["queued"] < 2 * SMALL * WORKERS):
                # The next one begins before the last is over.
                current = left.pop()
                current.pump()
            relay_for(workers, draw.uniform(0.1, 0.5))
            began = time.time()
            one.pump()
            workers.relay_until(lambda one=one: one.status == "finished")
            found.append((str(one.tenant.id), began))
        if large and not left and current is not None and current.status == "finished":
            raise RuntimeError("the large ones were over too soon")
        for one in large:
            one.one("update campaigns set status = 'paused' where id = :c and status = 'sending'")
        taken = workers.end()
    last = {tenant: max(one.last.get(tenant, 0) for one in taken) for tenant, _ in found}
    total = sum(len(one.ids) for one in taken)
    return [last[tenant] - began for tenant, began in found], total - SMALL * len(small)


def relay_for(workers: Workers, seconds: float) -> None:
    """Let some time pass."""
    until = time.monotonic() + seconds
    workers.relay_until(lambda: time.monotonic() >= until)


def p95(times: list[float]) -> float:
    """The wait that one in twenty exceeds."""
    return quantiles(times, n=20, method="inclusive")[-1]
