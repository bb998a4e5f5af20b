"""Real input by others, read in place: it lies beside the checkout and is never copied into it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def shared_data(name: str) -> Path:
    """The path of a data file; the test is skipped where the data is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    return path
