"""The watch over all statements of the suite (tests/wire.py) sees what it is there for."""

import pytest

from tests.wire import pinning, without_tenant

CONTACTS, ORGANIZATIONS = "contacts as c", "organizations as o"


@pytest.mark.parametrize(
    ("sql", "loose"),
    [
        ("select 1 from contacts c where c.tenant_id = app.tenant() and c.id = $1", ()),
        ("select 1 from contacts c where tenant_id = app.tenant()", ()),
        ("select 1 from contacts c where c.id = $1", (CONTACTS,)),
        ("select 1 from contacts c where c.tenant_id = app.tenant() or c.id = $1", (CONTACTS,)),
        ("select 1 from contacts c where not (c.tenant_id = app.tenant())", (CONTACTS,)),
        ("select 1 from contacts c join organizations o on o.id = c.organization_id where c.tenant_id = app.tenant()", (ORGANIZATIONS,)),
        ("select 1 from contacts c join organizations o on o.tenant_id = c.tenant_id where c.tenant_id = app.tenant()", ()),
        ("select 1 from contacts c join organizations o on o.tenant_id = c.tenant_id", (CONTACTS, ORGANIZATIONS)),
        ("select 1 from contacts c left join organizations o on (o.tenant_id = c.tenant_id and true) where c.tenant_id = $1", ()),
        ("select exists (select from contacts c where c.id = $1)", (CONTACTS,)),
        (
            "select 1 from organizations o where o.tenant_id = app.tenant() and exists (select from contacts c where c.id = o.id)",
            (CONTACTS,),
        ),
        ("select 1 from organizations o, lateral (select from contacts c where c.tenant_id = o.tenant_id) where o.tenant_id = $1", ()),
        ("update contacts c set title = 'x' where c.id = $1", (CONTACTS,)),
        ("update contacts c set title = 'x' from organizations o where c.tenant_id = app.tenant() and o.id = $1", (ORGANIZATIONS,)),
        ("delete from contacts c using organizations o where o.tenant_id = app.tenant()", (CONTACTS,)),
        ("with gone as (delete from contacts c returning id) select * from gone", (CONTACTS,)),
        ("with contacts as (select 1) select * from contacts c", ()),
        ("insert into contacts (id) values ($1) on conflict (tenant_id, id) do update set title = excluded.title", ()),
        ("insert into contacts (id) select o.id from organizations o", (ORGANIZATIONS,)),
    ],
)
def test_each_tenant_table_needs_a_predicate_of_its_own(sql, loose):
    assert set(without_tenant(sql)) == set(loose)


@pytest.mark.parametrize(
    "sql",
    [
        "set search_path to x", "begin;set local x = 1", "listen x", "prepare x as select 1", "select pg_advisory_lock(1)",
        "select pg_try_advisory_lock(1)", "create temp table x (i int)", "declare c cursor for select 1", "select set_config('a', 'b', true)",
        "select nextval('x')", "discard all",
    ],
)  # fmt: skip
def test_what_pins_a_proxied_connection_is_known(sql):
    assert pinning(sql) is not None


@pytest.mark.parametrize(
    "sql", ["begin", "commit", "select app.enter('x')", "update contacts set title = 'x'", "select pg_advisory_xact_lock(1)"]
)
def test_what_does_not_pin_is_let_through(sql):
    assert pinning(sql) is None
