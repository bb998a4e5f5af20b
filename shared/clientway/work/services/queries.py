"""Services in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.paging import Request, one, page
from clientway.work.services.schemas import Service
from clientway.work.tables import services

_NAMES = tuple(Service.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(_NAMES)} from written) r"


@dataclass(frozen=True)
class Locked:
    """A service whose row is locked, and another that is offered under the name it has or is to have."""

    version: int
    fields: Mapping[str, Any]
    same_name: UUID | None


def find(tx: Tx, request: Request, *, active: bool | None) -> Any:
    """A page of services."""
    statement = select(*(services.c[name] for name in _NAMES)).where(services.c.tenant_id == func.app.tenant())
    if active is not None:
        statement = statement.where(services.c.active == active)
    return page(tx, statement, request, {"created_at": services.c.created_at}, services.c.id)


def read(tx: Tx, service_id: UUID) -> Any:
    """One service, or None."""
    statement = f"with written as (select * from services s where s.tenant_id = app.tenant() and s.id = :id) {_ANSWER}"
    return one(tx.execute(text(statement), {"id": service_id}).one_or_none())


def insert(tx: Tx, row: Mapping[str, Any]) -> Any:
    """Insert a service, in the tenant's currency unless it has one; None if its name is taken."""
    statement = f"""
      with given as (select * from jsonb_populate_record(null::services, cast(:row as jsonb))),
      written as (
        insert into services ({", ".join(row)})
        select {", ".join("coalesce(g.currency, t.currency)" if name == "currency" else f"g.{name}" for name in row)}
          from given g, tenants t where t.tenant_id = app.tenant()
        on conflict do nothing returning *)
      {_ANSWER}"""
    return one(tx.execute(text(statement), {"row": json.dumps(row)}).one_or_none())


_OF_NAME = text("select s.id from services s where s.tenant_id = app.tenant() and s.name = :name and s.active")
_LOCK = text("""
select r.version, to_jsonb(r) as fields,
       (select s.id from services s
         where s.tenant_id = app.tenant() and s.name = coalesce(cast(:name as text), r.name) and s.active and s.id <> r.id) as same_name
  from services r where r.tenant_id = app.tenant() and r.id = :id for no key update of r
""")


def of_name(tx: Tx, name: str) -> UUID | None:
    """The service that is offered under a name."""
    found: UUID | None = tx.scalar(_OF_NAME, {"name": name})
    return found


def lock(tx: Tx, service_id: UUID, *, name: str | None = None) -> Locked | None:
    """Lock a service and look for another of the name that it has or, if one is given, is to have."""
    row = tx.execute(_LOCK, {"id": service_id, "name": name}).one_or_none()
    return None if row is None else Locked(row.version, row.fields, row.same_name)


def update(tx: Tx, service_id: UUID, row: Mapping[str, Any]) -> Any:
    """Replace columns of a locked service. Raises sqlalchemy's DatabaseError if its name was taken at this moment."""
    changes = "".join(f"{name} = g.{name}, " for name in row)
    statement = f"""
      with given as (select * from jsonb_populate_record(null::services, cast(:row as jsonb))),
      written as (update services s set {changes} version = s.version + 1, updated_at = :now
                    from given g where s.tenant_id = app.tenant() and s.id = :id returning s.*)
      {_ANSWER}"""
    return one(tx.execute(text(statement), {"row": json.dumps(row), "id": service_id, "now": tx.now}).one())
