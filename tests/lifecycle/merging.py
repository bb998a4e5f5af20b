"""Two contacts with anything that a contact can have, at random, how they are merged, and what stands in every table about them."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway import access, db, effects, tokens
from clientway.errors import Problem
from clientway.ids import uuid7

# Stamps and counts of changes, keys of evidence, and what is worked out from the rest.
_IGNORED = {
    "version", "updated_at", "search_text", "name_norm", "event_id", "since", "health_dirty_at", "lifecycle_changed_at", "lifecycle_changed_by",
    "lifecycle_sequence", "data_completeness", "missing_fields",
}  # fmt: skip
TABLES = (
    "contacts", "contact_emails", "contact_phones", "contact_addresses", "contact_tags", "contact_notes", "contact_custom_values",
    "contact_consents", "household_members", "jobs", "job_series", "invoices", "payments", "recurring_invoices", "reminders", "deals", "quotes",
    "tickets", "nps_answers", "referrals", "source_records", "subscriptions", "disputes", "allocations", "organizations", "organization_tags",
    "client_accounts",
)  # fmt: skip
Run = Callable[..., list[Any]]


@pytest.fixture
def run(admin_engine, tenant) -> Run:
    """Run a statement outside row security; `:t` is the tenant."""

    def call(statement: str, **given: Any) -> list[Any]:
        with admin_engine.connect() as connection:
            result = connection.execute(text(statement), {"t": tenant.id, **given} if ":t" in statement else given)
            return list(result.all()) if result.returns_rows else []

    return call


@pytest.fixture
def client(run) -> Callable[..., UUID]:
    """A private client, by default with an organization of their own; `organization_id` puts them into another."""
    count: Iterator[int] = iter(range(1000))

    def make(*, own: bool = True, stage: str = "lead", **columns: Any) -> UUID:
        contact_id = uuid7()
        given = {"first_name": "Ana", **columns}
        given |= {"email_norm": given["email"]} if given.get("email") else {}
        given |= {"phone_e164": given["phone"]} if given.get("phone") else {}
        if own and "organization_id" not in given:
            given["organization_id"] = organization(run, "individual", stage=stage)
        given.setdefault("is_primary", own)
        run(
            f"insert into contacts (tenant_id, id, slug, name_norm, search_text, {', '.join(given)})"
            f" values (:t, :id, :slug, 'ana', 'ana', {', '.join(f':{name}' for name in given)})",
            id=contact_id, slug=f"ana-{next(count)}", **given,
        )  # fmt: skip
        return contact_id

    return make


@pytest.fixture
def merge(invoke):
    def call(survivor, merged, *, preview=False, token=None, headers=None, **body):
        how = {"token": token} if token else {}
        function = "lifecycle/contact_merge_preview" if preview else "lifecycle/contact_merge"
        body = {"merged_id": str(merged), **body}
        return invoke(function, method="POST", path={"contact_id": survivor}, body=body, headers=headers, **how)

    return call


@pytest.fixture
def undo(invoke):
    def call(merge_id, **how):
        return invoke("lifecycle/merge_undo", method="POST", path={"merge_id": merge_id}, **how)

    return call


@pytest.fixture
def contact(run):
    def read(contact_id):
        [row] = run("select to_jsonb(c) from contacts c where id = :id", id=contact_id)
        return row[0]

    return read


def code(answer):
    return answer.status, answer.json.get("code")


@pytest.fixture
def at_once(tenant):
    """Run several calls at once, each in a transaction of its own; the codes of the refused ones, None for one that was done."""

    def attempt(call):
        tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))
        try:
            call(tx)
        except Problem as refusal:
            db.rollback(tx)
            return refusal.code
        db.commit(tx, effects.pending(tx))
        return None

    def together(*calls):
        with ThreadPoolExecutor(len(calls)) as pool:
            return {attempted.result() for attempted in [pool.submit(attempt, call) for call in calls]}

    return together


def organization(run: Run, kind: str = "single_location", *, stage: str = "lead", **columns: Any) -> UUID:
    """An organization; a client has its account."""
    organization_id = uuid7()
    given = {"entity_type": kind, "lifecycle_stage": stage, **columns}
    run(
        f"insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text, {', '.join(given)})"
        f" values (:t, :id, 'Org', :slug, 'org', 'org', {', '.join(f':{name}' for name in given)})",
        id=organization_id, slug=f"org-{organization_id}", **given,
    )  # fmt: skip
    if stage == "client":
        run(
            "insert into client_accounts (tenant_id, id, organization_id, client_since, mrr_cents, total_revenue_cents)"
            " values (:t, gen_random_uuid(), :o, now() - interval '1 year', 1000, 5000)", o=organization_id,
        )  # fmt: skip
    return organization_id


def anything(run: Run, dice: random.Random, contact_id: UUID, organization_id: UUID | None, shared: dict[str, UUID]) -> None:
    """Up to three rows of each kind for a contact and its organization."""
    c, o = contact_id, organization_id

    def some(statement: str, **given: Any) -> None:
        for _ in range(dice.randrange(3)):
            known = {"c": c, "o": o, "n": dice.randrange(10**9), **shared, **given}
            run(statement, **{name: value for name, value in known.items() if f":{name}" in statement})

    _of_person(run, dice, c, shared)
    some("insert into contact_addresses (tenant_id, id, contact_id, address1) values (:t, gen_random_uuid(), :c, 'Street ' || :n)")
    some("insert into contact_notes (tenant_id, id, contact_id, body) values (:t, gen_random_uuid(), :c, 'x')")
    some("insert into contact_emails (tenant_id, contact_id, email, email_norm) values (:t, :c, :n || '@x.example', :n || '@x.example')")
    some(
        "insert into source_records (tenant_id, source, source_id, contact_id, marks) values (:t, 'old', :n, :c, '{}')".replace(
            ":n", "cast(:n as text)"
        )
    )
    if o is not None:
        _of_account(some)


def _of_person(run: Run, dice: random.Random, c: UUID, shared: dict[str, UUID]) -> None:
    for number in dice.sample(range(4), 2):
        e164 = f"+1305555019{number}"
        run("insert into contact_phones (tenant_id, contact_id, phone, phone_e164) values (:t, :c, :e, :e)", c=c, e=e164)
    for tag in dice.sample(["vip", "late", "dog"], dice.randrange(4)):
        run("insert into contact_tags (tenant_id, contact_id, tag) values (:t, :c, :tag)", c=c, tag=tag)
    for field in ("field", "second_field"):
        if dice.random() < 0.6:
            run(
                "insert into contact_custom_values (tenant_id, contact_id, field_id, text_value) values (:t, :c, :f, :v)",
                c=c,
                f=shared[field],
                v=str(c),
            )
    for channel in ("email", "sms", "phone"):
        if dice.random() < 0.6:
            run(
                "with e as (insert into consent_events (tenant_id, id, contact_id, channel, purpose, state, source, actor_type, occurred_at)"
                " values (:t, gen_random_uuid(), :c, :channel, 'marketing', :state, 'form', 'job', now()) returning *)"
                " insert into contact_consents (tenant_id, contact_id, channel, purpose, state, event_id, since)"
                " select tenant_id, contact_id, channel, purpose, state, id, occurred_at from e",
                c=c, channel=channel, state=dice.choice(["granted", "denied"]),
            )  # fmt: skip
    if dice.random() < 0.5:
        run("insert into household_members (tenant_id, household_id, contact_id) values (:t, :h, :c)", c=c, h=shared["household"])


def _of_account(some: Callable[[str], None]) -> None:
    some(
        "insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency)"
        " values (:t, gen_random_uuid(), :o, :c, 'Clean', now(), now() + interval '1 hour', 'UTC', 'USD')"
    )
    some(
        "insert into job_series (tenant_id, id, organization_id, contact_id, currency, rrule, starts_local, time_zone, duration_minutes)"
        " values (:t, gen_random_uuid(), :o, :c, 'USD', 'FREQ=WEEKLY', '2026-01-05 09:00', 'UTC', 60)"
    )
    some(
        "insert into recurring_invoices (tenant_id, id, organization_id, contact_id, name, lines, currency, rrule, starts_on, time_zone)"
        " values (:t, gen_random_uuid(), :o, :c, 'Plan', '[]', 'USD', 'FREQ=MONTHLY', '2026-01-01', 'UTC')"
    )
    some(
        "with j as (insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency)"
        "  values (:t, gen_random_uuid(), :o, :c, 'Clean', now(), now() + interval '1 hour', 'UTC', 'USD') returning *)"
        " insert into reminders (tenant_id, id, contact_id, job_id, type, rule, anchor_at, send_at, next_at, expires_at, channel)"
        " select tenant_id, gen_random_uuid(), contact_id, id, 'job_upcoming', 'before_24h', start_at, start_at, start_at, end_at, 'email' from j"
    )
    some("insert into invoices (tenant_id, id, organization_id, contact_id, currency) values (:t, gen_random_uuid(), :o, :c, 'USD')")
    some(
        "with p as (insert into payments (tenant_id, id, organization_id, contact_id, amount_cents, currency, status, method, captured_at)"
        "  values (:t, gen_random_uuid(), :o, :c, 100 + :n, 'USD', 'succeeded', 'cash', now()) returning *),"
        " i as (insert into invoices (tenant_id, id, organization_id, contact_id, currency) values (:t, gen_random_uuid(), :o, :c, 'USD') returning *)"
        " insert into ledger_entries (tenant_id, id, organization_id, contact_id, kind, amount_cents, currency, payment_id, invoice_id, source_key,"
        "   occurred_at)"
        " select p.tenant_id, gen_random_uuid(), p.organization_id, p.contact_id, 'payment', p.amount_cents, p.currency, p.id, i.id, p.id::text, now()"
        "   from p, i"
    )
    some(
        "with p as (insert into payments (tenant_id, id, organization_id, contact_id, amount_cents, currency, status, method, captured_at)"
        "  values (:t, gen_random_uuid(), :o, :c, 500, 'USD', 'succeeded', 'cash', now()) returning *),"
        " i as (insert into invoices (tenant_id, id, organization_id, contact_id, currency, status, number, number_text, subtotal_cents,"
        "   total_cents, issued_on, due_on, opened_at)"
        "  values (:t, gen_random_uuid(), :o, :c, 'USD', 'open', :n, cast(:n as text), 800, 800, current_date, current_date, now()) returning *),"
        " d as (insert into disputes (tenant_id, id, organization_id, payment_id, amount_cents, currency, status, opened_at)"
        "  select tenant_id, gen_random_uuid(), organization_id, id, 100, 'USD', 'open', now() from p)"
        " insert into allocations (tenant_id, id, payment_id, invoice_id, amount_cents)"
        " select p.tenant_id, gen_random_uuid(), p.id, i.id, 500 from p, i"
    )
    some("insert into deals (tenant_id, id, organization_id, contact_id, name) values (:t, gen_random_uuid(), :o, :c, 'Deal')")
    some(
        "with d as (insert into deals (tenant_id, id, organization_id, contact_id, name) values (:t, gen_random_uuid(), :o, :c, 'Deal') returning *)"
        " insert into quotes (tenant_id, id, deal_id, organization_id, title, amount_cents) select tenant_id, gen_random_uuid(), id, organization_id, 'Q', 1 from d"
    )
    some("insert into tickets (tenant_id, id, organization_id, contact_id, subject) values (:t, gen_random_uuid(), :o, :c, 'x')")
    some(
        "insert into nps_answers (tenant_id, id, organization_id, contact_id, score, answered_at) values (:t, gen_random_uuid(), :o, :c, 9, now())"
    )
    some("insert into referrals (tenant_id, id, organization_id, referred_name) values (:t, gen_random_uuid(), :o, 'x')")
    some(
        "insert into subscriptions (tenant_id, id, organization_id, provider_id, status, currency)"
        " values (:t, gen_random_uuid(), :o, 'sub_' || :n, 'active', 'USD')"
    )


def snapshot(run: Run) -> dict[str, list[str]]:
    """Every row of the tenant in these tables, without what is ignored; and what each contact is worth by its ledger."""
    strip = "".join(f" - '{name}'" for name in sorted(_IGNORED))
    found = {
        table: [row[0] for row in run(f"select (to_jsonb(x){strip})::text from {table} x where tenant_id = :t order by 1")]
        for table in TABLES
    }
    worth = "select concat_ws(' ', contact_id, organization_id, currency, sum(amount_cents)) from ledger_entries where tenant_id = :t"
    found["ledger"] = [
        row[0] for row in run(f"{worth} group by contact_id, organization_id, currency having sum(amount_cents) <> 0 order by 1")
    ]
    return found


def drifted(run: Run) -> list[Any]:
    """Contacts whose worth is not the sum of their ledger."""
    return run(
        "select c.id from contacts c where c.tenant_id = :t and c.ltv_cents <> (select coalesce(sum(l.amount_cents), 0) from ledger_entries l"
        " where l.tenant_id = c.tenant_id and l.contact_id = c.id)"
    )
