"""Import of each API handler, with bytecode, in a fresh process, against the sum of the three libraries that they stand on.

The Python is Lambda's version where one is found (as `make build` looks for it), else the one that runs this.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.measure import Row, in_turn
from benchmarks.stage import Stage
from clientway.local.build import interpreter

ROOT = Path(__file__).parents[1]
RUNTIME = "python3.13"
ROUNDS = 3
LIBRARIES = {
    "resolver": "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver; APIGatewayHttpResolver(enable_validation=True)",
    "core": "import sqlalchemy",
    "driver": "import pg8000.dbapi",
}
NEVER = {"boto3", "stripe", "sqlalchemy.orm"}
_IMPORT = """
import sys, time
sys.path[:0] = sys.argv[2:]
started = time.perf_counter()
exec(sys.argv[1])
taken = time.perf_counter() - started
import json
print(json.dumps([taken * 1000, sorted(sys.modules)]))
"""


def run(_stage: Stage) -> Iterator[Row]:
    """Lay everything out as on Lambda, compile it, and import each handler and each library in turn."""
    python = interpreter(RUNTIME) or sys.executable
    handlers = {name: f"import {name}" for name in api_handlers()}
    with tempfile.TemporaryDirectory() as folder:
        places = laid_out(Path(folder), python)
        wanted = {**LIBRARIES, **handlers}
        times = dict(
            zip(wanted, in_turn(ROUNDS, *(lambda code=code: [imported(python, code, places)] for code in wanted.values())), strict=True)
        )
    medians, least = {name: median(taken) for name, taken in times.items()}, {name: min(taken) for name, taken in times.items()}
    slowest = max(handlers, key=medians.__getitem__)
    of_libraries, least_of_libraries = (sum(found[name] for name in LIBRARIES) for found in (medians, least))
    middle = median(medians[name] for name in handlers)
    detail = (
        f"slowest of {len(handlers)}: {slowest}, {medians[slowest]:.0f} ms against {of_libraries:.0f} ms "
        f"(minima {least[slowest]:.0f} and {least_of_libraries:.0f}); the median handler {middle:.0f} ms; Python {version(python)}"
    )
    yield Row("import of an API handler : resolver, SQLAlchemy Core and pg8000", medians[slowest] / of_libraries, 1.3, detail)


def api_handlers() -> list[str]:
    """The modules of the functions that answer HTTP."""
    found = (path for path in (ROOT / "functions").rglob("*.py") if "= api(__name__)" in path.read_text())
    return sorted(".".join(path.relative_to(ROOT / "functions").with_suffix("").parts) for path in found)


def laid_out(folder: Path, python: str) -> list[str]:
    """The libraries that runtime.txt pins, the package and the functions, with bytecode; returns the folders to import from."""
    libraries, package, functions = (folder / name for name in ("libraries", "package", "functions"))
    uv = Path(sys.executable).with_name("uv")
    locked = ["--require-hashes", "-r", ROOT / "requirements" / "runtime.txt"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--target", libraries, *locked], check=True)
    shutil.copytree(ROOT / "shared" / "clientway", package / "clientway", ignore=shutil.ignore_patterns("local", "__pycache__"))
    shutil.copytree(ROOT / "functions", functions, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder], check=True)
    return [str(functions), str(package), str(libraries)]


def imported(python: str, code: str, places: list[str]) -> float:
    """The milliseconds of an import. Raises RuntimeError when it brings in what no request needs."""
    told = subprocess.run([python, "-I", "-c", _IMPORT, code, *places], check=True, capture_output=True, text=True).stdout
    taken, modules = json.loads(told)
    if found := NEVER & set(modules):
        message = f"{code} imports {', '.join(sorted(found))}"
        raise RuntimeError(message)
    return float(taken)


def version(python: str) -> str:
    """What an interpreter says of itself."""
    return subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"], check=True, capture_output=True, text=True
    ).stdout.strip()
