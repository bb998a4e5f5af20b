"""A client who owes something, and what is known of their money."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from clientway import access, db, effects, tokens
from clientway.db import Tx
from clientway.ids import uuid7
from tests.fixtures import Answer, Invoke, Tenant


def keyed(**headers: str) -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex, **headers}


def if_match(answer: Answer) -> dict[str, str]:
    return {"If-Match": f'"{answer.json["version"]}"'}


@dataclass(frozen=True)
class Client:
    """An organization of a tenant with one contact."""

    engine: Engine
    tenant: Tenant
    invoke: Invoke
    organization_id: UUID
    contact_id: UUID

    def invoice(self, total: int = 10_000, tax: int = 0, *, status: str = "open", currency: str = "USD", contact: bool = True) -> UUID:
        """An invoice as it stands once it was opened (or not)."""
        invoice_id = uuid7()
        given = {"t": self.tenant.id, "i": invoice_id, "o": self.organization_id, "c": self.contact_id if contact else None}
        numbered = "(select coalesce(max(number), 0) + 1 from invoices where tenant_id = :t)" if status != "draft" else "null"
        voided = "now()" if status == "void" else "null"
        with self.engine.connect() as connection:
            connection.execute(
                text(f"""insert into invoices (tenant_id, id, organization_id, contact_id, number, number_text, status, currency,
                                               subtotal_cents, tax_cents, total_cents, issued_on, due_on, opened_at, voided_at)
                         values (:t, :i, :o, :c, {numbered}, :i, :status, :currency, :net, :tax, :total, current_date, current_date, now(), {voided})"""),
                {**given, "status": status, "currency": currency, "net": total - tax, "tax": tax, "total": total},
            )
        return invoice_id

    def pay(self, cents: int, *, status: int = 201, **body: Any) -> Any:
        """Record a payment; the answer's JSON."""
        answer = self.invoke(
            "billing/organization_payments",
            method="POST",
            path={"organization_id": self.organization_id},
            body={"amount_cents": cents, **body},
            headers=keyed(),
        )
        assert answer.status == status, answer.body
        return answer.json

    def payment(self, payment_id: str) -> Any:
        return self.invoke("billing/payment", path={"payment_id": payment_id}).json

    def ask(self, what: str, payment_id: str, body: Any, **how: Any) -> Answer:
        """POST to a sub-resource of a payment."""
        return self.invoke(f"billing/payment_{what}", method="POST", path={"payment_id": payment_id}, body=body, headers=keyed(), **how)

    def release(self, payment_id: str, allocation_id: str) -> Answer:
        path = {"payment_id": payment_id, "allocation_id": allocation_id}
        headers = {"If-Match": f'"{self.payment(payment_id)["version"]}"'}
        return self.invoke("billing/payment_allocation", method="DELETE", path=path, headers=headers)

    def close(self, dispute: Any, status: str) -> Answer:
        path, headers = {"dispute_id": dispute["id"]}, {"If-Match": f'"{dispute["version"]}"'}
        return self.invoke("billing/dispute", method="PATCH", path=path, headers=headers, body={"status": status})

    def ledger(self) -> Any:
        return self.invoke("billing/client_ledger", path={"contact_id": self.contact_id}, query={"verify": "true", "limit": 100}).json

    def worth(self) -> int:
        """The client's lifetime value, which its ledger agrees with."""
        check = self.ledger()["verification"]
        assert check["agrees"], check
        return check["ltv_cents"]

    def row(self, table: str, row_id: Any) -> Any:
        """A row as it stands in the database."""
        return self.rows(f"select to_jsonb(r) from {table} r where r.tenant_id = :t and r.id = :i", i=row_id)[0]

    def rows(self, statement: str, **given: Any) -> list[Any]:
        """The first column of what a statement finds; it may name :t."""
        with self.engine.connect() as connection:
            return list(connection.scalars(text(statement), {"t": self.tenant.id, **given}))

    def told(self, kind: str) -> list[Any]:
        """The timeline's lines of a kind, the oldest first."""
        return self.rows("select to_jsonb(a) from activities a where a.tenant_id = :t and a.activity_type = :k order by a.id", k=kind)

    def published(self, topic: str) -> list[Any]:
        return self.rows("select payload from outbox where tenant_id = :t and topic = :k order by created_at, id", k=topic)


@contextmanager
def as_admin(tenant: Tenant) -> Iterator[Tx]:
    """A transaction of the tenant's admin, committed as a request's is."""
    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))
    try:
        yield tx
    except BaseException:
        db.rollback(tx)
        raise
    db.commit(tx, effects.pending(tx))


def make_client(engine: Engine, tenant: Tenant, invoke: Invoke) -> Client:
    organization = invoke("lifecycle/organizations", method="POST", body={"legal_name": f"Client {uuid4().hex[:8]}"}).json["id"]
    contact = invoke("lifecycle/organization_contacts", method="POST", path={"organization_id": organization}, body={"first_name": "Ana"})
    return Client(engine, tenant, invoke, UUID(organization), UUID(contact.json["id"]))


def private_contact(engine: Engine, tenant: Tenant) -> UUID:
    """A contact without an organization."""
    contact_id = uuid7()
    with engine.connect() as connection:
        connection.execute(
            text("""insert into contacts (tenant_id, id, slug, first_name, name_norm, search_text, status)
                    values (:t, :i, :s, 'Pia', 'pia', 'pia', 'lead')"""),
            {"t": tenant.id, "i": contact_id, "s": f"pia-{contact_id.hex}"},
        )
    return contact_id


@pytest.fixture
def client(admin_engine: Engine, tenant: Tenant, invoke: Invoke) -> Client:
    """A client with a contact."""
    return make_client(admin_engine, tenant, invoke)
