"""A campaign of 100,000 against a provider that answers at once, by four workers; each is to get it exactly once.

And smaller ones against a provider that takes as long as SES does, with a worker's calls together and one after another.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator

from benchmarks.campaign_worker import Taken, working
from benchmarks.measure import Row
from benchmarks.stage import Stage
from clientway.config import settings
from clientway.db import job_transaction
from clientway.messaging.campaigns import chunks
from clientway.messaging.delivery.calls import AT_ONCE
from tests import campaigns
from tests.campaigns import Launched

PEOPLE = 100_000
WORKERS = 4
LEAST = 1_500
LATENCY = 0.08
"""Seconds of a call; SES takes 60 to 100 ms."""
TOGETHER, ONE_BY_ONE = 10_000, 600
"""Recipients, so that both take some seconds."""
_TIMED = {
    "claim": "claiming", "record": "reporting", "outgoing": "rendering", "settle": "ending chunks", "content": "reading the campaign",
}  # fmt: skip


def run(stage: Stage) -> Iterator[Row]:
    """Launch it, and look at every row afterwards."""
    os.environ["CAMPAIGN_QUEUE_URL"] = "the queue of campaigns"
    settings.cache_clear()
    rate, found = sent(stage, PEOPLE)
    detail = f"{rate:,.0f} a second, each exactly once; a message takes a worker {shares(found)}"
    # As a ratio that is to be small, like all the others.
    yield Row(f"{LEAST:,} messages a second : campaign of {PEOPLE:,} by {WORKERS} workers, instant provider", LEAST / rate, 1, detail)
    single, _ = sent(stage, ONE_BY_ONE, latency=LATENCY, together=False)
    rate, _ = sent(stage, TOGETHER, latency=LATENCY)
    detail = f"{single:,.0f} a second against {rate:,.0f} by {WORKERS} workers, each exactly once"
    yield Row(f"messages a second, calls of {LATENCY * 1000:.0f} ms one after another : {AT_ONCE} together", single / rate, 0.2, detail)


def sent(stage: Stage, people: int, *, latency: float = 0.0, together: bool = True) -> tuple[float, list[Taken]]:
    """Send a campaign to so many; returns how many a second, and what the workers did."""
    campaign = campaigns.launched(stage.admin, stage.tenant(), people)
    with stage.admin.connect() as connection:
        connection.exec_driver_sql("vacuum analyze")
        connection.exec_driver_sql("checkpoint")
    with working(WORKERS, latency=latency, together=together) as workers:
        began = time.perf_counter()
        with job_transaction(campaign.tenant.id) as tx:
            chunks.pump(tx, campaign.id)
        workers.relay_until(lambda: campaign.status == "finished")
        taken = time.perf_counter() - began
        found = workers.end()
    check(campaign, found, people)
    return people / taken, found


def check(campaign: Launched, found: list[Taken], people: int) -> None:
    """Raise RuntimeError unless everybody got it exactly once and all of it is written down."""
    times = Counter(one for taken in found for one in taken.ids)
    rows = {str(row.id) for row in campaign.rows("id")}
    lines = campaign.one("select count(distinct metadata ->> 'send_id') from activities where tenant_id = :t")
    counted = campaign.one("select sum(total_emails_received) from contacts where tenant_id = :t")
    if times != Counter(dict.fromkeys(rows, 1)) or campaign.states != {"sent": people} or (lines, counted) != (people, people):
        most = max(times.values())
        message = f"{len(times):,} of {len(rows):,}, at most {most} times; {campaign.states}; {lines} lines, {counted} counted"
        raise RuntimeError(message)


def shares(found: list[Taken]) -> str:
    """What a worker's time for one message goes into."""
    spent: Counter[str] = sum((one.seconds for one in found), Counter())
    sent = sum(len(one.ids) for one in found)
    told = [f"{spent[name] / sent * 1e6:,.0f} µs {meaning}" for name, meaning in _TIMED.items()]
    return f"{spent['all'] / sent * 1e6:,.0f} µs, of them {', '.join(told)}"
