"""The function behind the queue to Stripe, for one tenant whose account is connected."""

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from clientway.integrations.stripe import client as clients
from clientway.local.stripe.server import FakeStripe
from tests.fake_stripe import Outside
from tests.fixtures import LambdaContext

EVENT = json.loads((Path(__file__).parents[2] / "events/integrations/send_stripe.json").read_text())
ENDPOINT = "0d5d1f0e-6a37-4a4b-9d0f-0b1d3f8e2a11"


class Sender:
    """The function behind the queue, for one tenant whose account is connected."""

    def __init__(self, fake: FakeStripe, outside: Outside) -> None:
        self.fake, self.outside = fake, outside
        self.account_id, self.key = fake.add_account("Demo")
        self.api = clients.client(self.key)
        self.tenant_id = str(uuid4())
        self.gateway = {"endpoint_id": outside.connect(self.key), "mode": "key", "account_id": self.account_id}

    def ask(self, topic: str, outbox_id: str | None = None, **payload: Any) -> dict[str, Any]:
        """An outbox row as the relay puts it on the queue."""
        return {
            "id": outbox_id or str(uuid4()),
            "tenant_id": self.tenant_id,
            "topic": topic,
            "payload": {"gateway": self.gateway, **payload},
        }

    def send(self, message: dict[str, Any] | str, receives: int = 1) -> list[dict[str, Any]]:
        """Hand it over; what is told of it, or the message's id where it stays in the queue."""
        body = message if isinstance(message, str) else json.dumps(message)
        record = {**EVENT["Records"][0], "body": body, "messageId": "m"}
        record["attributes"] = {**record["attributes"], "ApproximateReceiveCount": str(receives)}
        answer = importlib.import_module("integrations.send_stripe").handler({"Records": [record]}, LambdaContext())
        self.failed = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
        return self.outside.told()

    def page(self, **changes: Any) -> dict[str, Any]:
        given = {
            "invoice_id": str(uuid4()), "number": "INV-0007", "description": "Deep clean", "amount_cents": 12_500, "currency": "USD",
            "customer_email": "ana+x@bistro.example", "metadata": {"clientway_tenant": "t", "clientway_invoice": "i"}, "replaces": None,
        }  # fmt: skip
        return self.ask("stripe.page.create", **{**given, **changes})

    def leave(self, since: datetime | None = None) -> dict[str, Any]:
        return self.ask("stripe.account.disconnect", since=(since or datetime.now(UTC)).isoformat())

    def paid(self, card: str = "pm_card_visa", cents: int = 5000) -> Any:
        given: Any = {"amount": cents, "currency": "usd", "confirm": True, "payment_method": card}
        return self.api.v1.payment_intents.create(given)


@pytest.fixture
def sender(fake_stripe: FakeStripe, outside: Outside) -> Sender:
    return Sender(fake_stripe, outside)
