"""A campaign's audience of 100,000 frozen into sends, against one plain INSERT … SELECT of as many rows into the same table."""

from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median
from uuid import UUID

from sqlalchemy import text

from benchmarks.measure import Row, in_turn, milliseconds, timed
from benchmarks.stage import Stage
from clientway import db
from clientway.ids import uuid7
from clientway.messaging.campaigns import audience, dry_runs, freezing, queries
from tests.fixtures import Tenant

PERSONS = 100_000
ROUNDS = 3

SEED = """
insert into messaging_settings (tenant_id, postal_address) values (:t, '1 Main St');

insert into organizations (tenant_id, id, legal_name, slug, lifecycle_stage, name_norm, search_text)
select :t, md5(:s || n)::uuid, 'Place ' || n, 'place-' || n, case when mod(n, 50) = 0 then 'blacklist' else 'client' end, 'place', 'place'
  from generate_series(1, :rows / 10) n;

insert into contacts (tenant_id, id, organization_id, slug, first_name, name_norm, search_text, email, email_norm, phone_e164, time_zone,
                      do_not_contact, unsubscribed_at)
select :t, uuidv7(), case when mod(n, 2) = 0 then md5(:s || (1 + mod(n / 2, :rows / 10)))::uuid end, 'ann-' || n, 'Ann', 'ann', 'ann',
       case when mod(n, 12) > 0 then n || '@people.example' end, case when mod(n, 12) > 0 then n || '@people.example' end,
       '+1' || (200 + mod(n, 700)) || lpad(n::text, 7, '5'), case when mod(n, 3) = 0 then 'America/Chicago' end,
       mod(n, 20) = 0, case when mod(n, 21) = 0 then now() end
  from generate_series(1, :rows) n;

insert into consent_events (tenant_id, id, contact_id, channel, purpose, state, source, actor_type, occurred_at)
select :t, c.id, c.id, 'email', 'marketing', case when mod(substr(c.slug, 5)::int, 8) = 0 then 'denied' else 'granted' end, 'form',
       'job', now()
  from contacts c where c.tenant_id = :t and mod(substr(c.slug, 5)::int, 2) = 0;

insert into contact_consents (tenant_id, contact_id, channel, purpose, state, event_id, since)
select e.tenant_id, e.contact_id, e.channel, e.purpose, e.state, e.id, e.occurred_at from consent_events e where e.tenant_id = :t;

insert into suppressions (tenant_id, id, channel, address_hash, reason)
select :t, uuidv7(), 'email', encode(sha256(convert_to(cast(:t as text) || ':email:' || c.email_norm, 'UTF8')), 'hex'), 'hard_bounce'
  from contacts c where c.tenant_id = :t and c.email_norm is not null and mod(substr(c.slug, 5)::int, 40) = 7
"""
_PLAIN = text("""
insert into campaign_sends (campaign_id, contact_id, channel, chunk, created_at, updated_at)
select cast(:c as uuid), c.id, 'email', 0, :now, :now from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null
""")


def run(stage: Stage) -> Iterator[Row]:
    """Freeze one campaign after another, with a plain statement before each."""
    tenant = stage.tenant()
    stage.seed(SEED, tenant, rows=PERSONS)
    plain, frozen = in_turn(ROUNDS, lambda: _plain(stage, tenant), lambda: _frozen(stage, tenant))
    found, decided = _decided(stage, tenant)
    audiences = ", ".join(f"{count:,} {reason or 'to send'}" for reason, count in sorted(found.items()))
    detail = (
        f"{milliseconds(frozen)} against {milliseconds(plain)}; {audiences}; deciding and hashing alone takes {milliseconds(decided)}, "
        f"a whole dry run {milliseconds(_dry_run(stage, tenant))}"
    )
    yield Row(f"freeze an audience of {PERSONS:,} : INSERT … SELECT", median(frozen) / median(plain), 2, detail)


def campaign(stage: Stage, tenant: Tenant, status: str = "freezing") -> UUID:
    """A campaign to everybody who is active."""
    one = uuid7()
    with stage.admin.connect() as connection:
        connection.execute(
            text(
                """insert into campaigns (tenant_id, id, name, channel, status, segment, subject, body_text, quiet_hours)
                   values (:t, :i, 'Spring', 'email', :s, cast(:d as jsonb), 'Spring', 'Hello {{ contact.first_name }}', false)"""
            ),
            {"t": tenant.id, "i": one, "s": status, "d": '{"field": "status", "op": "eq", "value": "active"}'},
        )
    return one


def _frozen(stage: Stage, tenant: Tenant) -> list[float]:
    one = campaign(stage, tenant)

    def freeze() -> None:
        with db.job_transaction(tenant.id) as tx:
            count = freezing.freeze(tx, one)
        if count != PERSONS:
            message = f"{count} instead of {PERSONS}"
            raise RuntimeError(message)

    return timed(freeze)


def _plain(stage: Stage, tenant: Tenant) -> list[float]:
    one = campaign(stage, tenant)

    def insert() -> None:
        with db.job_transaction(tenant.id) as tx:
            tx.execute(_PLAIN, {"c": one, "now": datetime.now(UTC)})

    return timed(insert)


def _dry_run(stage: Stage, tenant: Tenant) -> list[float]:
    one = campaign(stage, tenant, "draft")

    def look() -> None:
        with db.job_transaction(tenant.id) as tx:
            dry_runs.run(tx, one)

    return timed(look, 3)


def _decided(stage: Stage, tenant: Tenant) -> tuple[dict[str, int], list[float]]:
    """Who gets it and who does not: how many, and the milliseconds of finding out."""
    one, found = campaign(stage, tenant, "draft"), {}

    def decide() -> None:
        with db.job_transaction(tenant.id) as tx:
            row = queries.load(tx, one) or {}
            counts, _ = audience.count(tx, row, audience.where(tx, row))
        found.update({"": counts.to_send, **counts.excluded})

    return found, timed(decide, 3)
