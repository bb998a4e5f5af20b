"""Definitions of segments as SQL over contacts."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Where:
    """Who belongs to a segment: a condition on contacts under the alias `c`, to stand in parentheses beside the tenant's.

    Its parameters begin with `seg_`; null counts as false. `english` is the same in a sentence.
    """

    sql: str
    parameters: dict[str, Any]
    english: str
