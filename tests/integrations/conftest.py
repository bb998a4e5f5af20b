"""An old database, its migration, and what came of it."""

from collections import Counter
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from clientway.integrations.legacy import service

KEPT = (
    "organizations",
    "locations",
    "contacts",
    "client_accounts",
    "lifecycle_transitions",
    "source_records",
    "activities",
    "organization_tags",
)


@pytest.fixture
def old(tmp_path):
    """A file that is yet to be."""
    return tmp_path / "legacy.sqlite"


@pytest.fixture
def migrate(tenant, old):
    """Run it; every row has to be accounted for."""

    def run(**more):
        report = service.migrate(tenant.id, old, **more)
        for table in report.tables:
            assert table.rows == sum(table.counts.values()) == sum(table.reasons.values()), table
            assert len(table.failures) == table.counts["failed"]
        return SimpleNamespace(
            report=report,
            tables={table.name: [table.counts[one] for one in service.OUTCOMES] for table in report.tables},
            reasons={(table.name, *key): count for table in report.tables for key, count in table.reasons.items()},
            notes=Counter(note for table in report.tables for note in table.notes),
            new={name: report.after[name] - report.before[name] for name in report.before},
        )

    return run


@pytest.fixture
def rows(tenant, admin_engine):
    """Rows of the tenant's table."""

    def find(table, order="1"):
        live = "and deleted_at is null" if table in ("organizations", "locations", "contacts") else ""
        with admin_engine.connect() as connection:
            return connection.execute(text(f"select * from {table} where tenant_id = :t {live} order by {order}"), {"t": tenant.id}).all()

    return find


@pytest.fixture
def everything(tenant, admin_engine):
    """All that a tenant has, down to the row versions."""

    def find(of=tenant):
        with admin_engine.connect() as connection:
            return {
                table: connection.execute(
                    text(f"select t::text, xmin::text from {table} t where tenant_id = :t order by 1"), {"t": of.id}
                ).all()
                for table in KEPT
            }

    return find


@pytest.fixture
def sql(tenant, admin_engine):
    """Change the tenant's rows as somebody who works with them."""

    def run(statement, **given):
        with admin_engine.connect() as connection:
            return connection.execute(text(statement), {"t": tenant.id, **given})

    return run
