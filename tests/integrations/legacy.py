"""Old databases for tests, as seed 0 describes them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

CLIENTS = """create table clients (id text primary key, name text, company text, slug text, email text, phone text, support_plan_tier text,
  support_plan_status text, support_plan_started integer, support_hours_included real, support_hours_used real, mrr integer, health_score integer,
  stripe_customer_id text, stripe_subscription_id text, assigned_rep text, portal_enabled integer, created_at integer)"""
LEADS = """create table restaurant_leads (id text primary key, business_name text, address text, city text, state text, zip text, phone text,
  email text, contact_name text, website text, pos_system text, status text, notes text, tags text, estimated_annual_revenue real,
  unsubscribed_at text, created_at integer, favourite_colour text)"""
HUBSPOT = """create table hubspot_contacts (id integer primary key, hubspot_contact_id text, email text, firstname text, lastname text, phone text,
  company text, jobtitle text, lifecyclestage text, createdate text)"""

CLIENT: dict[str, Any] = {
    "id": "c1", "name": "Juniper & Salt", "company": "Juniper & Salt, LLC", "slug": "juniper", "email": "Ana@Juniper.example", "phone": "(512) 472-1234",
    "support_plan_tier": "core", "support_plan_status": "active", "support_plan_started": 1_700_000_000, "support_hours_included": 5,
    "support_hours_used": 1.5, "mrr": 49_900, "health_score": 83, "created_at": 1_600_000_000,
}  # fmt: skip
LEAD: dict[str, Any] = {
    "id": "l1", "business_name": "Juniper and Salt", "address": "12 Main Street", "city": "Austin", "state": "Texas", "zip": "78701",
    "phone": "512-472-1234", "email": "ana@juniper.example", "contact_name": "Ana Ruiz", "website": "juniper.example", "status": "active",
    "created_at": 1_650_000_000_000,
}  # fmt: skip
PERSON: dict[str, Any] = {
    "id": 1, "hubspot_contact_id": "9001", "email": "ana@juniper.example", "firstname": "Ana", "lastname": "Ruiz", "company": "Juniper",
    "jobtitle": "Owner", "lifecyclestage": "customer", "createdate": "2024-01-02T03:04:05Z",
}  # fmt: skip


def build(path: Path, *schemas: str, **tables: list[dict[str, Any]]) -> Path:
    """Make a database; the named tables get their rows, with the usual columns where no schema is given."""
    path.unlink(missing_ok=True)
    usual = {"clients": CLIENTS, "restaurant_leads": LEADS, "hubspot_contacts": HUBSPOT}
    with closing(sqlite3.connect(path)) as connection, connection:
        for schema in schemas or [usual[table] for table in tables]:
            connection.execute(schema)
        for table, rows in tables.items():
            for row in rows:
                insert(connection, table, row)
    return path


def insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Add a row."""
    connection.execute(f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values()))


def change(path: Path, statement: str) -> None:
    """Change an old database."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
