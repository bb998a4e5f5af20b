"""The contract against the running API: whatever it allows is answered as it says, whatever it forbids is refused in form.

schemathesis makes the requests: examples and edges of every schema, random ones, and stories that go on with the ids of
the answers before. `make test` runs a little of it, `make contract` 20,000 cases and more.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from tests.chaos.conftest import LONG
from tests.journeys.test_from_outside import link_to
from tests.served import served

HERE = Path(__file__).parent
SCHEMATHESIS = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml"), "run"]
# One worker in each: Python 3.11 loses count when several threads parse at once ("AST constructor recursion depth mismatch").
RUNS = {
    "edges": ["--phases", "examples,coverage"],
    "chance": ["--phases", "fuzzing", "--max-examples", "150" if LONG else "2"],
    "stories": ["--phases", "stateful", "--max-examples", "100", "--max-time", "120"],
}
LEAST = 20_000 if LONG else 200
# The short run tells whether a change broke something, so it asks the same every time; the long one looks for more.
SEED = [] if LONG else ["--seed", "20261121"]


@pytest.fixture
def stack():
    with served(CLIENTWAY_WORKERS="3") as running:
        yield running


def in_the_portal(stack):
    """The slug of a contact with a portal, and a session of theirs."""
    made = stack.call("POST", "/api/organizations", {"legal_name": f"Portal {uuid4().hex}"}).json["id"]
    address = f"{uuid4().hex}@contract.example"
    given = {"first_name": "Ana", "email": address, "portal_enabled": True}
    slug = stack.call("POST", f"/api/organizations/{made}/contacts", given).json["slug"]
    asked = stack.call("POST", f"/api/portal/{slug}/sign-in", {"tenant": "demo", "email": address}, token=None)
    nonce = {"Cookie": f"__Host-clientway-portal-nonce={asked.cookies['__Host-clientway-portal-nonce']}"}
    token = link_to(stack, address)["token"]
    return slug, stack.call("POST", f"/api/portal/{slug}/sign-in/verify", {"token": token}, token=None, headers=nonce).json["token"]


def furnish(stack):
    """One of what the demo tenant has none of, for requests to name."""

    def make(path, body):
        made = stack.call("POST", path, body, headers={"Idempotency-Key": uuid4().hex})
        assert made.status < 300, made
        return made.json["id"]

    one, other = (make("/api/organizations", {"legal_name": f"Furnished {uuid4().hex}"}) for _ in range(2))
    make(f"/api/deals/{make(f'/api/organizations/{one}/deals', {'name': 'Deal'})}/quotes", {"title": "Quote", "amount_cents": 100})
    make(f"/api/organizations/{one}/tickets", {"subject": "Ticket"})
    make(f"/api/organizations/{one}/payments", {"amount_cents": 100})
    make(f"/api/organizations/{one}/referrals", {"referred_name": "Friend", "referred_organization_id": other})
    make("/api/imports", {"source": "contract", "rows": [{"name": "Imported"}]})
    make("/api/import-mappings", {"name": "contract", "mapping": {"name": "organization.legal_name"}})
    service = make("/api/services", {"name": f"Service {uuid4().hex}"})
    booking = {"client": {"first_name": "Furnished"}, "service_id": service, "start_at": "2030-01-07T10:00:00Z"}
    assert stack.call("POST", "/api/create-job-with-client", booking).status == 201
    make("/api/message-templates", {"key": "furnished", "channel": "email", "name": "Furnished", "subject": "x", "body_text": "x"})
    make("/api/email-messages", {"to": [f"{uuid4().hex}@contract.example"], "template": "furnished"})
    make("/api/members", {"email": f"{uuid4().hex}@staff.example", "role": "viewer"})
    make("/api/api-keys", {"name": "contract", "role": "viewer"})


def test_what_the_contract_says_is_so(stack, tmp_path, capfd):
    [key] = [one for one in stack.call("GET", "/api/api-keys").json["data"] if stack.key.startswith(one["prefix"])]
    slug, session = in_the_portal(stack)
    furnish(stack)
    given = {
        "CLIENTWAY_URL": stack.url, "CLIENTWAY_KEY": stack.key, "CLIENTWAY_KEY_ID": key["id"],
        "CLIENTWAY_PORTAL_SLUG": slug, "CLIENTWAY_PORTAL_SESSION": session, "CLIENTWAY_HOOKS": str(HERE / "hooks.py"),
    }  # fmt: skip
    cases = 0
    for name, which in RUNS.items():
        if not LONG and name != "chance":
            continue
        report = tmp_path / f"{name}.json"
        done = subprocess.run(
            [*SCHEMATHESIS, f"{stack.url}/openapi.json", *which, *SEED, "--report-json-path", str(report), "--no-color"],
            cwd=tmp_path, env={**os.environ, **given}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        # A body of a thousand rows is one line.
        told = "\n".join(line[:500] for line in done.stdout.splitlines())
        assert done.returncode == 0, told[-20_000:] + done.stderr[-2000:]
        found = json.loads(report.read_text())["test_cases"]
        assert found["with_failures"] == found["errored"] == 0
        cases += found["generated"]
        with capfd.disabled():
            print(f"\n{found['generated']:>12,}  cases of the contract: {name}")
    statuses = Counter(re.findall(r"^[A-Z]+ /\S* (\d{3}) \d+ ms$", stack.output(), re.MULTILINE))
    with capfd.disabled():
        print(f"{sum(statuses.values()):>12,}  requests:", ", ".join(f"{status} × {count}" for status, count in sorted(statuses.items())))

    assert cases >= LEAST
    assert not [status for status in statuses if status >= "500"]
    assert sum(count for status, count in statuses.items() if status < "300") >= cases / 10, "most requests ask for nothing that is there"
