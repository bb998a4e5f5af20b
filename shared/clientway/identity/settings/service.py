"""What a tenant has settled for all that is written in it."""

from dataclasses import dataclass

from sqlalchemy import func, select

from clientway.db import Tx
from clientway.identity.tables import tenants


@dataclass(frozen=True)
class Conventions:
    """How numbers without a country and amounts without a currency are to be read."""

    phone_region: str
    currency: str


def conventions(tx: Tx) -> Conventions:
    """The tenant's own."""
    statement = select(tenants.c.phone_region, tenants.c.currency).where(tenants.c.tenant_id == func.app.tenant())
    row = tx.execute(statement).one()
    return Conventions(row.phone_region, row.currency)
