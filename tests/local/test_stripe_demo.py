"""Stripe in `make run`: the demo's account is connected once, and everything is where it was after a restart."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clientway import db
from clientway.integrations.stripe import accounts
from clientway.integrations.stripe import client as clients
from clientway.integrations.stripe.client import client
from clientway.local import aws
from clientway.local.stripe import demo
from clientway.local.stripe.server import FakeStripe
from clientway.local.template import Template
from tests.fixtures import Tenant


@pytest.fixture(scope="module")
def cloud() -> Iterator[aws.LocalAws]:
    running = aws.start(Template())
    yield running
    running.stop()


class Runs:
    """One run after the other, on the same state."""

    def __init__(self, state: Path, cloud: aws.LocalAws, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.cloud, self.tenant, self.monkeypatch = state, cloud, tenant, monkeypatch
        self.fake: FakeStripe | None = None

    def start(self, url: str = "http://127.0.0.1:3000") -> FakeStripe:
        self.stop()
        # Tenants of other tests are no business of this one.
        self.monkeypatch.setattr(demo.db, "all_tenants", lambda: [self.tenant.id])
        self.fake = demo.start(self.state)
        self.monkeypatch.setenv("STRIPE_API_BASE", self.fake.base)
        demo.resume(self.fake, self.cloud, url, self.tenant.id)
        return self.fake

    def stop(self) -> None:
        if self.fake:
            clients._http().close()
            clients._http.cache_clear()
            self.fake.stop()
            self.fake = None

    def account(self) -> Any:
        with db.job_transaction(self.tenant.id) as tx:
            return accounts.read(tx)

    def kept(self, endpoint: object) -> dict[str, str]:
        answer = self.cloud.client("ssm").get_parameter(Name=f"/clientway/stripe/{endpoint}", WithDecryption=True)
        return dict(json.loads(answer["Parameter"]["Value"]))


@pytest.fixture
def runs(tmp_path: Path, cloud: aws.LocalAws, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setattr(demo, "USUAL_PORT", 0)
    running = Runs(tmp_path, cloud, tenant, monkeypatch)
    yield running
    running.stop()


def test_the_demo_is_connected_with_a_webhook_to_this_api(runs: Runs) -> None:
    fake = runs.start()

    account = runs.account()
    kept = runs.kept(account.endpoint_id)
    api = client(kept["key"])
    (hook,) = api.v1.webhook_endpoints.list().data
    assert (account.status, account.account_id) == ("connected", api.v1.accounts.retrieve_current().id)
    assert hook.url == f"http://127.0.0.1:3000/api/webhooks/stripe/{account.endpoint_id}"
    assert kept["webhook_secret"] == fake.store.hook(hook.id)[0]
    assert (runs.state / "stripe.sqlite3").stat().st_mode & 0o077 == 0


def test_a_restart_keeps_account_key_and_port_and_tells_the_new_address(runs: Runs) -> None:
    first = runs.start()
    before, port, kept = runs.account(), first.port, runs.kept(runs.account().endpoint_id)
    runs.cloud.client("ssm").delete_parameter(Name=f"/clientway/stripe/{before.endpoint_id}")

    second = runs.start("http://127.0.0.1:4000")

    assert (second.port, runs.account(), runs.kept(before.endpoint_id)) == (port, before, kept)
    (hook,) = client(kept["key"]).v1.webhook_endpoints.list().data
    assert hook.url.startswith("http://127.0.0.1:4000/")


def test_a_taken_port_moves_the_links_along(runs: Runs) -> None:
    first = runs.start()
    api = client(runs.kept(runs.account().endpoint_id)["key"])
    lines: Any = [{"price_data": {"currency": "usd", "unit_amount": 100, "product_data": {"name": "x"}}, "quantity": 1}]
    made = api.v1.payment_links.create({"line_items": lines})
    port = first.port
    runs.stop()
    with socket.create_server(("127.0.0.1", port)):
        second = runs.start()
        assert second.port != port
        found = client(runs.kept(runs.account().endpoint_id)["key"]).v1.payment_links.retrieve(made.id)
        assert found.url == f"{second.base}/pay/{made.id.removeprefix('plink_')}"


def test_who_disconnected_the_demo_keeps_it_so(runs: Runs) -> None:
    runs.start()
    with db.job_transaction(runs.tenant.id) as tx:
        accounts.disconnect(tx, version=accounts.read(tx).version or 0)

    runs.start()

    assert runs.account().status == "disconnected"


def test_a_stand_in_whose_state_is_gone_is_connected_anew(runs: Runs) -> None:
    runs.start()
    before = runs.account()
    runs.stop()
    for file in runs.state.glob("stripe.sqlite3*"):
        file.unlink()

    runs.start()

    after = runs.account()
    assert after.status == "connected"
    assert after.account_id != before.account_id
    assert client(runs.kept(after.endpoint_id)["key"]).v1.accounts.retrieve_current().id == after.account_id


def test_what_was_delivered_shortly_before_the_end_comes_again(runs: Runs) -> None:
    fake = runs.start()
    account_id = str(runs.account().account_id)
    with fake.store.transaction():
        fake.books.new_intent(account_id, 100, "usd")
        event = fake.store.all(account_id, "event")[0]["id"]
        hook = fake.store.all(account_id, "webhook_endpoint")[0]["id"]
        fake.store.queue(account_id, event, hook, due=0)
    (delivery,) = fake.store.due()
    fake.store.attempted(delivery, retry_at=None)
    assert fake.store.waiting() == 0

    assert runs.start().store.waiting() == 1
