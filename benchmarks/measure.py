"""What is measured and how: callables in turn, so that whatever else the machine does falls on all of them alike."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Times = list[float]


@dataclass(frozen=True)
class Row:
    """A line of the table: what is compared with what, the ratio (or a number) and the most that it may be."""

    what: str
    measured: float
    most: float
    detail: str
    unit: str = "×"

    @property
    def met(self) -> bool:
        """Whether it keeps to its target, at the precision that is printed."""
        return round(self.measured, 2) <= self.most

    def __str__(self) -> str:
        """As a line of a Markdown table."""
        verdict = "yes" if self.met else "**no**"
        return f"| {self.what} | {self.measured:.3g} {self.unit} | ≤ {self.most:g} {self.unit} | {verdict} | {self.detail} |"


def in_turn(rounds: int, *contenders: Callable[[], Times]) -> list[Times]:
    """Run each in turn, `rounds` times, after one round that does not count; returns the times of each."""
    found: list[Times] = [[] for _ in contenders]
    for number in range(rounds + 1):
        for place, contender in enumerate(contenders):
            times = contender()
            if number:
                found[place] += times
    return found


def timed(action: Callable[[], object], times: int = 1) -> Times:
    """The milliseconds of each of `times` calls."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        found.append((time.perf_counter() - started) * 1000)
    return found


def milliseconds(times: Times) -> str:
    """A median as it is printed."""
    middle = median(times)
    return f"{middle / 1000:.2f} s" if middle >= 1000 else f"{middle:.2f} ms"  # noqa: PLR2004


def machine() -> str:
    """Processor and cores, as far as the system tells."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {names[0] if names else platform.processor() or platform.machine()}"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
