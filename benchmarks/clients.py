"""Clients: a page of a timeline of 100,000 events, the numbers over all of them, and search among 1,000,000 people."""

import json
import re
from collections.abc import Callable, Iterator
from statistics import median

from benchmarks.handlers import asking, call, event
from benchmarks.measure import Row, in_turn, milliseconds, timed
from benchmarks.stage import Stage, as_script, overheard
from clientway import access, db, ratelimit, tokens
from clientway.lifecycle.clients import service
from clientway.paging import Request
from tests.fixtures import Tenant

EVENTS = 100_000
PAGE = 50
LAST = EVENTS // PAGE
ROUNDS = 10
CALLS = 30
CLIENTS = 200_000
FEW = 2_000
OTHERS = 4
"""Tenants of the same size beside the one that searches."""
LINES = 5_000
"""Changes that a busy hour leaves until they are folded."""

# A tenth of the lines was written to a record that was merged into the client's; beside them a hundred other clients.
TIMELINE = """
insert into contacts (tenant_id, id, slug, name_norm, search_text, merged_into, deleted_at)
select :t, md5(:s || n)::uuid, 'c-' || n, '', '', case when n = 1 then md5(:s || 0)::uuid end, case when n = 1 then now() end
  from generate_series(0, 101) n;

insert into activities (tenant_id, id, contact_id, activity_type, title, metadata, performed_by_type, occurred_at)
select :t, uuidv7(), md5(:s || case when mod(n, 10) = 0 then 1 else 0 end)::uuid,
       (array['job_completed', 'invoice_paid', 'payment_received', 'note_added'])[1 + mod(n, 4)], 'Deep clean',
       jsonb_build_object('job_id', uuidv7(), 'amount_cents', n), 'user', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into activities (tenant_id, id, contact_id, activity_type, title, performed_by_type, occurred_at)
select :t, uuidv7(), md5(:s || (2 + mod(n, 100)))::uuid, 'note_added', 'x', 'user', now() - n * interval '1 minute'
  from generate_series(1, :rows) n
"""

# 60 first names by 400 surnames: a surname is at 500 clients of the tenant, an address at one. Every tenth has two of each.
PEOPLE = """
insert into contacts (tenant_id, id, first_name, last_name, email, email_norm, phone, phone_e164, slug, name_norm, search_text,
                      created_at, updated_at)
select :t, md5(:s || n)::uuid, first, last, mail, mail, phone, phone, 'c-' || n, lower(first || ' ' || last),
       lower(first || ' ' || last) || chr(10) || substr(phone, 2) || ' ' || mail, at, at
  from (select n, now() - n * interval '1 minute' as at, '+1305555' || lpad(mod(n * 7919, 10000)::text, 4, '0') as phone,
               initcap(translate(substr(md5('f' || mod(n, 60)), 1, 6), '0123456789', 'aeiouaeiou')) as first,
               initcap(translate(substr(md5('l' || mod(n / 60, 400)), 1, 8), '0123456789', 'aeiouaeiou')) as last,
               n || '.' || substr(md5(:s || n), 1, 8) || '@place.example' as mail
          from generate_series(1, :rows) n) drawn;

insert into contact_emails (tenant_id, contact_id, email, email_norm, is_primary)
select c.tenant_id, c.id, c.email, c.email_norm, true from contacts c where c.tenant_id = :t;

insert into contact_emails (tenant_id, contact_id, email, email_norm)
select :t, md5(:s || n)::uuid, mail, mail
  from (select n, n || '.' || substr(md5(:s || 'e' || n), 1, 8) || '@home.example' as mail from generate_series(10, :rows, 10) n) drawn;

insert into contact_phones (tenant_id, contact_id, phone, phone_e164)
select :t, md5(:s || n)::uuid, phone, phone
  from (select n, '+1212' || lpad(mod(n::bigint * 7919, 10000000)::text, 7, '0') as phone from generate_series(10, :rows, 10) n) drawn
"""
COUNTS = "insert into client_counts (tenant_id, is_base, active_clients) values (:t, true, :rows)"
CHANGES = "insert into client_counts (tenant_id, active_clients, ltv_cents) select :t, 1, n from generate_series(1, :rows) n"


