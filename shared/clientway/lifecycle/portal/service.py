"""The client portal's front page."""

from typing import Any

from clientway.db import Tx
from clientway.errors import NotFound
from clientway.lifecycle.portal import queries
from clientway.paging import DatabaseJson


def info(tx: Tx, slug: str) -> Any:
    """What the signed-in contact may see. Raises NotFound (404) for any other contact's slug."""
    found = queries.info(tx, slug)
    if found is None:
        raise NotFound("There is no such portal.")
    return DatabaseJson(found)
