"""Services: what is offered, how long it takes and what it costs."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import DatabaseError

from clientway import db, effects
from clientway.db import Tx
from clientway.errors import Conflict, NotFound, check_version
from clientway.ids import uuid7
from clientway.moments import rfc3339
from clientway.paging import Request
from clientway.work.services import queries
from clientway.work.services.schemas import ServiceCreate, ServicePatch


class ServiceExists(Conflict):
    """409: another service is offered under this name. `service_id` is its id."""

    code, title = "service_exists", "Service exists"


def find(tx: Tx, request: Request, *, active: bool | None) -> Any:
    """A page of services."""
    return queries.find(tx, request, active=active)


def read(tx: Tx, service_id: UUID) -> Any:
    """One service. Raises NotFound (404)."""
    answer = queries.read(tx, service_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, service: ServiceCreate) -> Any:
    """Offer a service. Raises ServiceExists (409)."""
    given, service_id, now = service.model_dump(mode="json"), uuid7(), rfc3339(tx.now)
    row = {"id": str(service_id), **given, "active": True, "version": 1, "created_at": now, "updated_at": now}
    answer = queries.insert(tx, row)
    if answer is None:
        raise _taken(service.name, queries.of_name(tx, service.name))
    effects.audit(tx, "service.created", "service", service_id, given)
    return answer


def change(tx: Tx, service_id: UUID, patch: ServicePatch, *, version: int) -> Any:
    """Replace what was sent. Raises NotFound (404), PreconditionFailed (412), ServiceExists (409)."""
    sent = patch.model_dump(mode="json", exclude_unset=True)
    locked = _lock(tx, service_id, version, name=patch.name)
    before, after = locked.fields, {**locked.fields, **sent}
    if after["active"] and locked.same_name is not None:
        raise _taken(after["name"], locked.same_name)
    try:
        answer = queries.update(tx, service_id, sent)
    except DatabaseError as error:
        if db.constraint_name(error) != "services_name":
            raise
        raise _taken(after["name"], None) from error
    effects.audit(tx, "service.updated", "service", service_id, {name: value for name, value in sent.items() if value != before[name]})
    return answer


def withdraw(tx: Tx, service_id: UUID, *, version: int) -> None:
    """Offer a service no more; its jobs keep it. Raises NotFound (404), PreconditionFailed (412)."""
    if _lock(tx, service_id, version).fields["active"]:
        queries.update(tx, service_id, {"active": False})
        effects.audit(tx, "service.updated", "service", service_id, {"active": False})


def _lock(tx: Tx, service_id: UUID, version: int, *, name: str | None = None) -> queries.Locked:
    locked = queries.lock(tx, service_id, name=name)
    if locked is None:
        raise _absent()
    check_version(locked.version, version)
    return locked


def _taken(name: str, other: UUID | None) -> ServiceExists:
    return ServiceExists(f"There is already a service named {name!r}.", service_id=None if other is None else str(other))


def _absent() -> NotFound:
    return NotFound("There is no such service.")
