"""`make bench`: prints the table. `make bench ONLY=lists` runs a part; several are separated by spaces."""

import importlib.metadata
import platform
import re
import sys
import time
from importlib import import_module
from pathlib import Path

from sqlalchemy import text

from benchmarks.measure import machine
from benchmarks.stage import Stage, raised

PARTS = (
    "flights",
    "lists",
    "search",
    "clients",
    "imports",
    "health",
    "dedupe",
    "cold",
    "segments",
    "campaigns",
    "sends",
    "fairness",
    "reminders",
)
LIBRARIES = ("aws-lambda-powertools", "pydantic", "sqlalchemy", "pg8000")


def main(chosen: list[str]) -> int:
    """Run the parts that were chosen, all by default, and print a line for each comparison."""
    unknown = set(chosen) - set(PARTS)
    if unknown:
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    with raised() as stage:
        print(_circumstances(stage))
        print("\n| What | Measured | Target | Met | How |\n| --- | --- | --- | --- | --- |", flush=True)
        for name in chosen or PARTS:
            started = time.monotonic()
            for row in import_module(f"benchmarks.{name}").run(stage):
                print(row, flush=True)
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


def _circumstances(stage: Stage) -> str:
    with stage.admin.connect() as connection:
        settings = {name: connection.scalar(text(f"show {name}")) for name in ("fsync", "synchronous_commit", "shared_buffers")}
        server = connection.scalar(text("show server_version"))
    pinned = re.findall(r"^(fastapi|asyncpg)==(\S+)", (Path(__file__).parents[1] / "requirements" / "bench.txt").read_text(), re.MULTILINE)
    versions = [*((name, importlib.metadata.version(name)) for name in LIBRARIES), *pinned]
    libraries = ", ".join(f"{name} {version}" for name, version in versions)
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    return f"{machine()}; Python {platform.python_version()}; {libraries}; PostgreSQL {server} ({told}, otherwise defaults)"


sys.exit(main(sys.argv[1:]))
