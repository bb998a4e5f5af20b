"""The templates of a tenant: its own, and behind them the built-in ones."""

from clientway.db import Tx
from clientway.errors import NotFound
from clientway.messaging.templates import queries
from clientway.messaging.templates.defaults import DEFAULTS
from clientway.messaging.templates.rules import Source


def source(tx: Tx, key: str, channel: str) -> Source:
    """What is sent under a key: the tenant's own template, else the built-in one. Raises NotFound (404)."""
    own = queries.source(tx, key, channel)
    if own is not None:
        return own
    built_in = DEFAULTS.get((key, channel))
    if built_in is None:
        raise NotFound("There is no such template.")
    return built_in.source
