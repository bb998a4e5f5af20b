"""The legacy migration over rows that make no sense: all accounted for, nothing doubled, the second run finds nothing to do."""

import random
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

from clientway.integrations.legacy import engine, service
from clientway.integrations.legacy.columns import COLUMNS
from clientway.integrations.legacy.reading import Kind
from tests.integrations.legacy import insert

TABLES = {"clients": Kind.CLIENT, "restaurant_leads": Kind.LEAD, "hubspot_contacts": Kind.HUBSPOT}
ODD = [
    None, "", " ", "N/A", "NOT AVAILABLE", "-999", "0", 0, 1, -1, 3.5, 1e300, float("inf"), 2**62, "null", "'; drop table clients; --", "=cmd()", "\x00",
    "Ñ" * 400, "😀", "x" * 25_000, b"\xff\xfe", b"caf\xe9", "[1,", "{}", "true", "1,234", "$5", "99999999999999999999", "\u202eabc", "a\tb\nc", "٣٤٥", "\ufeff",
]  # fmt: skip
# Few enough that rows meet one another in every combination.
LIKELY = {
    "email": ["ana@x.example", "Bo@x.example", "bo@x.example ", "cy@y.example", "noreply@y.example", "mailto:cy@y.example"],
    "phone": ["512-472-1234", "(512) 472-1234", "512-472-5678", "5124729999"],
    "name": ["Blue Bistro", "Blue Bistro, Inc.", "BLUE  BISTRO", "Juniper & Salt", "Juniper and Salt LLC", "Ana"],
    "address": ["1 Main Street", "1 Main St.", "2 Elm"], "city": ["Austin", "Boise"], "state": ["TX", "texas", "ID"], "zip": ["78701", 2134, "2134", "78701-1234"],
    "status": ["active", "new", "paused", "cancelled", "churned", "closed", "do_not_contact"], "tier": ["core", "pro", "premium", "none", "gold"],
    "id": ["1", "2", 3, "3"], "time": [1_600_000_000, "1600000000000", "2024-01-02", "2999-01-01"],
}  # fmt: skip
IDS = [f"n{number}" for number in range(80)]


def likely(target):
    names = {
        "email": "email", "phone": "phone", "name": "name", "company": "name", "address": "address_line1", "city": "city", "state": "state", "zip": "zip",
        "status": "status", "tier": "tier", "id": "_id", "time": "_at",
    }  # fmt: skip
    return next((LIKELY[kind] for kind, part in names.items() if kind in LIKELY and part in target), IDS)


def fill(path, draw, rows):
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, kind in TABLES.items():
            targets = {columns[0]: target for target, columns in COLUMNS[kind].items()}
            connection.execute(f"create table if not exists {table} ({', '.join(targets)})")
            for number in range(rows):
                row = {
                    name: draw.choice(likely(target) if draw.random() < 0.6 else ODD)
                    for name, target in targets.items()
                    if draw.random() < 0.5
                }
                identity = COLUMNS[kind]["id"][0]
                row[identity] = number if draw.random() < 0.95 else draw.choice(LIKELY["id"])
                insert(connection, table, {name: value if value != 2**62 else 2**62 - 1 for name, value in row.items()})


@pytest.mark.parametrize("seed", range(4))
def test_nonsense_is_accounted_for_and_taken_once(tmp_path, tenant, admin_engine, seed):
    old = tmp_path / "legacy.sqlite"
    fill(old, random.Random(seed), 150)

    first = service.migrate(tenant.id, old)

    for table in first.tables:
        assert table.rows == sum(table.counts.values()) == 150
        # Whatever is wrong with a row is found here, not by the database.
        assert not [failure for failure in table.failures if "database" in failure.reason]
    with admin_engine.connect() as connection:
        count = text("select count(*) from organizations where tenant_id = :t")
        made = connection.execute(count, {"t": tenant.id}).scalar()
    alone = sum(
        count for table in first.tables for (_, reason), count in table.reasons.items() if reason == "a person without an organization"
    )
    assert made == sum(table.counts["created"] for table in first.tables) - alone
    again = service.migrate(tenant.id, old)
    assert again.before == again.after == first.after
    for table in again.tables:
        assert table.counts["created"] == table.counts["merged"] == 0
        assert table.reasons["skipped", engine.UNCHANGED] == sum(
            one.counts["created"] + one.counts["merged"] for one in first.tables if one.name == table.name
        )
