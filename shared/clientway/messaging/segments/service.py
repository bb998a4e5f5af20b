"""Segments: who belongs to them, as SQL that others put into their statements."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.messaging.segments.compiling import Where

__all__ = ["Where", "where"]


def where(tx: Tx, *, segment_id: UUID | None = None, definition: Mapping[str, Any] | None = None, pointer: str = "#/definition") -> Where:
    """Who belongs to a segment, or to a definition that stands at `pointer` of a body. One flight, or one more for each nesting.

    Raises NotFound (404) for the segment, Unprocessable (422) for a definition that breaks a rule.
    """
    raise NotImplementedError
