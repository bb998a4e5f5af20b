"""An import beside people who work at the same records: what they have just filled in is not blank."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sqlalchemy import text

from clientway import effects, tokens
from clientway.access import ADMINS
from clientway.db import Credential, begin, commit
from clientway.lifecycle.locations import service as locations
from clientway.lifecycle.locations.schemas import LocationPatch
from tests.chaos.importing import Importer
from tests.served import eventually


def test_an_import_that_waited_for_a_change_sees_it(tenant, admin_engine, database_url):
    importer = Importer(tenant, admin_engine)
    row = {"id": "1", "name": "Blue Bistro", "address": "1 Main Street", "city": "Austin", "state": "TX", "zip": "78701", "phone": ""}
    importer.whole([row])
    [place] = places(admin_engine, tenant)
    import_id = importer.start([{**row, "phone": "(512) 472-0001"}])
    importer.work(import_id, "preview")
    importer.ask(import_id, "commit")
    person = begin(Credential(tokens.digest(tenant.admin), ADMINS), now=datetime.now(UTC))
    locations.change(person, place.id, LocationPatch(phone="(512) 472-9999"), version=place.version)

    with ThreadPoolExecutor(1) as pool:
        imported = pool.submit(importer.work, import_id, "commit")
        waits = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
        with admin_engine.connect() as connection:
            eventually(lambda: connection.execute(waits).scalar())
        commit(person, effects.pending(person))
        imported.result()

    [place] = places(admin_engine, tenant)
    assert place.phone == "(512) 472-9999"
    assert importer.read(import_id)["counts"]["done"] == 1


def places(engine, tenant):
    with engine.connect() as connection:
        return connection.execute(
            text("select id, phone, version from locations where tenant_id = :t and deleted_at is null"), {"t": tenant.id}
        ).all()
