"""Reminders on their way, without a provider: a clock that is set by hand, and what was handed over."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from clientway.db import job_transaction
from clientway.ids import uuid7
from clientway.messaging.delivery.message import Outgoing
from clientway.work.jobs import queries
from clientway.work.jobs.queries import NewJob
from clientway.work.reminders import dispatching
from clientway.work.reminders import service as reminders
from clientway.work.reminders.dispatching import Dispatched
from tests.fixtures import Tenant
from tests.work.conftest import Site

MORNING = datetime(2026, 6, 1, 15, tzinfo=UTC)
"""Eleven o'clock in New York, and no quiet hour in any zone of these tests."""


@dataclass
class Providers:
    """Takes what is sent; `answer` may say otherwise by raising."""

    answer: Callable[[Outgoing], None] = lambda _message: None
    sent: list[Outgoing] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def send(self, message: Outgoing, *, once: bool) -> str:
        assert not once
        self.answer(message)
        with self._lock:
            self.sent.append(message)
            return f"provider-{len(self.sent)}"


@dataclass
class Reminding:
    """A tenant with a client, whose time is `now`."""

    engine: Engine
    tenant: Tenant
    site: Site
    providers: Providers
    now: datetime = MORNING

    def transaction(self):
        return job_transaction(self.tenant.id, now=self.now)

    def book(self, ahead: timedelta, **columns: Any) -> UUID:
        """A job so far ahead; its id."""
        start = self.now + ahead
        row = NewJob(
            **{"id": uuid7(), "organization_id": self.site.organization_id, "contact_id": self.site.contact_id, "title": "Deep clean",
               "start_at": start, "end_at": start + timedelta(hours=1), "time_zone": "America/New_York", "currency": "USD",
               "address_id": self.site.address_id, **columns}
        )  # fmt: skip
        with self.transaction() as tx:
            assert queries.insert(tx, [row]) == [row.id]
        return row.id

    def change(self, job_id: UUID, **columns: Any) -> None:
        with self.transaction() as tx:
            queries.update(tx, [{"id": job_id, **columns}])

    def bill(self, ahead: timedelta, *, cents: int = 12_000, **columns: Any) -> UUID:
        """An open invoice that is due so far ahead; its id."""
        given = {
            "id": uuid7(), "organization_id": self.site.organization_id, "contact_id": self.site.contact_id, "currency": "USD",
            "status": "open", "number": uuid7().int % 10**9, "issued_on": self.now.date(), "due_on": (self.now + ahead).date(),
            "opened_at": self.now, "total_cents": cents, "subtotal_cents": cents, **columns,
        }  # fmt: skip
        given["number_text"] = f"INV-{given['number']}"
        names = ", ".join(given)
        with self.transaction() as tx:
            tx.execute(text(f"insert into invoices ({names}) values ({', '.join(f':{name}' for name in given)})"), given)
            reminders.plan_invoice(tx, given["id"])
        return given["id"]

    def at(self, moment: datetime, **how: Any) -> Dispatched:
        """Have a dispatcher run at a time."""
        self.now = moment
        return self.dispatch(**how)

    def dispatch(self, **how: Any) -> Dispatched:
        return dispatching.dispatch([self.tenant.id], now=lambda: self.now, **how)

    def write(self, statement: str, **given: Any) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(statement), {"t": self.tenant.id, **given})

    def rows(self, subject: UUID | None = None) -> list[Any]:
        """Reminders as they stand, of a job or an invoice, the earliest first."""
        statement = """select * from reminders where tenant_id = :t and (cast(:s as uuid) is null or coalesce(job_id, invoice_id) = :s)
          order by send_at, channel"""
        return list(self.write(statement, s=subject).all())

    def states(self, subject: UUID | None = None) -> dict[tuple[str, str], tuple[str, str | None]]:
        return {(row.rule, row.channel): (row.state, row.state_reason) for row in self.rows(subject)}
