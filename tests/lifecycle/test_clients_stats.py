"""The numbers over all clients are kept with every change, and agree with a count."""

import importlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from clientway import db
from clientway.lifecycle.clients import service
from clientway.lifecycle.clients.schemas import ClientStats
from tests.fixtures import EVENTS, LambdaContext

STATS = "lifecycle/client_stats"
NOBODY = {"total_clients": 0, "active_clients": 0, "lead_clients": 0, "inactive_clients": 0, "paying_clients": 0, "total_ltv_cents": 0}


@pytest.fixture
def organization_id(invoke):
    return invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}).json["id"]


@pytest.fixture
def person(invoke, organization_id):
    def add(**details):
        body = {"first_name": "Ann", **details}
        return invoke("lifecycle/organization_contacts", method="POST", path={"organization_id": organization_id}, body=body).json

    return add


def stats(invoke, **query):
    answer = invoke(STATS, query=query)
    assert answer.status == 200, answer.body
    ClientStats.model_validate_json(answer.body)
    return answer.json


def set_columns(engine, contact_id, **columns):
    with engine.connect() as connection:
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        connection.execute(text(f"update contacts set {assignments} where id = :id"), {"id": contact_id, **columns})


def test_a_tenant_without_clients_has_noughts(invoke):
    answer = stats(invoke)

    assert {name: answer[name] for name in NOBODY} == NOBODY
    assert (answer["avg_ltv_cents"], answer["avg_ltv_per_payer_cents"], answer["currency"]) == (0, 0, "USD")
    assert answer["verification"] is None


def test_every_change_is_counted(invoke, person, admin_engine):
    one, two, three = person(), person(status="inactive"), person()
    set_columns(admin_engine, three["id"], status="lead")
    set_columns(admin_engine, one["id"], ltv_cents=100)
    set_columns(admin_engine, two["id"], ltv_cents=1)

    answer = stats(invoke)
    assert {name: answer[name] for name in NOBODY} == {
        "total_clients": 3, "active_clients": 1, "lead_clients": 1, "inactive_clients": 1, "paying_clients": 2, "total_ltv_cents": 101,
    }  # fmt: skip
    # Rounded down, over all and over those who paid.
    assert (answer["avg_ltv_cents"], answer["avg_ltv_per_payer_cents"]) == (33, 50)


def test_who_is_deleted_counts_no_more_until_restored(invoke, person, admin_engine):
    contact = person()
    set_columns(admin_engine, contact["id"], ltv_cents=500)

    path = {"contact_id": contact["id"]}
    assert invoke("lifecycle/contact", method="DELETE", path=path, headers={"If-Match": '"1"'}).status == 204
    gone = stats(invoke)
    assert invoke("lifecycle/contact_restore", method="POST", path=path).status == 200
    back = stats(invoke)

    assert [(one["total_clients"], one["total_ltv_cents"], one["paying_clients"]) for one in (gone, back)] == [(0, 0, 0), (1, 500, 1)]


def test_a_negative_value_is_rounded_down_too(invoke, person, admin_engine):
    set_columns(admin_engine, person()["id"], ltv_cents=-1)
    person()

    assert stats(invoke)["avg_ltv_cents"] == -1


def test_a_change_that_counts_for_nothing_leaves_no_line(invoke, person, tenant, admin_engine):
    contact = person()

    def lines():
        with admin_engine.connect() as connection:
            return connection.scalar(text("select count(*) from client_counts where tenant_id = :t"), {"t": tenant.id})

    before = lines()
    headers = {"If-Match": f'"{contact["version"]}"'}
    assert (
        invoke("lifecycle/contact", method="PATCH", path={"contact_id": contact["id"]}, body={"title": "x"}, headers=headers).status == 200
    )

    assert lines() == before


def test_a_full_count_agrees_and_says_so_when_it_does_not(invoke, person, tenant, admin_engine):
    person(), person(status="inactive")
    agreeing = stats(invoke, verify="true")
    with admin_engine.connect() as connection:
        connection.execute(text("insert into client_counts (tenant_id, lead_clients) values (:t, 1)"), {"t": tenant.id})
    differing = stats(invoke, verify="true")

    assert agreeing["verification"] == {"agrees": True, **{name: agreeing[name] for name in NOBODY}}
    assert differing["verification"]["agrees"] is False
    assert (differing["lead_clients"], differing["verification"]["lead_clients"]) == (1, 0)


def test_a_full_count_is_for_admins(invoke, tenant):
    assert invoke(STATS, token=tenant.viewer).status == 200
    for token in (tenant.viewer, tenant.editor):
        assert invoke(STATS, query={"verify": "true"}, token=token).status == 403
    assert invoke(STATS, query={"verify": "perhaps"}).status == 400
    assert invoke(STATS, token=None).status == 401


def test_others_clients_are_not_counted(invoke, person, other_tenant):
    person()

    assert invoke(STATS, token=other_tenant.admin).json["total_clients"] == 0


def test_folding_keeps_the_sums_and_leaves_one_line(invoke, person, tenant, admin_engine, monkeypatch):
    monkeypatch.setattr(db, "all_tenants", lambda: [tenant.id])
    for status in ("active", "inactive", "active"):
        person(status=status)
    before = stats(invoke)
    event = json.loads((EVENTS / "lifecycle/recalculate_health.json").read_text())
    importlib.import_module("lifecycle.recalculate_health").handler(event, LambdaContext())
    person()
    importlib.import_module("lifecycle.recalculate_health").handler(event, LambdaContext())

    after = stats(invoke, verify="true")
    assert (before["total_clients"], after["total_clients"], after["verification"]["agrees"]) == (3, 4, True)
    with admin_engine.connect() as connection:
        lines = connection.execute(text("select is_base, active_clients from client_counts where tenant_id = :t"), {"t": tenant.id}).all()
    assert [tuple(one) for one in lines] == [(True, 3)]


def test_folding_and_writing_at_once_lose_nothing(tenant, admin_engine, database_url):
    def write(number):
        with admin_engine.connect() as connection:
            for one in range(20):
                given = {"t": tenant.id, "s": f"c-{number}-{one}"}
                connection.execute(
                    text("insert into contacts (tenant_id, id, slug, name_norm, search_text) values (:t, gen_random_uuid(), :s, '', '')"),
                    given,
                )

    def fold(_):
        for _ in range(20):
            with db.job_transaction(tenant.id) as tx:
                service.fold_counts(tx)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda task: task[0](task[1]), [(write, 1), (fold, 1), (write, 2), (fold, 2), (write, 3)]))

    with db.job_transaction(tenant.id) as tx:
        service.fold_counts(tx)
        answer = json.loads(service.stats(tx, verify=True))
    assert (answer["total_clients"], answer["verification"]["agrees"]) == (60, True)


def test_an_import_in_one_statement_is_one_line(tenant, admin_engine):
    with admin_engine.connect() as connection:
        connection.execute(
            text("""insert into contacts (tenant_id, id, slug, name_norm, search_text)
                    select :t, gen_random_uuid(), 'c-' || n, '', '' from generate_series(1, 1000) n"""),
            {"t": tenant.id},
        )
        lines = connection.execute(text("select active_clients from client_counts where tenant_id = :t"), {"t": tenant.id}).scalars().all()

    assert lines == [1000]
