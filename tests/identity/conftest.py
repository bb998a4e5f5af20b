"""What the tests of signing in share."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import ids
from tests.identity.persons import Persons, cookie


@pytest.fixture
def mails(admin_engine, tenant):
    """The tenant's queued mails, newest last."""

    def read(tenant_id=tenant.id):
        statement = text("select payload::text from outbox where tenant_id = :t and topic = 'mail' order by created_at, id")
        with admin_engine.connect() as connection:
            return [json.loads(row[0]) for row in connection.execute(statement, {"t": tenant_id})]

    return read


@pytest.fixture
def sql(admin_engine):
    """Run SQL as the superuser, outside row security."""

    def run(statement, **parameters):
        with admin_engine.connect() as connection:
            result = connection.execute(text(statement), parameters)
            return result.mappings().all() if result.returns_rows else None

    return run


@pytest.fixture
def staff_email(tenant):
    """The address of the tenant's administrator."""
    return f"{tenant.slug}@staff.example"


@pytest.fixture
def ask(invoke, mails, staff_email):
    """Ask for a sign-in mail as one browser; returns its nonce cookie, the token and the code of the mail."""

    def start(email=staff_email, nonce=None, **body):
        cookies = [f"__Host-clientway-nonce={nonce}"] if nonce else []
        answer = invoke("identity/sign_in_email", body={"email": email, **body}, token=None, cookies=cookies)
        assert answer.status == 202
        mail = mails()[-1]
        return cookie(answer, "__Host-clientway-nonce"), mail["url"].rpartition("token=")[2], mail["code"]

    return start


@pytest.fixture
def verify(invoke):
    """Use a token or code in the browser with this nonce."""

    def finish(nonce, **body):
        cookies = [f"__Host-clientway-nonce={nonce}"] if nonce else []
        return invoke("identity/sign_in_email_verify", body=body, token=None, cookies=cookies)

    return finish


@pytest.fixture
def staff_session(ask, verify):
    """The token of a fresh session of the tenant's administrator."""
    nonce, token, _ = ask()
    return verify(nonce, token=token).json["token"]


@pytest.fixture
def work(sql):
    """Call it to write a job, an invoice and a payment of a contact; `ago` minutes back."""

    def done(owner, contact, *, ago=0, **invoice):
        given = {"t": owner.id, "o": contact["organization_id"], "c": contact["id"], "at": datetime.now(UTC) - timedelta(minutes=ago)}
        found = {one: ids.uuid7() for one in ("job", "invoice", "payment")}
        sql(
            """insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency, price_cents, notes)
               values (:t, :i, :o, :c, 'Deep clean', cast(:at as timestamptz), cast(:at as timestamptz) + interval '1 hour', 'UTC', 'USD', 900, 'gate code 12')""",
            i=found["job"], **given,
        )  # fmt: skip
        row = {"status": "open", "page": "ready", **invoice}
        sql(
            """insert into invoices (tenant_id, id, organization_id, contact_id, currency, status, number, number_text, subtotal_cents, total_cents,
                                     issued_on, due_on, opened_at, payment_url, payment_page_status, notes, created_at)
               values (:t, :i, :o, :c, 'USD', :status, case when :status <> 'draft' then floor(random() * 1e9) end, 'INV-7', 900, 900,
                       '2026-11-01', '2026-11-15', now(), 'https://pay.example/7', :page, 'a secret of ours', cast(:at as timestamptz) - interval '1 second')""",
            i=found["invoice"], **row, **given,
        )  # fmt: skip
        sql(
            """insert into payments (tenant_id, id, organization_id, contact_id, amount_cents, currency, status, method, captured_at, created_at)
               values (:t, :i, :o, :c, 400, 'USD', 'succeeded', 'cash', now(), cast(:at as timestamptz) - interval '2 seconds')""",
            i=found["payment"], **given,
        )  # fmt: skip
        return {one: str(row_id) for one, row_id in found.items()}

    return done


@pytest.fixture
def persons(invoke, sql):
    return Persons(invoke, sql)


@pytest.fixture
def email():
    return f"{uuid4().hex}@home.example"
