"""Whether the system is up."""

from sqlalchemy import text

from clientway.db import Tx
from clientway.schemas import Schema, Timestamp


class Liveness(Schema):
    """What a load balancer or a person asks first."""

    status: str
    database_time: Timestamp


def check(tx: Tx) -> Liveness:
    """Ask the database for its time; it raises Unavailable (503) itself when it cannot answer."""
    return Liveness(status="ok", database_time=tx.execute(text("select now()")).scalar_one())
