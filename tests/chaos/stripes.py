"""A history at Stripe, what its deliveries say, and workers that apply them, each a process of its own as Lambda has it.

`python -m tests.chaos.stripes` reads which files of messages there are from its input and forks a worker for each.
"""

import json
import os
import random
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.fixtures import LambdaContext

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
_RECEIVES = 8


@dataclass
class Payment:
    """A payment as Stripe has it."""

    id: str
    invoice: UUID
    amount: int
    refunds: list[dict[str, Any]] = field(default_factory=list)
    disputes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def left(self) -> int:
        """What may still be given back or lost."""
        taken = sum(one["amount_cents"] for one in self.refunds)
        return self.amount - taken - sum(one["amount_cents"] for one in self.disputes if one["status"] != "won")


class Stripe:
    """The truth: each happening is one event and one effect in the books."""

    def __init__(self, tenant: UUID, invoices: list[tuple[UUID, int]], draw: random.Random) -> None:
        self.tenant, self.draw = tenant, draw
        self.unpaid = list(invoices)
        self.payments: list[Payment] = []
        self.history: list[tuple[str, str, str]] = []
        """(event id, type, payment id), in the order in which it happened."""
        self.snapshots: dict[str, list[tuple[int, str]]] = {}
        """For each payment, its state from each happening on, as JSON."""

    def happen(self, times: int) -> None:
        """Let so many things happen."""
        while len(self.history) < times:
            chance = self.draw.random()
            if self.unpaid and (chance < 0.6 or not self.payments):
                self._pay()
            elif chance < 0.85:
                self._refund()
            elif chance < 0.93:
                self._dispute()
            else:
                self._decide()

    def _pay(self) -> None:
        invoice, amount = self.unpaid.pop()
        payment = Payment(f"pi_{len(self.payments)}", invoice, amount)
        self.payments.append(payment)
        self._told("payment_intent.succeeded", payment)

    def _refund(self) -> None:
        payment = self.draw.choice(self.payments)
        if payment.left < 1:
            return
        amount = self.draw.randint(1, payment.left)
        payment.refunds.append({
            "id": f"re_{payment.id}_{len(payment.refunds)}", "amount_cents": amount, "currency": "USD", "status": "succeeded",
            "at": self._now(), "failure": None, "metadata": {},
        })  # fmt: skip
        self._told("refund.created", payment)

    def _dispute(self) -> None:
        payment = self.draw.choice(self.payments)
        if payment.left < 1 or payment.disputes:
            return
        payment.disputes.append({
            "id": f"dp_{payment.id}", "amount_cents": payment.left, "currency": "USD", "status": "open", "reason": "fraudulent",
            "at": self._now(),
        })  # fmt: skip
        self._told("charge.dispute.created", payment)

    def _decide(self) -> None:
        open_ones = [one for one in self.payments if one.disputes and one.disputes[0]["status"] == "open"]
        if open_ones:
            payment = self.draw.choice(open_ones)
            payment.disputes[0]["status"] = self.draw.choice(["won", "lost"])
            self._told("charge.dispute.closed", payment)

    def _now(self) -> str:
        return (BEGAN + timedelta(seconds=len(self.history))).isoformat()

    def _told(self, kind: str, payment: Payment) -> None:
        state = {
            "kind": "payment", "id": payment.id, "status": "succeeded", "amount_cents": payment.amount, "currency": "USD",
            "at": BEGAN.isoformat(), "method": "card", "failure": None, "customer": None, "refunds": payment.refunds,
            "disputes": payment.disputes, "metadata": {"clientway_tenant": str(self.tenant), "clientway_invoice": str(payment.invoice)},
        }  # fmt: skip
        self.snapshots.setdefault(payment.id, []).append((len(self.history), json.dumps(state)))
        self.history.append((f"evt_{len(self.history)}", kind, payment.id))

    def deliveries(self, endpoint: UUID, times: int) -> list[str]:
        """Each event so many times, shuffled: read at any time after it happened, and so each time as it was then."""
        found = [
            self._delivery(endpoint, number, event, kind, payment)
            for number, (event, kind, payment) in enumerate(self.history)
            for _ in range(times)
        ]
        self.draw.shuffle(found)
        return found

    def _delivery(self, endpoint: UUID, number: int, event: str, kind: str, payment: str) -> str:
        read_at = self.draw.randint(number, len(self.history) - 1)
        state = [one for since, one in self.snapshots[payment] if since <= read_at][-1]
        fetched_at = BEGAN + timedelta(seconds=read_at, microseconds=self.draw.randrange(1_000_000))
        return json.dumps({
            "kind": "event", "endpoint": str(endpoint), "account_id": None, "event": {"id": event, "type": kind, "created": 1},
            "subject": {"kind": "payment_intent", "id": payment}, "state": json.loads(state), "fetched_at": fetched_at.isoformat(),
        })  # fmt: skip


def work(messages: list[str]) -> dict[str, Any]:
    """Apply messages in batches through the real handler; what fails is delivered again, as SQS does."""
    from clientway.integrations.stripe import applying
    from integrations import apply_stripe

    outcomes: Counter[str] = Counter()
    waiting = [(body, 1) for body in messages]
    while waiting:
        batch, waiting = waiting[:5], waiting[5:]
        records = [{"messageId": str(place), "body": body, "eventSource": "aws:sqs"} for place, (body, _) in enumerate(batch)]
        answer = apply_stripe.handler({"Records": records}, LambdaContext())
        failed = {int(one["itemIdentifier"]) for one in answer["batchItemFailures"]}
        outcomes["done"] += len(batch) - len(failed)
        outcomes["again"] += len(failed)
        for place in failed:
            body, receives = batch[place]
            if receives == _RECEIVES:
                # Once more, to hear why.
                raise RuntimeError(f"a message failed {receives} times, and then: {applying.apply(body)}")
            waiting.append((body, receives + 1))
    return dict(outcomes)


def main() -> None:
    given = json.loads(sys.stdin.read())
    children = []
    for name in given["files"]:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                file = Path(name)
                file.with_suffix(".done").write_text(json.dumps(work(json.loads(file.read_text()))))
                code = 0
            except BaseException:  # noqa: BLE001  (whatever it is, the child says so and ends)
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    main()
