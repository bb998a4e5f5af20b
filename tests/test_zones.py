"""The clocks of every place are in the database as Python has them, and PostgreSQL is asked for none."""

import bisect
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from clientway.migrations import zones
from clientway.moments import time_zones

NOW = datetime.now(UTC).replace(microsecond=0)
# PostgreSQL takes each of the last four for a zone, ten hours and more from UTC on either side; Python knows none of them.
TELLING = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
]
UNKNOWN = ["Mars/Olympus", "UTC+10", "UTC-11", "<x>-12", "NZDT"]


def offsets(connection):
    found = defaultdict(list)
    for zone, since, east in connection.execute(
        text("select zone, extract(epoch from since)::float8, east from app.zone_offsets order by 1, 2")
    ):
        found[zone].append((since, east))
    return found


def test_every_zone_is_as_python_has_it(admin_engine):
    with admin_engine.connect() as admin:
        kept = offsets(admin)
    draw = random.Random(4)
    whenever = [NOW + timedelta(seconds=draw.randrange(10 * 365 * 86400)) for _ in range(50)]

    assert set(kept) == time_zones()
    assert sum(map(len, kept.values())) > 4000
    for name, changes in kept.items():
        place = ZoneInfo(name)
        about = [datetime.fromtimestamp(since + more, UTC) for since, _ in changes[1:] for more in (-1, 0)]
        for moment in (NOW, *whenever, *about):
            _, east = changes[bisect.bisect_right(changes, (moment.timestamp(), 10**6)) - 1]
            assert timedelta(seconds=east) == moment.astimezone(place).utcoffset(), (name, moment)


@pytest.mark.parametrize("zone", [*TELLING, *UNKNOWN])
def test_the_tenants_day_is_pythons(tx, zone):
    place = UTC if zone in UNKNOWN else ZoneInfo(zone)
    moments = [
        NOW.replace(minute=0, second=0) + timedelta(days=day, hours=hour, seconds=-1) for day in range(0, 730, 29) for hour in range(25)
    ]
    tx.execute(text("update tenants set time_zone = :z where tenant_id = app.tenant()"), {"z": zone})

    asked = text("select app.tenant_day(t) from unnest(cast(:m as timestamptz[])) with ordinality as m(t, n) order by n")
    assert list(tx.execute(asked, {"m": moments}).scalars()) == [moment.astimezone(place).date() for moment in moments]


def test_a_deployment_mends_what_is_otherwise_and_leaves_the_rest(admin_engine):
    with admin_engine.connect().execution_options(isolation_level="READ COMMITTED") as admin, admin.begin() as all_of_it:
        # The year may be another than when this database was made.
        zones.write(admin)
        kept = offsets(admin)
        admin.exec_driver_sql("update app.zone_offsets set east = 5 where zone = 'Europe/Berlin'")
        admin.exec_driver_sql("delete from app.zone_offsets where zone = 'Europe/Paris'")
        admin.exec_driver_sql("insert into app.zone_offsets values ('Mars/Olympus', '-infinity', 5), ('UTC', '2030-01-01Z', 5)")
        [own] = admin.execute(text("select distinct xmin::text from app.zone_offsets where zone = 'UTC' and east = 0")).scalars()

        zones.write(admin)

        assert offsets(admin) == kept
        assert set(admin.execute(text("select xmin::text from app.zone_offsets where zone = 'Asia/Tokyo'")).scalars()) == {own}
        all_of_it.rollback()
