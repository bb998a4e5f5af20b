"""Five tenants over one reused connection, a million operations: nobody sees or touches a row of another's."""

import itertools
import json
import os
import subprocess
import sys
from collections import Counter

from sqlalchemy import text

from tests.chaos import neighbours
from tests.everything import one_of_everything
from tests.fixtures import make_tenant
from tests.served import ROOT

# What of a row names its tenant: what the lists show, and what the walks write.
SHOWN = {
    "organizations": "dba_name", "contacts": "last_name", "deals": "lost_reason", "payments": "note", "tickets": "description", "reps": "email",
}  # fmt: skip
WRITTEN = {"organizations": "notes", "reps": "name", "locations": "name", "tickets": "subject", "deals": "name"}


def five_tenants(engine):
    """Five tenants with a row of everything."""
    found = []
    for tenant in [make_tenant(engine) for _ in range(5)]:
        everything, mark = one_of_everything(engine, tenant), f"mark-of-{tenant.slug}"
        with engine.connect() as connection:
            for table, column in SHOWN.items():
                connection.execute(text(f"update {table} set {column} = :m where tenant_id = :t"), {"m": mark, "t": tenant.id})
        ids = {table: str(one) for table, one in everything.ids.items()}
        found.append({"id": str(tenant.id), "slug": tenant.slug, "keys": tenant.keys, "ids": ids, "mark": mark})
    return found


def test_five_tenants_never_meet(admin_engine, database_url, seed, size, tally, tmp_path):
    processes = size(short=1, long=3)
    wanted = size(short=3_000, long=1_002_000)
    tenants = [five_tenants(admin_engine) for _ in range(processes)]
    given = {"tenants": tenants, "operations": wanted // processes, "seed": seed, "folder": str(tmp_path)}
    path = os.pathsep.join([str(ROOT), str(ROOT / "functions"), str(ROOT / "shared")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.neighbours"], input=json.dumps(given), cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "DATABASE_POOL_SIZE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]

    told = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(processes)]
    did = sum((Counter(one["did"]) for one in told), Counter())
    assert did["operations"] >= wanted
    # It was one connection, and everything happened on it that was to happen.
    assert {one["backends"] for one in told} == {1}
    assert all(did[kind] for kind in (*neighbours._OPERATIONS, "a list through its handler", "refused", "read by nobody"))
    assert all(did[kind] for kind in ("committed", "rolled back", "abandoned", "failed"))
    # What they wrote is where it belongs: every mark is its own tenant's.
    with admin_engine.connect() as connection:
        for one in itertools.chain(*tenants):
            for table, column in {
                "organizations": "notes",
                "reps": "name",
                "locations": "name",
                "tickets": "subject",
                "deals": "name",
            }.items():
                sql = f"select distinct {column} from {table} where tenant_id = :t"
                marks = set(connection.execute(text(sql), {"t": one["id"]}).scalars())
                assert not [mark for mark in marks if mark and mark.startswith("t-") and mark != one["slug"]]
            tags = connection.execute(text("select tag from organization_tags where tenant_id = :t"), {"t": one["id"]}).scalars()
            assert all(tag == "vip" or tag.startswith(one["slug"]) for tag in tags)
            made = connection.execute(
                text("select changes ->> 'by' from audit_log where tenant_id = :t and action = 'walk'"), {"t": one["id"]}
            ).scalars()
            assert set(made) <= {one["slug"]}
    tally.update(dict(did.most_common()))
    tally["foreign rows"] = 0
