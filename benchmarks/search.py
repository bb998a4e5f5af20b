"""Substring search over 1,000,000 contacts in a tenant of 200,000: our SQL under row security, and plain LIKE without it."""

import re
from collections.abc import Iterator
from statistics import median

from benchmarks.measure import Row, in_turn, milliseconds
from benchmarks.stage import Stage, as_script, overheard
from clientway import access, db, tokens
from clientway.lifecycle.contacts import service
from clientway.lifecycle.contacts.schemas import Filters
from clientway.paging import Request
from tests.fixtures import Tenant

ROWS = 200_000
OTHERS = 4
"""Tenants of the same size beside the one that searches."""
ROUNDS = 10
CALLS = 30
# 60 first names by 400 surnames: a surname is at 500 contacts of the tenant, an address at one.
SEED = """
insert into contacts (tenant_id, id, first_name, last_name, email, email_norm, phone, phone_e164, slug, name_norm, search_text,
                      created_at, updated_at)
select :t, uuidv7(), first, last, mail, mail, phone, phone, 'c-' || n, lower(first || ' ' || last),
       lower(first || ' ' || last) || chr(10) || substr(phone, 2) || ' ' || mail, at, at
  from (select n, now() - n * interval '1 minute' as at, '+1305555' || lpad(mod(n * 7919, 10000)::text, 4, '0') as phone,
               initcap(translate(substr(md5('f' || mod(n, 60)), 1, 6), '0123456789', 'aeiouaeiou')) as first,
               initcap(translate(substr(md5('l' || mod(n / 60, 400)), 1, 8), '0123456789', 'aeiouaeiou')) as last,
               n || '.' || substr(md5(:s || n), 1, 8) || '@place.example' as mail
          from generate_series(1, :rows) n) drawn
"""


def run(stage: Stage) -> Iterator[Row]:
    """Search for what one contact has, and for what five hundred have."""
    tenants = [stage.tenant() for _ in range(OTHERS + 1)]
    for one in tenants:
        stage.seed(SEED, one, rows=ROWS, large="contacts")
    tenant = tenants[OTHERS // 2]
    with stage.admin.connect() as connection:
        [address] = connection.exec_driver_sql(f"select email from contacts where tenant_id = '{tenant.id}' and slug = 'c-4711'").one()
        [surname] = connection.exec_driver_sql(f"select last_name from contacts where tenant_id = '{tenant.id}' and slug = 'c-4711'").one()
    for hits, term in ((1, address[:12]), (ROWS // 400, surname)):
        guarded, plain = scripts(tenant, term)
        ours, bare = in_turn(
            ROUNDS,
            lambda script=guarded: stage.pgbench(script, user="clientway_app", times=CALLS),
            lambda script=plain: stage.pgbench(script, user="postgres", times=CALLS),
        )
        what = f"substring search over {ROWS * (OTHERS + 1):,} contacts, {hits} of the tenant's {ROWS:,} found : without row security"
        yield Row(what, median(ours) / median(bare), 3, f"{milliseconds(ours)} against {milliseconds(bare)}")


def scripts(tenant: Tenant, term: str) -> tuple[str, str]:
    """What a search sends, and the same with LIKE in place of the function that makes up for row security."""
    filters = Filters(q=term)
    with overheard() as heard:
        tx = db.begin(db.Credential(tokens.digest(tenant.viewer), access.VIEWERS))
        service.find(tx, Request(50, None, "-updated_at", vars(filters)), filters)
        db.commit(tx)
    guarded = as_script(heard)
    plain, replaced = re.subn(
        r"c\.id IN \(SELECT hit FROM app\.search_contacts\('([^']*)'[^)]*\) AS hit\)",
        r"c.search_text LIKE '\1'",
        guarded,
        flags=re.IGNORECASE,
    )
    if replaced != 1:
        raise RuntimeError(guarded)
    return guarded, plain