def run(stage: Stage) -> Iterator[Row]:
    """The three of them."""
    # A bucket that never runs empty is looked at all the same.
    ratelimit.BURST = 1e9
    yield timeline(stage)
    tenants = [stage.tenant() for _ in range(OTHERS + 1)]
    for one in tenants:
        stage.seed(PEOPLE, one, rows=CLIENTS, large="contacts")
        stage.seed(COUNTS, one, rows=CLIENTS)
    yield from stats(stage, tenants[0])
    yield from search(stage, tenants[OTHERS // 2])


def timeline(stage: Stage) -> Row:
    """Page 2,000 of a client's timeline, and page 1."""
    tenant = stage.tenant()
    stage.seed(TIMELINE, tenant, rows=EVENTS)
    with stage.admin.connect() as connection:
        client = connection.exec_driver_sql(f"select id from contacts where tenant_id = '{tenant.id}' and slug = 'c-0'").scalar()
    ask = caller("lifecycle/client_timeline", tenant, contact_id=client)
    cursor = None
    for _ in range(LAST // 2 - 1):
        cursor = json.loads(ask(limit=2 * PAGE, **({"cursor": cursor} if cursor else {})))["next_cursor"]
    cursor = json.loads(ask(limit=PAGE, cursor=cursor))["next_cursor"]
    last, first = in_turn(
        ROUNDS, lambda: timed(lambda: ask(limit=PAGE, cursor=cursor), CALLS), lambda: timed(lambda: ask(limit=PAGE), CALLS)
    )
    what = f"timeline of a client with {EVENTS:,} events, page {LAST:,} : page 1"
    return Row(what, median(last) / median(first), 1.2, f"{milliseconds(last)} against {milliseconds(first)}")


def stats(stage: Stage, large: Tenant) -> Iterator[Row]:
    """The numbers over 200,000 clients and over 2,000; then with the changes of a busy hour beside them."""
    small, busy = stage.tenant(), stage.tenant()
    stage.seed(PEOPLE, small, rows=FEW)
    stage.seed(COUNTS, small, rows=FEW)
    stage.seed(COUNTS, busy, rows=FEW)
    stage.seed(CHANGES, busy, rows=LINES)
    ask_large, ask_small, ask_busy = (caller("lifecycle/client_stats", one) for one in (large, small, busy))
    many, few, unfolded = in_turn(ROUNDS, *(lambda ask=ask: timed(ask, CALLS) for ask in (ask_large, ask_small, ask_busy)))
    yield Row(
        f"stats of {CLIENTS:,} clients : of {FEW:,}", median(many) / median(few), 1.2, f"{milliseconds(many)} against {milliseconds(few)}"
    )
    what = f"stats with {LINES:,} changes that are not folded yet : folded"
    yield Row(what, median(unfolded) / median(few), 2, f"{milliseconds(unfolded)} against {milliseconds(few)}")


def search(stage: Stage, tenant: Tenant) -> Iterator[Row]:
    """Search for what one client has, for what five hundred have, and for a further e-mail and number of one."""
    with stage.admin.connect() as connection:
        [address, surname] = connection.exec_driver_sql(
            f"select email, last_name from contacts where tenant_id = '{tenant.id}' and slug = 'c-4711'"
        ).one()
        [further] = connection.exec_driver_sql(
            f"select email from contact_emails where tenant_id = '{tenant.id}' and not is_primary order by email limit 1"
        ).one()
    for hits, term in ((1, address[:12]), (CLIENTS // 400, surname), (1, further[:12])):
        guarded, plain = scripts(tenant, term)
        ours, bare = in_turn(
            ROUNDS,
            lambda script=guarded: stage.pgbench(script, user="clientway_app", times=CALLS),
            lambda script=plain: stage.pgbench(script, user="postgres", times=CALLS),
        )
        which = "a further e-mail" if term == further[:12] else f"{hits} found"
        what = f"client search over {CLIENTS * (OTHERS + 1):,} people, {which} of the tenant's {CLIENTS:,} : without row security"
        yield Row(what, median(ours) / median(bare), 3, f"{milliseconds(ours)} against {milliseconds(bare)}")


def caller(function: str, tenant: Tenant, **path: object) -> Callable[..., str]:
    """What calls the real handler with a query and returns its answer."""
    sample = event(function, tenant, **path)
    return lambda **query: call(function, asking(sample, "GET", query=query))


def scripts(tenant: Tenant, term: str) -> tuple[str, str]:
    """What a search sends, and the same with LIKE in place of the function that makes up for row security."""
    with overheard() as heard:
        tx = db.begin(db.Credential(tokens.digest(tenant.viewer), access.VIEWERS))
        service.search(tx, term, Request(50, None, "name", {"q": term}))
        db.commit(tx)
    guarded = as_script(heard)
    plain, replaced = re.subn(
        r"c\.id IN \(SELECT hit FROM app\.search_clients\('([^']*)'[^)]*\) AS hit\)", _LIKE, guarded, flags=re.IGNORECASE
    )
    if replaced != 1:
        raise RuntimeError(guarded)
    return guarded, plain


_LIKE = r"""c.id in (
  select x.id from contacts x where x.tenant_id = app.tenant() and x.search_text like '\1'
  union
  select e.contact_id from contact_emails e
   where e.tenant_id = app.tenant() and e.email_norm like '\1' and e.live and not e.is_primary
  union
  select p.contact_id from contact_phones p
   where p.tenant_id = app.tenant() and p.phone_e164 like '\1' and p.live and not p.is_primary)"""
