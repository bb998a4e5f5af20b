"""A list of 50 out of 100,000 organizations: our handler, the same SQL through pgbench, and the endpoint written the usual way."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.handlers import asking, call, event
from benchmarks.measure import Row, Times, in_turn, milliseconds, timed
from benchmarks.stage import Stage, as_script, overheard
from clientway import ratelimit
from tests.fixtures import Tenant

ROWS = 100_000
PAGE = 50
LAST = ROWS // PAGE
ROUNDS = 20
CALLS = 50
USUAL = Path(__file__).parents[1] / ".venv-bench" / "bin" / "python"

SEED = """
insert into reps (tenant_id, id, slug, name)
select :t, md5(:s || 'r' || n)::uuid, 'rep-' || n, 'Rep ' || n from generate_series(1, 200) n;

insert into organizations (tenant_id, id, legal_name, dba_name, slug, lifecycle_stage, source, source_id, assigned_rep_id, notes,
                           name_norm, search_text, missing_fields, updated_at, created_at)
select :t, md5(:s || 'o' || n)::uuid, 'Place ' || n || ' Holdings LLC', 'Place ' || n, 'place-' || n,
       (array['lead', 'prospect', 'mql', 'sql', 'opportunity', 'client', 'churned', 'blacklist'])[1 + mod(n, 8)], 'list', n::text,
       md5(:s || 'r' || (1 + mod(n, 200)))::uuid, 'Met at the trade fair.', md5(n::text), 'place ' || n || chr(10) || md5(n::text),
       array['contact.email', 'location.website_url'], now() - n * interval '1 minute', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into organization_tags (tenant_id, organization_id, tag)
select :t, md5(:s || 'o' || n)::uuid, tag from generate_series(1, :rows) n, unnest(array['tag-' || mod(n, 50), 'pizza']) tag;

insert into locations (tenant_id, id, organization_id, name, slug, city, state, phone, email, website_url, pos_system, is_primary)
select :t, md5(:s || 'l' || n)::uuid, md5(:s || 'o' || n)::uuid, 'Main', 'main-' || n, 'Miami', 'FL', '+13055550123', n || '@place.example',
       'https://place.example/' || n, 'toast', true
  from generate_series(1, :rows) n;

insert into contacts (tenant_id, id, organization_id, first_name, last_name, email, email_norm, phone, slug, role_type,
                      name_norm, search_text, is_primary)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || 'o' || n)::uuid, 'Ann', 'Miller ' || n, n || '@x.example', n || '@x.example',
       '+13055550199', 'ann-' || n, 'owner', md5('c' || n), 'ann ' || n || chr(10) || n || '@x.example', true
  from generate_series(1, :rows) n;
"""


def run(stage: Stage) -> Iterator[Row]:
    """Seed, compare page 1 with both, then page 2,000 with page 1."""
    tenant = stage.tenant()
    stage.seed(SEED, tenant, rows=ROWS)
    ask = caller(tenant)
    with overheard() as heard:
        first = ask(limit=PAGE)
    ask(limit=PAGE)
    script = as_script(heard)
    with usual(stage, tenant) as ask_usual:
        ours, bare, theirs = in_turn(
            ROUNDS,
            lambda: timed(lambda: ask(limit=PAGE), CALLS),
            lambda: stage.pgbench(script, user="clientway_app", times=CALLS),
            lambda: ask_usual(first, CALLS),
        )
    what = f"list of {PAGE} out of {ROWS:,}, warm handler"
    shown = f"{milliseconds(ours)} against"
    yield Row(f"{what} : the same SQL through pgbench", median(ours) / median(bare), 6, f"{shown} {milliseconds(bare)}")
    yield Row(f"{what} : FastAPI, ORM, asyncpg", median(ours) / median(theirs), 0.5, f"{shown} {milliseconds(theirs)}")

    cursor = last_page(ask)
    page, start = in_turn(
        ROUNDS,
        lambda: timed(lambda: ask(limit=PAGE, cursor=cursor), CALLS),
        lambda: timed(lambda: ask(limit=PAGE), CALLS),
    )
    what = f"page {LAST:,} of it : page 1"
    yield Row(what, median(page) / median(start), 1.2, f"{milliseconds(page)} against {milliseconds(start)}")


def caller(tenant: Tenant) -> Callable[..., str]:
    """What calls the real handler with a query and returns its answer."""
    # A bucket that never runs empty is looked at all the same.
    ratelimit.BURST = 1e9
    sample = event("lifecycle/organizations", tenant)
    return lambda **query: call("lifecycle/organizations", asking(sample, "GET", query=query))


def last_page(ask: Callable[..., str]) -> str:
    """The cursor of page 2,000, found by turning the pages; they are turned two at a time, as cursors know no page size."""
    cursor = None
    for _ in range(LAST // 2 - 1):
        cursor = json.loads(ask(limit=2 * PAGE, **({"cursor": cursor} if cursor else {})))["next_cursor"]
    return str(json.loads(ask(limit=PAGE, cursor=cursor))["next_cursor"])


@contextmanager
def usual(stage: Stage, tenant: Tenant) -> Iterator[Callable[[str, int], Times]]:
    """The other implementation, in its own environment; it is asked for the times of a number of calls."""
    command = [USUAL, Path(__file__).with_name("usual.py"), stage.url, tenant.admin]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        sent, received = process.stdin, process.stdout
        if sent is None or received is None:
            raise RuntimeError

        def ask(line: str) -> Any:
            sent.write(f"{line}\n")
            sent.flush()
            return json.loads(received.readline())

        def call(first: str, times: int) -> Times:
            found: Times = ask(str(times))
            # It has to say the very same, or the comparison means nothing.
            if _comparable(ask("")) != _comparable(json.loads(first)):
                message = "the usual way answers something else"
                raise RuntimeError(message)
            return found

        yield call
        sent.close()


def _comparable(answer: Any) -> Any:
    """An answer without its cursor and with one spelling of times."""
    plain = re.sub(r"(\.\d+?)0*\+00:00", r"\1Z", re.sub(r"(\.\d+?)0*Z", r"\1Z", json.dumps(answer["data"])))
    return json.loads(plain), answer["has_more"]
