"""What nobody else sees to: campaigns whose time has come, workers that died, chunks that were lost or are due again."""

from datetime import datetime

from clientway.db import Tx


def tend(tx: Tx, now: datetime) -> int:
    """Look after a tenant's campaigns and single mails; returns how many things were done."""
    raise NotImplementedError
