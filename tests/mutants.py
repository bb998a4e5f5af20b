"""`make mutants`: take away each policy, each table's row security and each reference between tenant tables in turn.

The suite must go red each time. A mutant that survives is a guard that nothing tests. Runs the tests of the boundary against a database from which one
thing is missing (tests/conftest.py runs CLIENTWAY_MUTANT in every clone).
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import create_engine, text

from clientway.local import postgres
from clientway.migrations.run import migrate

SUITE = ["tests/test_tenancy.py", "tests/identity"]
_LIST = """
select format('drop policy %I on public.%I', policyname, tablename) from pg_policies where schemaname = 'public'
union all
select format('alter table %s disable row level security', oid::regclass) from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace
union all
select format('alter table %s drop constraint %I', conrelid::regclass, conname) from pg_constraint
 where contype = 'f' and connamespace = 'public'::regnamespace and cardinality(conkey) = 2
order by 1
"""


def mutants() -> list[str]:
    """Every statement that takes one guard away."""
    with tempfile.TemporaryDirectory(prefix="clientway-mutants-") as folder:
        Path(folder).chmod(0o755)
        url = postgres.start(Path(folder) / "data", durable=False).url("mutants")
        try:
            migrate(url)
            engine = create_engine(url.replace("postgresql://", "postgresql+pg8000://", 1))
            with engine.connect() as connection:
                found = list(connection.execute(text(_LIST)).scalars())
            engine.dispose()
        finally:
            postgres.stop(Path(folder) / "data")
    return found


def survives(mutant: str | None) -> bool:
    """Whether the suite stays green without this guard."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "--no-header", *SUITE]
    environment = {**os.environ, **({"CLIENTWAY_MUTANT": mutant} if mutant else {})}
    environment.pop("CLIENTWAY_TEST_FOLDER", None)
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


def main() -> int:
    """Run every mutant, a few at a time; the exit status is 1 if any survived."""
    if not survives(None):
        print("the suite is red without any mutant; mend that first")
        return 1
    found = mutants()
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1)) as pool:
        alive = [mutant for mutant, survived in zip(found, pool.map(survives, found), strict=True) if survived]
    for mutant in alive:
        print(f"survived: {mutant}")
    print(f"{len(found) - len(alive)} of {len(found)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
