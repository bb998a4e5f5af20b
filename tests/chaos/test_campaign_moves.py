"""A campaign that is paused, resumed and canceled while several workers send it: nobody twice, and nobody passed over."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from clientway.db import LockTimeout, job_transaction
from clientway.messaging.campaigns import launching, rules, sending
from clientway.messaging.delivery import providers
from tests import campaigns
from tests.campaigns import Provider
from tests.chaos.campaigning import alone

WORKERS = 3
PATIENCE = 30


class Desk:
    """Somebody who moves a campaign about, and remembers what was under way whenever it was paused."""

    def __init__(self, campaign, provider):
        self.campaign, self.provider = campaign, provider
        self.under_way = None
        self.trespassers = []

    def take(self, message):
        """The provider's look at each message: of a paused campaign only what had been claimed before may come."""
        allowed = self.under_way
        if allowed is not None and message.id not in allowed:
            self.trespassers.append(message.id)

    def move(self, what):
        while True:
            try:
                with job_transaction(self.campaign.tenant.id) as tx:
                    getattr(launching, what)(tx, self.campaign.id)
            except LockTimeout:
                continue
            break
        if what in ("pause", "cancel"):
            self.under_way = {row.id for row in self.campaign.rows("id", "state = 'sending'")}

    def pause_and_resume(self):
        try:
            self.move("pause")
        except rules.MoveRefused:
            # It is finished.
            return False
        time.sleep(0.02)
        self.under_way = None
        self.move("resume")
        return True


def at_work(campaign, bodies, stop):
    while not stop.is_set():
        try:
            body = bodies.pop(0)
        except IndexError:
            time.sleep(0.002)
            continue
        sending.work(body)


@pytest.mark.parametrize("ending", ["finished", "canceled"])
def test_moved_about_while_it_is_sent(ending, tenant, admin_engine, database_url, draw, size, tally, monkeypatch):
    alone(admin_engine)
    for _ in range(size(short=1, long=100)):
        campaign = campaigns.launched(admin_engine, tenant, 300, chunk=draw.choice([20, 50, 100]))
        provider = Provider(after=lambda _message: time.sleep(0.001))
        desk = Desk(campaign, provider)
        provider.before = desk.take
        monkeypatch.setattr(providers, "send", provider.send)
        bodies, stop = [], threading.Event()
        campaign.pump()
        with ThreadPoolExecutor(WORKERS) as pool:
            workers = [pool.submit(at_work, campaign, bodies, stop) for _ in range(WORKERS)]
            try:
                ends, moves = time.monotonic() + PATIENCE, draw.randrange(1, 3) if ending == "canceled" else draw.randrange(3, 8)
                while campaign.status not in ("finished", "canceled"):
                    assert time.monotonic() < ends, (campaign.status, campaign.states)
                    new = campaign.relayed()
                    draw.shuffle(new)
                    # Now and then a message twice.
                    bodies += new + [one for one in new if draw.random() < 0.1]
                    if draw.random() < 0.2 and moves:
                        moves -= 1
                        tally["pauses"] += desk.pause_and_resume()
                    elif ending == "canceled" and not moves:
                        with suppress(rules.MoveRefused):
                            # It may be finished.
                            desk.move("cancel")
                    time.sleep(draw.uniform(0, 0.03))
            finally:
                stop.set()
            for one in workers:
                one.result(10)

        assert desk.trespassers == []
        assert set(provider.ids.values()) <= {1}
        rows = campaign.rows()
        assert {row.state for row in rows if row.id in provider.ids} <= {"sent"}
        # Nobody is passed over: who did not get it is of a campaign that was canceled.
        assert {row.state for row in rows if row.id not in provider.ids} <= ({"canceled"} if campaign.status == "canceled" else set())
        tally["recipients"] += len(rows)
        tally["of them canceled"] += campaign.states["canceled"]
