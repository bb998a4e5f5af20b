"""The connection lost around COMMIT: before it arrives, and after it was done and nobody heard of it."""

import pytest

from tests.chaos.asking import calling, difference, state
from tests.chaos.test_every_flight import again, judge, look_at, prepared
from tests.fixtures import make_tenant
from tests.test_db import proxy as _proxy

proxy = _proxy
CHANGES = [
    "create with a key",
    "create without a key",
    "change",
    "delete",
    "move a stage",
    "convert to client",
    "payment that moves a stage",
    "book a job for a new client",
    "move a job",
]


@pytest.mark.parametrize("where", ["before it arrives", "after it is answered"])
def test_the_connection_is_lost_around_commit(where, proxy, admin_engine, database_url, size, draw, tally):
    tenant = make_tenant(admin_engine)
    clean = {kind: [look_at(kind, tenant, proxy, admin_engine, warm=True) for _ in range(2)][1] for kind in CHANGES}
    for number in range(size(short=10, long=500)):
        if number % 50 == 49:
            # All of a tenant's rows are compared each time.
            tenant = make_tenant(admin_engine)
        call = calling(tenant)
        kind, once = draw.choice(CHANGES), draw.random() < 0.7
        ask = prepared(kind, call, proxy, warm=True)
        before = state(admin_engine, tenant)
        commits = proxy.cut_commits(where, once=once)
        print(number, kind, "once" if once else "always")
        answer = ask.of(call)
        proxy.heal()

        assert commits
        effect = difference(before, state(admin_engine, tenant))
        if not ask.repeatable or not once:
            # Nobody asked again for the caller, so what became of it is what became of the first.
            assert (effect != {}) == (where == "after it is answered")
            assert answer.json["code"] == "commit_unknown"
        tally[judge(ask, answer, effect, clean[kind], forgiven=once)] += 1
        again(ask, call, clean[kind], effect, before, tenant, admin_engine)
