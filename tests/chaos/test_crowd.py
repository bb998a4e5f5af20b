"""More callers than the database has places: who finds none is told so at once, and all is well when they have gone."""

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy import text

from clientway.config import TIMEOUTS
from tests.chaos.clusters import cluster
from tests.chaos.conftest import LONG
from tests.chaos.crowd import AFTER, ONCE_MORE
from tests.fixtures import make_tenant
from tests.routes import ROOT

PLACES = 20


@pytest.fixture(scope="module")
def small():
    with cluster(max_connections=str(PLACES)) as running:
        yield running


def test_a_crowd(small, size, draw, tally):
    for _ in range(size(short=1, long=3)):
        callers, seed = size(short=60, long=200), f"{draw.randrange(10**9)}"
        tenant = make_tenant(small.admin)
        own = {"DATABASE_URL": small.url(), "JOB_DATABASE_URL": small.url("clientway_job"), "DATABASE_POOL_SIZE": "1"}
        path = os.pathsep.join(str(ROOT / folder) for folder in ("", "functions", "shared"))
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.crowd", str(callers), str(size(short=2, long=10)), tenant.admin, seed],
            env={**os.environ, **own, "PYTHONPATH": path},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            timeout=90,
        )
        found = json.loads(done.stdout)
        answers, refused = found["answers"], [one for one in found["answers"] if one["status"] == 503]

        assert {one["status"] for one in answers} <= {200, 201, 503}
        assert all(one["right"] for one in answers if one["status"] != 503)
        # More came than there are places, so some were turned away, and others were not.
        assert refused
        assert len(answers) > len(refused)
        assert {(one["code"], one["retry_after"]) for one in refused} == {("database_unavailable", "2")}
        # Hundreds of processes on a few processors wait for one another as well. None waits for a place.
        waits = sorted(one["seconds"] for one in refused)
        assert waits[-1] < TIMEOUTS["flight"]
        # How soon is a matter of the machine too, which may be busy with other tests in the short run.
        assert not LONG or waits[len(waits) // 2] < 1
        assert found["recovered"] < (AFTER if LONG else 3 * AFTER)
        assert [one["status"] for one in found["later"]] == [200] * ONCE_MORE
        with small.admin.connect() as admin:
            statement = text("select legal_name, count(*) as made from organizations where tenant_id = :t group by 1")
            made = {row.legal_name: row.made for row in admin.execute(statement, {"t": tenant.id})}
        assert made == {one["name"]: 1 for one in answers if one["status"] == 201}

        tally["crowds"] += 1
        tally["answers"] += len(answers) - len(refused)
        tally["turned away"] += len(refused)
        tally[f"milliseconds until turned away, median (of {callers} callers)"] = round(waits[len(waits) // 2] * 1000)
        tally["milliseconds until turned away, slowest"] = max(tally["milliseconds until turned away, slowest"], round(waits[-1] * 1000))
        tally["milliseconds until it was well again, slowest"] = max(
            tally["milliseconds until it was well again, slowest"], round(found["recovered"] * 1000)
        )
