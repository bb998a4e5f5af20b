"""Slugs of many records at once: names that are taken, wanted twice, or look like a numbered one."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from clientway import db
from clientway.lifecycle.bulk import service as records
from clientway.lifecycle.bulk.service import Changes, Record


@pytest.fixture
def write(tenant):
    """Write organizations of these names as one batch; returns their slugs."""

    def call(*names):
        changes = Changes()
        for name in names:
            own = records.new_row("organizations", {"legal_name": name})
            changes.records[own["id"]] = Record(own)
            changes.new["organizations"][own["id"]] = own
        with db.job_transaction(tenant.id, now=datetime.now(UTC)) as tx:
            records.write(tx, changes, currency="USD")
            kept = tx.execute(text("select id, slug from organizations where tenant_id = app.tenant()")).all()
        slugs = {str(row.id): row.slug for row in kept}
        return [slugs[one] for one in changes.records]

    return call


def test_a_name_wanted_twice_is_numbered(write):
    assert write("Blue", "Green", "Blue", "Blue") == ["blue", "green", "blue-2", "blue-3"]
    assert write("Blue", "Green") == ["blue-4", "green-2"]


def test_a_number_that_is_somebodys_name_is_left_to_them(write):
    write("Blue 3")
    assert write("Blue", "Blue", "Blue", "Blue 2", "Blue 2") == ["blue", "blue-4", "blue-5", "blue-2", "blue-2-2"]


def test_who_comes_after_nine_gets_a_piece_of_the_id(write):
    slugs = write(*["Blue"] * 12)
    assert slugs[:9] == ["blue", *(f"blue-{n}" for n in range(2, 10))]
    assert len(set(slugs)) == 12
