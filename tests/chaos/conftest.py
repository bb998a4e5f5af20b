"""What the tests of faults share: how much of it, from which seed, and what it came to.

`make test` runs a little of everything; `make chaos` sets CLIENTWAY_CHAOS=long and prints what was counted. Each run
draws a seed of its own and says so when a test fails: CLIENTWAY_CHAOS_SEED=… draws the same again.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

LONG = os.environ.get("CLIENTWAY_CHAOS") == "long"
COUNTED = "chaos"


def pytest_configure(config: pytest.Config) -> None:
    """One seed for the run: its workers have the controller's."""
    os.environ.setdefault("CLIENTWAY_CHAOS_SEED", str(random.SystemRandom().randrange(10**9)))


@pytest.fixture
def size() -> Callable[..., int]:
    """How often: `size(short=3, long=200)`."""

    def chosen(*, short: int, long: int) -> int:
        return long if LONG else short

    return chosen


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of the run."""
    return int(os.environ["CLIENTWAY_CHAOS_SEED"])


@pytest.fixture
def draw(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """The test's own source of chance: whichever tests run beside it, it draws the same from the same seed."""
    # Captured, so it shows where a test fails.
    print(f"CLIENTWAY_CHAOS_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What a test counts for the table at the end of the run, by name."""
    counted: Counter[str] = Counter()
    yield counted
    request.node.user_properties.append((COUNTED, dict(counted)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of what was counted."""
    reports = [report for found in terminalreporter.stats.values() for report in found if getattr(report, "when", "") == "teardown"]
    counted = [(report.nodeid, value) for report in reports for name, value in report.user_properties if name == COUNTED and value]
    if not (LONG and counted):
        return
    terminalreporter.section(f"what was counted (CLIENTWAY_CHAOS_SEED={os.environ['CLIENTWAY_CHAOS_SEED']})")
    for test, counts in counted:
        terminalreporter.write_line(test)
        for name, count in counts.items():
            terminalreporter.write_line(f"{count:>12,}  {name}")
