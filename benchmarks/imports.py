"""An import of 50,000 rows by the real worker, in a process of its own, against COPY of the same rows into one bare table."""

import csv
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from uuid import UUID

from sqlalchemy import text

from benchmarks.measure import Row, milliseconds, timed
from benchmarks.stage import DATABASE, Stage
from clientway.ids import uuid7
from clientway.local.postgres import find_binaries

ROWS = 50_000
ROUNDS = 2
COLUMNS = ("id", "name", "address", "city", "state", "zip", "phone", "website", "first name", "last name", "email")
# In an order that foreign keys allow.
WRITTEN = (
    "organizations", "organization_tags", "locations", "contacts", "imports", "import_rows", "lifecycle_transitions", "activities",
    "audit_log", "outbox",
)  # fmt: skip
_STREETS = ("Main Street", "Ocean Avenue", "N Oak Road", "Second Street", "Lake Drive", "Market Square", "Park Boulevard", "W Elm Court")
_CITIES = (("Austin", "TX", "787"), ("Miami", "FL", "331"), ("Denver", "CO", "802"), ("Boston", "MA", "021"), ("Seattle", "WA", "981"))
_KINDS = ("Bistro", "Cafe", "Grill", "Taqueria", "Diner", "Pizzeria", "Bakery", "Steak House")
_NAMES = ("Ana", "Luis", "Mei", "Omar", "Zoë", "Ivan", "Grace", "José", "Nina", "Paul")


def run(stage: Stage) -> Iterator[Row]:
    """Import the same list into one new tenant after another, with a COPY before each, and write the outcome alone behind it."""
    content = table()
    copies, commits, previews, peaks, floors = [], [], [], [], []
    counts = {}
    for _ in range(ROUNDS):
        copies.append(copied(stage, content))
        tenant = stage.tenant().id
        one = prepared(stage, tenant, content)
        previews.append(worked(tenant, one, "preview")[0])
        with stage.admin.connect() as connection:
            connection.execute(text("update imports set status = 'queued' where id = :i"), {"i": one})
        taken, peak = worked(tenant, one, "commit")
        commits.append(taken)
        peaks.append(peak)
        counts = outcome(stage, one)
        floors.append(written_alone(stage, tenant))
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    detail = (
        f"{milliseconds(commits)} against {milliseconds(copies)}; {told}; its preview took {milliseconds(previews)}; "
        f"writing the finished rows of all {len(WRITTEN)} tables alone, with their indexes and keys, takes {milliseconds(floors)}"
    )
    yield Row(f"import of {ROWS:,} rows with dedupe : COPY", median(commits) / median(copies), 4, detail)
    yield Row("peak memory of that worker", max(peaks), 300, "resident, the whole process", unit="MiB")


def table() -> bytes:
    """A messy list: of a hundred rows eight are an earlier one spelled otherwise, two an earlier one word for word, one is nameless."""
    chance = random.Random(3)
    written: list[list[str]] = []
    for number in range(ROWS):
        kind = chance.random()
        if written and kind < 0.02:  # noqa: PLR2004
            written.append(chance.choice(written))
        elif written and kind < 0.10:  # noqa: PLR2004
            former = chance.choice(written)
            site = f"www.other{number}.example" if chance.random() < 0.5 else ""  # noqa: PLR2004
            again = [f"{former[1].upper()}, INC.", former[2].replace("Street", "St."), *former[3:7], site, "", "", ""]
            written.append([str(ROWS + number), *again])
        else:
            written.append(_business(chance, number))
            if kind > 0.99:  # noqa: PLR2004
                written[-1] = ["", "", *written[-1][2:8], "", "", ""]
    file = io.StringIO()
    csv.writer(file).writerows([COLUMNS, *written])
    return file.getvalue().encode()


