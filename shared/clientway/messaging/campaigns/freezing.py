"""Writing down whom a campaign goes to: once, in one statement, for whoever sends it to read."""

from uuid import UUID

from clientway.db import Tx


def freeze(tx: Tx, campaign_id: UUID) -> int:
    """Write a send for each contact of the audience of a campaign that is `freezing`, and its chunks; returns how many.

    Whoever gets nothing has a row too, `skipped` with the reason. Run again, or of a campaign that is not freezing (any
    more), it does nothing and returns 0. Afterwards the campaign is `sending`, or `finished` if there is nobody to send to.
    The caller pumps its chunks and commits.
    """
    raise NotImplementedError


def begin(tx: Tx, campaign_id: UUID) -> bool:
    """Have a scheduled campaign whose time has come be frozen, in the background; whether it was one."""
    raise NotImplementedError
