"""How well the matcher of duplicate people finds those of the FEBRL data sets, blocking included."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from clientway.lifecycle.duplicates.rules import AUTOMATIC, SUGGEST, Person, address, compare, keys, person

if TYPE_CHECKING:
    from benchmarks.stage import Stage

DATA = Path(__file__).parents[2] / "shared" / "data" / "dedupe"
SETS = ("febrl1", "febrl2")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Found:
    """What came of one data set."""

    true_pairs: int
    compared: int
    reached: int
    automatic: int
    automatic_right: int
    suggested: int
    suggested_right: int
    seconds: float

    @property
    def automatic_precision(self) -> float:
        """How many of the automatic matches are true."""
        return self.automatic_right / self.automatic if self.automatic else 0.0

    @property
    def automatic_recall(self) -> float:
        """How many of all true pairs are automatic matches."""
        return self.automatic_right / self.true_pairs

    @property
    def suggestion_precision(self) -> float:
        """How many of what would be shown, automatic ones included, is true."""
        return self.suggested_right / self.suggested if self.suggested else 0.0

    @property
    def suggestion_recall(self) -> float:
        """How many of all true pairs would be shown."""
        return self.suggested_right / self.true_pairs


def people(path: Path) -> dict[str, Person]:
    """The records of a file by their ids. soc_sec_id is left alone: no business knows it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{name.strip(): (value or "").strip() for name, value in row.items()} for row in csv.DictReader(file)]
    return {
        row["rec_id"]: person(
            row["given_name"],
            row["surname"],
            born=row["date_of_birth"],
            addresses=[
                address(row["address_1"], row["address_2"], row["suburb"], row["postcode"], row["state"], number=row["street_number"])
            ],
        )
        for row in rows
    }


def candidates(known: dict[str, Person]) -> set[Pair]:
    """The pairs that share a blocking key."""
    blocks: defaultdict[str, list[str]] = defaultdict(list)
    for name, one in known.items():
        for key in keys(one):
            blocks[key].append(name)
    return {pair for names in blocks.values() for pair in combinations(sorted(names), 2)}


def measure(name: str) -> Found:
    """Match one data set."""
    known = people(DATA / f"{name}.csv")
    with (DATA / f"{name}_true_pairs.csv").open(encoding="utf-8", newline="") as file:
        true = {tuple(sorted((row["rec_id_1"], row["rec_id_2"]))) for row in csv.DictReader(file)}
    started = perf_counter()
    pairs = candidates(known)
    scores = {pair: compare(known[pair[0]], known[pair[1]]).score for pair in pairs}
    seconds = perf_counter() - started
    certain = {pair for pair, score in scores.items() if score >= AUTOMATIC}
    shown = {pair for pair, score in scores.items() if score >= SUGGEST}
    return Found(len(true), len(pairs), len(pairs & true), len(certain), len(certain & true), len(shown), len(shown & true), seconds)


def run(_stage: "Stage") -> Iterator[str]:
    """A line for each level of each data set."""
    for name in SETS:
        if not (DATA / f"{name}.csv").exists():
            yield f"| duplicates in {name} | – | – | skipped | ../shared/data/dedupe is not there |"
            continue
        found = measure(name)
        how = (
            f"{found.true_pairs} true pairs, {found.compared} pairs compared of those that share a key ({found.reached} of the true), "
            f"{found.seconds:.1f} s"
        )
        precision, recall = found.automatic_precision, found.suggestion_recall
        yield (
            f"| {name}: precision of automatic matches (from {AUTOMATIC} points) | {precision:.4f} | ≥ 0.99 "
            f"| {'yes' if precision >= 0.99 else 'no'} | recall {found.automatic_recall:.4f}; {how} |"  # noqa: PLR2004
        )
        yield (
            f"| {name}: recall of suggestions (from {SUGGEST} points) | {recall:.4f} | ≥ 0.95 "
            f"| {'yes' if recall >= 0.95 else 'no'} | precision {found.suggestion_precision:.4f}; {how} |"  # noqa: PLR2004
        )
