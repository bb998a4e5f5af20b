"""A client who is billed, through the handlers."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from clientway.ids import uuid7
from tests.billing.paying import Client, keyed
from tests.fixtures import Answer

LINE = {"description": "Deep clean", "unit_price_cents": 10_000}
CARE_PLAN = [{"description": "Care plan", "quantity": 1.5, "unit_price_cents": 1000, "tax_rate_bps": 1000}]


@dataclass(frozen=True)
class Billed(Client):
    """A client, and what is done to their invoices."""

    def draft(self, *lines: Any, status: int = 201, **body: Any) -> Any:
        """Make an invoice; the answer's JSON."""
        given = {"contact_id": self.contact_id, "lines": list(lines) or [LINE], **body}
        answer = self.invoke("billing/invoices", method="POST", body=given, headers=keyed())
        assert answer.status == status, answer.body
        return answer.json

    def opened(self, cents: int = 10_000, **body: Any) -> Any:
        """An open invoice of so much."""
        return self.draft({**LINE, "unit_price_cents": cents}, open=True, **body)

    def post(self, what: str, invoice_id: str, body: Any = None, **how: Any) -> Answer:
        return self.invoke(f"billing/invoice_{what}", method="POST", path={"invoice_id": invoice_id}, body=body, headers=keyed(), **how)

    def read(self, invoice_id: str) -> Any:
        return self.invoke("billing/invoice", path={"invoice_id": invoice_id}).json

    def patch(self, invoice: Any, body: Any, **how: Any) -> Answer:
        headers = {"If-Match": f'"{self.read(invoice["id"])["version"]}"'}
        return self.invoke("billing/invoice", method="PATCH", path={"invoice_id": invoice["id"]}, body=body, headers=headers, **how)

    def reminders(self, invoice_id: str) -> list[Any]:
        return self.rows(
            "select to_jsonb(m) from reminders m where m.tenant_id = :t and m.invoice_id = :i order by m.send_at, m.channel", i=invoice_id
        )

    def reachable(self) -> "Billed":
        """Give the contact an e-mail address, so that they can be reminded."""
        email = f"ana-{self.contact_id.hex}@home.example"
        with self.engine.connect() as connection:
            connection.execute(
                text("update contacts set email = :e, email_norm = :e where tenant_id = :t and id = :c"),
                {"t": self.tenant.id, "c": self.contact_id, "e": email},
            )
        return self

    def connected(self, status: str = "connected") -> "Billed":
        """Let the tenant have an account at Stripe."""
        with self.engine.connect() as connection:
            connection.execute(
                text("""insert into stripe_accounts (tenant_id, endpoint_id, mode, status, account_id) values (:t, :e, 'key', :s, :a)
                        on conflict (tenant_id) do update set status = excluded.status"""),
                {"t": self.tenant.id, "e": uuid7(), "s": status, "a": f"acct_{uuid4().hex}"},
            )
        return self


@pytest.fixture
def billed(client: Client) -> Billed:
    """A client to bill."""
    return Billed(client.engine, client.tenant, client.invoke, client.organization_id, client.contact_id)


def service(engine: Engine, tenant: Any, **columns: Any) -> UUID:
    """A service of a tenant."""
    row = {"name": f"Deep clean {uuid4().hex[:6]}", "price_cents": 12_000, "currency": "USD", "tax_rate_bps": None, **columns}
    return _insert(engine, "services", tenant, row)


def job(engine: Engine, tenant: Any, organization_id: UUID, contact_id: UUID, **columns: Any) -> UUID:
    """A job that was done."""
    row = {"organization_id": organization_id, "contact_id": contact_id, "title": "Spring clean", "price_cents": 8_500, "currency": "USD",
           "time_zone": "UTC", "start_at": "2026-11-02T09:00:00Z", "end_at": "2026-11-02T11:00:00Z", "status": "completed",
           "completed_at": "2026-11-02T11:00:00Z", **columns}  # fmt: skip
    return _insert(engine, "jobs", tenant, row)


def _insert(engine: Engine, table: str, tenant: Any, row: dict[str, Any]) -> UUID:
    row_id = uuid7()
    given = {"tenant_id": tenant.id, "id": row_id, **row}
    names = ", ".join(given)
    with engine.connect() as connection:
        connection.execute(text(f"insert into {table} ({names}) values ({', '.join(f':{name}' for name in given)})"), given)
    return row_id