def _business(chance: random.Random, number: int) -> list[str]:
    first, last = chance.choice(_NAMES), f"{chance.choice(_NAMES)}son"
    city, state, area = chance.choice(_CITIES)
    name = f"{first}'s {chance.choice(_KINDS)} {number % 9000}"
    phone = f"({chance.choice((305, 512, 617, 206, 303))}) {chance.randrange(220, 999)}-{chance.randrange(10_000):04}"
    site = f"www.place{number}.example" if chance.random() < 0.7 else "NOT AVAILABLE"  # noqa: PLR2004
    person = [first, last, f"{first.lower()}.{last.lower()}{number}@place{number}.example".replace("ë", "e").replace("é", "e")]
    address = f"{chance.randrange(1, 9999)} {chance.choice(_STREETS)}"
    reached = person if chance.random() < 0.6 else ["", "", ""]  # noqa: PLR2004
    return [str(number), name, address, city, state, f"{area}{chance.randrange(100):02}", phone, site, *reached]


def copied(stage: Stage, content: bytes) -> float:
    """The milliseconds of COPY from this machine into a table without keys, as psql tells them."""
    file = stage.folder / "rows.csv"
    file.write_bytes(content)
    columns = ", ".join(f'"{name}" text' for name in COLUMNS)
    with stage.admin.connect() as connection:
        connection.exec_driver_sql(f"drop table if exists bare; create table bare ({columns}); checkpoint")
    command = [find_binaries() / "psql", "--no-psqlrc", "-h", stage.server.host, "-p", str(stage.server.port), "-U", "postgres", DATABASE]
    asked = ["-c", r"\timing on", "-c", rf"\copy bare from '{file}' (format csv, header)"]
    told = subprocess.run([*command, *asked], check=True, capture_output=True, text=True).stdout
    return float(told.partition("Time: ")[2].split()[0])


def prepared(stage: Stage, tenant: UUID, content: bytes) -> UUID:
    """An import whose preview was asked for."""
    one = uuid7()
    statement = text("""insert into imports (tenant_id, id, status, source, filename, inline_content)
                        values (:t, :i, 'previewing', 'list', 'list.csv', :c)""")
    with stage.admin.connect() as connection:
        connection.execute(statement, {"t": tenant, "i": one, "c": content})
        connection.exec_driver_sql("checkpoint")
    return one


def worked(tenant: UUID, one: UUID, action: str) -> tuple[float, float]:
    """Have the worker do it in a new process; returns its milliseconds and the process's peak memory in MiB."""
    command = [sys.executable, Path(__file__).with_name("import_worker.py"), str(tenant), str(one), action]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told["milliseconds"], told["peak_mib"]


def outcome(stage: Stage, one: UUID) -> dict[str, int]:
    """What the rows became. Raises RuntimeError when not all of them were done."""
    names = ("created", "updated", "skipped", "failed")
    statement = text(f"select status, {', '.join(f'{name}_count' for name in names)} from imports where id = :i")
    with stage.admin.connect() as connection:
        status, *counts = connection.execute(statement, {"i": one}).one()
    if status != "completed" or sum(counts) != ROWS:
        message = f"the import is {status} with {counts}"
        raise RuntimeError(message)
    return dict(zip(names, counts, strict=True))


def written_alone(stage: Stage, tenant: UUID) -> float:
    """The milliseconds of writing what the import wrote once more, for another tenant: less than this no import can take."""
    other = stage.tenant().id
    named = text("""select string_agg(quote_ident(attname), ', ') from pg_attribute
                     where attrelid = cast(:name as regclass) and attnum > 1 and not attisdropped""")
    with stage.admin.connect() as connection:
        statements = []
        for name in WRITTEN:
            columns = connection.execute(named, {"name": name}).scalar_one()
            statements.append(
                f"insert into {name} (tenant_id, {columns}) select '{other}', {columns} from {name} where tenant_id = '{tenant}'"
            )
        connection.exec_driver_sql("checkpoint")
        connection.exec_driver_sql(f"select set_config('app.tenant_id', '{other}', false)")
        return timed(lambda: connection.exec_driver_sql(";".join(statements)))[0]
