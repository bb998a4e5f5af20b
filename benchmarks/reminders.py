"""Due reminders picked and claimed out of a million, as the dispatcher does it, against one bare set-based UPDATE of as many."""

from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median
from uuid import uuid4

from sqlalchemy import text

from benchmarks.measure import Row, in_turn, milliseconds, timed
from benchmarks.stage import Stage
from clientway import db
from clientway.work.reminders import claiming, dispatching
from tests.fixtures import Tenant

ROWS = 1_000_000
FEW = 100_000
DUE = 2_000
ROUNDS = 11
NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
_DAYS = 400

SEED = f"""
insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text)
select :t, md5(:s || n)::uuid, 'Place ' || n, 'place-' || n, 'place', 'place' from generate_series(1, 5000) n;

insert into contacts (tenant_id, id, organization_id, slug, first_name, name_norm, search_text, email, email_norm, phone_e164, time_zone)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || n)::uuid, 'ann-' || n, 'Ann', 'ann', 'ann', n || '@people.example', n || '@people.example',
       '+1305' || lpad(n::text, 7, '5'), 'America/New_York'
  from generate_series(1, 5000) n;

insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency)
select :t, md5(:s || 'j' || n)::uuid, md5(:s || (1 + mod(n, 5000)))::uuid, md5(:s || 'c' || (1 + mod(n, 5000)))::uuid, 'Deep clean', at,
       at + interval '1 hour', 'America/New_York', 'USD'
  from generate_series(1, :rows / 4) n
 cross join lateral (select case when n <= {DUE} / 2 then timestamptz '{NOW.isoformat()}' + interval '1 day'
                             else timestamptz '{NOW.isoformat()}' + interval '2 days' + mod(n, {_DAYS} * 24) * interval '1 hour'
                             end as at) a;

insert into reminders (tenant_id, id, contact_id, job_id, type, rule, anchor_at, send_at, next_at, expires_at, channel)
select :t, md5(j.id::text || r.rule || h.channel)::uuid, j.contact_id, j.id, 'job_upcoming', r.rule, j.start_at, j.start_at - r.ahead,
       j.start_at - r.ahead, j.start_at, h.channel
  from jobs j cross join (values ('before_24h', interval '1 day'), ('before_2h', interval '2 hours')) r(rule, ahead)
 cross join (values ('email'), ('sms')) h(channel)
 where j.tenant_id = :t
"""
_BARE = """
update reminders m set state = 'claimed', lease_until = :until, lease_token = :token, attempts = m.attempts + 1, version = m.version + 1,
       updated_at = :now
 where m.tenant_id = app.tenant() and m.id in (
   select r.id from reminders r where r.tenant_id = app.tenant() and r.state = 'scheduled' and r.next_at <= :now
    order by r.next_at, r.id limit {size} for no key update skip locked)
"""


def run(stage: Stage) -> Iterator[Row]:
    """Claim what is due of a million in batches; beside it the bare statement in the same batches, and the same of a tenth."""
    many, few = _seeded(stage, ROWS), _seeded(stage, FEW)
    bare, whole, claimed, of_few = in_turn(
        ROUNDS, lambda: _bare(stage, many, dispatching.BATCH), lambda: _bare(stage, many, DUE), lambda: _claimed(stage, many),
        lambda: _claimed(stage, few),
    )  # fmt: skip
    detail = (
        f"{milliseconds(claimed)} for {DUE:,} due in batches of {dispatching.BATCH} with all that decides about them, "
        f"against {milliseconds(whole)} of a single bare statement, and {milliseconds(bare)} of as many as there are batches"
    )
    yield Row(f"pick and claim {DUE:,} due reminders of {ROWS:,} : one UPDATE", median(claimed) / median(whole), 2, detail)
    detail = f"{milliseconds(claimed)} beside {ROWS - DUE:,} that are not due against {milliseconds(of_few)} beside {FEW - DUE:,}"
    yield Row("… : the same beside a tenth of what is not due", median(claimed) / median(of_few), 1.25, detail)


def _seeded(stage: Stage, rows: int) -> Tenant:
    tenant = stage.tenant()
    stage.seed(SEED, tenant, rows=rows)
    return tenant


def _again(stage: Stage, tenant: Tenant) -> None:
    """Have what was claimed be due again, and no dead rows in the way of whoever comes next."""
    with stage.admin.connect() as connection:
        connection.execute(
            text(
                "update reminders set state = 'scheduled', lease_until = null, lease_token = null"
                " where tenant_id = :t and state = 'claimed'"
            ),
            {"t": tenant.id},
        )
        connection.execute(text("vacuum analyze reminders"))


def _bare(stage: Stage, tenant: Tenant, size: int) -> list[float]:
    _again(stage, tenant)

    def claim() -> None:
        count = size
        while count == size:
            with db.job_transaction(tenant.id, now=NOW) as tx:
                given = {"now": NOW, "until": NOW + claiming.LEASE, "token": uuid4()}
                count = tx.execute(text(_BARE.format(size=size)), given).rowcount

    return timed(claim)


def _claimed(stage: Stage, tenant: Tenant) -> list[float]:
    _again(stage, tenant)

    def claim() -> None:
        done, total = dispatching.Dispatched(), 0
        while (batch := dispatching.claim(tenant.id, done, now=lambda: NOW)) is not None:
            total += len(batch.rows)
        if total != DUE:
            message = f"{total} instead of {DUE}: {done.states}"
            raise RuntimeError(message)

    return timed(claim)
