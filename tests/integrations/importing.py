"""Imports asked for through handlers and done by the worker."""

from uuid import UUID

from sqlalchemy import text

from clientway.ids import uuid7
from clientway.integrations.imports import worker

ROWS = [
    {"business_id": "1", "name": "Blue Bistro", "address": "1 Main Street", "city": "Austin", "state": "TX", "zip": "78701", "phone": "(512) 472-1234", "email": "ana@bistro.example"},
    {"business_id": "2", "name": "Blue Bistro, Inc.", "address": "1 Main St", "city": "Austin", "state": "TX", "zip": "78701", "website": "bistro.example"},
    {"business_id": "1", "name": "Blue Bistro", "address": "1 Main Street", "city": "Austin", "state": "TX", "zip": "78701", "phone": "(512) 472-1234", "email": "ana@bistro.example"},
    {"business_id": "3", "name": "", "address": "Nowhere"},
    {"business_id": "4", "name": "=cmd|' /C calc'!A0", "phone": "NOT AVAILABLE"},
]  # fmt: skip


def run(tenant, import_id, *actions):
    for action in actions:
        worker.work(tenant.id, UUID(str(import_id)), action)


def start(invoke, tenant, rows=ROWS, **more):
    answer = invoke("integrations/imports", method="POST", body={"source": "list", "rows": rows, **more})
    assert answer.status == 201, answer.body
    run(tenant, answer.json["id"], "preview")
    return answer.json["id"]


def import_file(admin_engine, tenant, content: bytes, source="list"):
    """An import of a file whose bytes stand in the database, as inline rows' do."""
    one = uuid7()
    with admin_engine.connect() as connection:
        connection.execute(
            text(
                "insert into imports (tenant_id, id, status, source, filename, inline_content) values (:t, :i, 'previewing', :s, 'f.csv', :c)"
            ),
            {"t": tenant.id, "i": one, "s": source, "c": content},
        )
    return one


def of(invoke, import_id):
    return invoke("integrations/import_one", path={"import_id": import_id}).json


def ask(invoke, import_id, action):
    return invoke(f"integrations/import_{action}", method="POST", path={"import_id": import_id})


def committed(invoke, tenant, import_id):
    assert ask(invoke, import_id, "commit").status == 202
    run(tenant, import_id, "commit")
    return of(invoke, import_id)["counts"]


def live(admin_engine, tenant, table="organizations"):
    with admin_engine.connect() as connection:
        return connection.execute(
            text(f"select count(*) from {table} where tenant_id = :t and deleted_at is null"), {"t": tenant.id}
        ).scalar()
