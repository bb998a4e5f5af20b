"""Stripe on this machine: the stand-in where it was before, the demo tenant's account in it, and the keys that were kept."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from clientway import db
from clientway.billing.invoices import service as invoices
from clientway.db import Tx
from clientway.integrations.stripe import accounts, keys
from clientway.integrations.stripe.account_schemas import StripeAccount, StripeConnect
from clientway.local.aws import LocalAws
from clientway.local.stripe import shapes
from clientway.local.stripe.server import FakeStripe
from clientway.local.stripe.store import new_id

USUAL_PORT = 12111
_PREFIX = "/clientway/stripe"
# What was delivered shortly before a run ended may have been lost in its memory; what comes twice counts once.
_AGAIN_SECONDS = 600.0
_IN_USE = ("connected", "restricted")


def start(state: Path) -> FakeStripe:
    """Start the stand-in with what it knew. Links that were sent stay payable: it keeps its port as long as nobody takes it."""
    kept = state / "stripe-port"
    file = state / "stripe.sqlite3"
    usual = int(kept.read_text()) if kept.exists() else USUAL_PORT
    try:
        fake = FakeStripe(file, port=usual)
    except OSError:
        fake = FakeStripe(file)
    kept.write_text(f"{fake.port}\n")
    file.chmod(0o600)
    with fake.store.transaction():
        for account, link in fake.store.every("payment_link"):
            if not link["url"].startswith(fake.base):
                fake.store.put(account, {**link, "url": f"{fake.base}/pay/{link['id'].removeprefix('plink_')}"})
        fake.store.deliver_again(time.time() - _AGAIN_SECONDS)
    return fake.start()


def resume(fake: FakeStripe, cloud: LocalAws, api_url: str, demo_tenant: UUID | None) -> None:
    """Put the keys of connected accounts back where the functions read them, and connect the demo tenant's unless it was.

    The process's environment must name the database (clientway.config).
    """
    for tenant_id in db.all_tenants():
        with db.job_transaction(tenant_id) as tx:
            found = accounts.read(tx)
            if found.status in _IN_USE and found.account_id and fake.store.get(found.account_id, found.account_id, "account") is None:
                # Of a stand-in whose state is gone.
                accounts.disconnect(tx, version=found.version or 0)
                found = accounts.read(tx) if tenant_id != demo_tenant else _connect(tx, fake)
            elif tenant_id == demo_tenant and found.status == "none":
                found = _connect(tx, fake)
        if found.mode == "key" and found.status in _IN_USE and found.account_id:
            _keep(fake, cloud, str(found.endpoint_id), found.account_id, api_url)


def _connect(tx: Tx, fake: FakeStripe) -> StripeAccount:
    """Connect the demo's account as a key that was handed in would."""
    account, key = fake.add_account("Demo Consulting")
    endpoint_id = str(accounts.connect(tx, StripeConnect(mode="key")).endpoint_id)
    result = {"account_id": account, "livemode": False, "key_hint": f"{key[:8]}…{key[-4:]}"}
    accounts.reported(tx, "stripe.account.connected", {"endpoint_id": endpoint_id, "mode": "key"}, result, None)
    invoices.ask_for_pages(tx)
    return accounts.read(tx)


def _keep(fake: FakeStripe, cloud: LocalAws, endpoint: str, account: str, api_url: str) -> None:
    """An account's webhook endpoint, at the address that the API has now, and its secrets."""
    store = fake.store
    with store.transaction():
        hook = next((one for one in store.all(account, "webhook_endpoint") if one["url"].endswith(f"/{endpoint}")), None)
        url = f"{api_url}/api/webhooks/stripe/{endpoint}"
        if hook is None:
            hook = _new_hook(fake, account, url)
        elif hook["url"] != url:
            hook = store.put(account, {**hook, "url": url})
        secret, _ = store.hook(hook["id"])
        key = next((key for owner, key in store.account_keys() if owner == account), "")
    value = json.dumps({"key": key, "webhook_secret": secret, "webhook_id": hook["id"]})
    cloud.client("ssm").put_parameter(Name=f"{_PREFIX}/{endpoint}", Value=value, Type="SecureString", Overwrite=True)


def _new_hook(fake: FakeStripe, account: str, url: str) -> dict[str, Any]:
    hook = shapes.webhook_endpoint(new_id("we"), url, list(keys.EVENTS), fake.store.now)
    fake.store.put_hook(hook["id"], new_id("whsec", 32), connect=False)
    return fake.store.put(account, hook)
