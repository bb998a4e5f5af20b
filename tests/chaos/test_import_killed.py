"""An import's worker that dies at any of its steps: every row is accounted for once, and undo takes everything back."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from sqlalchemy import text

from clientway.integrations.imports import worker
from tests.chaos.importing import Importer, known_rows, rows
from tests.chaos.mortal import Killed, mortal
from tests.fixtures import make_tenant
from tests.served import ROOT

ROWS, CHUNK = 160, 40
ACTIONS = ("preview", "commit", "undo")
WORKED_ON, KEPT = "New Place 1", {"organizations": 1, "locations": 1, "contacts": 1}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", CHUNK)


@pytest.fixture
def importer(admin_engine, database_url):
    def make():
        made = Importer(make_tenant(admin_engine), admin_engine)
        made.whole(known_rows())
        return made

    return make


@pytest.fixture
def clean(importer, monkeypatch):
    """How it goes when nobody dies, and how many flights each action makes."""
    one = importer()
    before, records, flights = one.content(), one.content(history=False), {}
    seconds = {}
    import_id = one.start(rows(ROWS))
    for action in ACTIONS:
        if action != "preview":
            one.ask(import_id, action)
        began = time.monotonic()
        with mortal(monkeypatch, -1, "") as made:
            one.work(import_id, action)
        seconds[action] = time.monotonic() - began
        flights[action] = len(made)
        if action == "commit":
            committed, outcomes, counts = one.content(), one.rows_of(import_id), one.read(import_id)["counts"]
    assert flights["commit"] > ROWS / CHUNK * 5
    assert all(counts[name] for name in ("created", "updated", "skipped", "failed"))
    assert one.content(history=False) == records
    found = {"before": before, "records": records, "committed": committed, "outcomes": outcomes, "counts": counts}
    return {**found, "flights": flights, "seconds": seconds}


def test_every_step_of_the_worker_can_be_its_last(importer, clean, monkeypatch, draw, size, tally):
    deaths = [(action, at, when) for action in ACTIONS for at in range(clean["flights"][action]) for when in ("before", "after")]
    chosen = draw.sample(deaths, min(len(deaths), size(short=5, long=10_000)))
    for action, at, when in chosen:
        die_once(importer(), clean, monkeypatch, draw, (action, at, when))
    tally.update({"deaths of the import's worker, before and after each flight": len(chosen), "rows accounted for": len(chosen) * ROWS})


def die_once(one, clean, monkeypatch, draw, death):
    action, at, when = death
    import_id, worked_on = one.start(rows(ROWS)), draw.random() < 0.5
    for step in ACTIONS:
        if step == "undo" and worked_on:
            work_on(one)
        if step != "preview":
            one.ask(import_id, step)
        if step == action:
            with mortal(monkeypatch, at, when), pytest.raises(Killed):
                one.work(import_id, step)
            # Now and then the next one dies as well.
            if draw.random() < 0.3:
                with mortal(monkeypatch, draw.randrange(at + 2), "after"), suppress(Killed):
                    one.work(import_id, step)
        one.work(import_id, step)
        # What a queue delivers once more does no harm.
        one.work(import_id, step)
        look_after(one, import_id, step, clean, death, worked_on=worked_on)


def work_on(one):
    """Somebody writes a note about one of the organizations that the import has brought."""
    [found] = one.call("GET", "/api/organizations?q=ana1@new1.example")["data"]
    one.call("PATCH", f"/api/organizations/{found['id']}", {"notes": "Called"}, **{"if-match": f'"{found["version"]}"'})


def test_workers_that_are_killed_outright_lose_nothing(importer, clean, draw, size, tally):
    for _ in range(size(short=1, long=40)):
        one = importer()
        import_id = one.start(rows(ROWS))
        for step in ACTIONS:
            if step != "preview":
                one.ask(import_id, step)
            deaths = [draw.uniform(0, 0.6 * clean["seconds"][step]) for _ in range(draw.randrange(1, 5))]
            tally[f"workers killed outright in {step}"] += deliver_until_done(one, import_id, step, deaths)
            look_after(one, import_id, step, clean, (step, deaths))
        tally["rows accounted for"] += ROWS


def deliver_until_done(one, import_id, action, deaths):
    """Deliver a message to workers that die after so many seconds, and then to one that lives; returns how many died."""
    message = {"tenant_id": str(one.tenant.id), "import_id": str(import_id), "action": action}
    path = os.pathsep.join([str(ROOT), str(ROOT / "functions"), str(ROOT / "shared")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.deliveries"], input=json.dumps({"message": message, "deaths": deaths, "chunk": CHUNK}),
        env={**os.environ, "PYTHONPATH": path, "DATABASE_POOL_SIZE": "1"}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["status"] == 0, done.stderr[-3000:]
    return told["killed"]


def look_after(one, import_id, step, clean, death, *, worked_on=False):
    state = one.read(import_id)
    if step == "preview":
        assert state["status"] == "previewed", death
        assert one.rows_of(import_id) == [], death
        assert one.content() == clean["before"], death
    elif step == "commit":
        assert (state["status"], state["counts"]) == ("completed", clean["counts"]), death
        assert state["counts"]["total"] == sum(state["counts"][name] for name in ("created", "updated", "skipped", "failed")) == ROWS, death
        assert one.rows_of(import_id) == clean["outcomes"], death
        assert one.content() == clean["committed"], death
        assert completions(one, import_id) == 1, death
    else:
        assert state["status"] == "undone", death
        left = one.content(history=False)
        # All is as it was, and what somebody has worked on since is there with its place and its people.
        assert not {table: gone for table in left if (gone := clean["records"][table] - left[table])}, death
        more = {table: list((left[table] - clean["records"][table]).elements()) for table in left}
        assert {table: len(rows) for table, rows in more.items() if rows} == (KEPT if worked_on else {}), (death, more)
        assert not worked_on or f'"{WORKED_ON}"' in more["organizations"][0]
        assert state["counts"]["undone"] == state["counts"]["created"] + state["counts"]["updated"] - worked_on, death


def completions(one, import_id):
    statement = text("select count(*) from outbox where topic = 'integration.import_completed' and payload ->> 'import_id' = :i")
    with one.engine.connect() as connection:
        return connection.execute(statement, {"i": str(import_id)}).scalar()
