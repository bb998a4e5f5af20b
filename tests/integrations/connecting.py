"""An administrator who connects a tenant's Stripe account, step by step, and what happens behind it."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway import db
from clientway.integrations.stripe import accounts
from clientway.integrations.stripe.account_schemas import StripeAccount, StripeConnecting
from clientway.integrations.stripe.schemas import Failure

ACCOUNT = "integrations/stripe_account"


class Connecting:
    def __init__(self, invoke: Any, tenant: Any, fake: Any, outside: Any, engine: Any) -> None:
        self.invoke, self.tenant, self.fake, self.outside, self.engine = invoke, tenant, fake, outside, engine

    def read(self) -> Any:
        answer = self.invoke(ACCOUNT)
        assert answer.status == 200
        StripeAccount.model_validate_json(answer.body)
        return answer.json

    def ask(self, mode: str = "key", **more: Any) -> Any:
        answer = self.invoke(ACCOUNT, method="POST", body={"mode": mode}, **more)
        assert answer.status == 201, answer.body
        StripeConnecting.model_validate_json(answer.body)
        return answer.json

    def hand_in(self, ticket: str, key: str, **more: Any) -> Any:
        return self.invoke("integrations/stripe_key", body={"ticket": ticket, "restricted_key": key, **more}, token=None)

    def apply(self) -> list[dict[str, Any]]:
        """What the consumer does with what senders report."""
        told = self.outside.told()
        for one in told:
            with db.job_transaction(UUID(one["tenant_id"])) as tx:
                error = Failure(**one["error"]) if one["error"] else None
                accounts.reported(tx, one["topic"], one["payload"], one["result"] or {}, error)
        return told

    def connected(self) -> tuple[str, str, Any]:
        """Everything at once: the account at Stripe, its key, and the account here."""
        account_id, key = self.fake.add_account("Ruiz Cleaning")
        assert self.hand_in(self.ask()["upload"]["ticket"], key).status == 202
        self.apply()
        return account_id, key, self.read()

    def outbox(self, topic: str) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            rows = connection.execute(
                text("select id, payload from outbox where tenant_id = :t and topic = :topic order by id"),
                {"t": self.tenant.id, "topic": topic},
            )
            return [{"id": str(row.id), "tenant_id": str(self.tenant.id), "topic": topic, "payload": row.payload} for row in rows]

    def send(self, topic: str, *, last: bool = False) -> None:
        """What the relay and the sender do with the newest request."""
        from clientway.integrations.stripe import sending

        sending.send(json.dumps(self.outbox(topic)[-1]), last=last)


@pytest.fixture
def connecting(invoke, tenant, fake_stripe, outside, admin_engine):
    """What an administrator does, step by step, and what happens behind it."""
    return Connecting(invoke, tenant, fake_stripe, outside, admin_engine)
