"""What tickets, deals, quotes, payments, surveys and referrals share: rows of one table that belong to an organization.

The answer to a caller is the row itself, built by the database. Whoever writes locks the organization first and the row
second, as everybody does who needs both, and learns in the same flight whether what the body refers to is the tenant's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, func, literal_column, select, text

from clientway import effects
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.organizations import existence
from clientway.moments import rfc3339
from clientway.paging import Request, one, page
from clientway.schemas import Schema

Row = Mapping[str, Any]

# Clocks differ: an event from a server a little ahead of ours is no event of the future.
CLOCK_SKEW = timedelta(minutes=5)


_ORGANIZATION = (
    "(select json_build_object('id', o.id, 'name', coalesce(o.dba_name, o.legal_name), 'slug', o.slug)"
    " from organizations o where o.tenant_id = app.tenant() and o.id = {table}.organization_id)"
)

# Which columns refer to what, and when that may be referred to. `o` is the organization that the row belongs to.
_REFERENCES: Mapping[str, str] = {
    "contact_id": """exists (select from contacts x where x.tenant_id = app.tenant() and x.id = cast(:contact_id as uuid)
                              and x.organization_id = o.id and x.deleted_at is null)""",
    "owner_rep_id": "exists (select from reps x where x.tenant_id = app.tenant() and x.id = cast(:owner_rep_id as uuid) and x.active)",
    "referred_organization_id": """exists (select from organizations x where x.tenant_id = app.tenant() and x.deleted_at is null
                                            and x.id = cast(:referred_organization_id as uuid) and x.id <> o.id)""",
}
_UNKNOWN = {
    "contact_id": "not a contact of this organization",
    "owner_rep_id": "not an active rep of this tenant",
    "referred_organization_id": "not another organization of this tenant",
}


@dataclass(frozen=True)
class Owner:
    """The organization that a row belongs to, locked."""

    id: UUID
    currency: str
    """The tenant's: what money is in unless somebody says otherwise."""


@dataclass(frozen=True)
class Records:
    """One table of such rows, named by its singular; `answer` is the schema whose fields are the columns to show."""

    noun: str
    table: Table
    answer: type[Schema]
    references: tuple[str, ...] = ()

    def listing(self, *, with_organization: bool = False) -> Select[Any]:
        """The tenant's rows as answers, in no order yet."""
        columns: list[ColumnElement[Any]] = [self.table.c[name] for name in self.answer.model_fields]
        if with_organization:
            columns.append(literal_column(_ORGANIZATION.format(table=self.table.name)).label("organization"))
        return select(*columns).where(self.table.c.tenant_id == func.app.tenant())

    def of_organization(self, tx: Tx, organization_id: UUID, request: Request, *, sort: str = "created_at", **equal: Any) -> Any:
        """A page of an organization's rows; `equal` are columns and the values asked for. Raises NotFound (404)."""
        c = self.table.c
        statement = self.listing().where(c.organization_id == organization_id, *self._conditions(equal))
        answer = page(tx, statement, request, {sort: c[sort]}, c.id)
        if not answer.rows:
            existence.require(tx, organization_id)
        return answer

    def find(self, tx: Tx, request: Request, *, updated_since: datetime | None, **equal: Any) -> Any:
        """A page of the tenant's rows, each with its organization; `equal` are columns and the values asked for."""
        c = self.table.c
        conditions = self._conditions(equal)
        if updated_since is not None:
            conditions.append(c.updated_at >= updated_since)
        return page(tx, self.listing(with_organization=True).where(*conditions), request, {"updated_at": c.updated_at}, c.id)

    def read(self, tx: Tx, row_id: UUID) -> Any:
        """One row. Raises NotFound (404)."""
        source = f"(select x.* from {self.table.name} x where x.tenant_id = app.tenant() and x.id = :id)"
        row = tx.execute(text(self._answer(source)), {"id": row_id}).one_or_none()
        if row is None:
            raise self.absent()
        return one(row)

    def lock_owner(self, tx: Tx, organization_id: UUID, body: Schema) -> Owner:
        """Lock the live organization of a row to come and check what the body refers to.

        Raises NotFound (404), Unprocessable (422).
        """
        statement = f"""
          select t.currency, {self._checks()} as found from organizations o join tenants t on t.tenant_id = o.tenant_id
           where o.tenant_id = app.tenant() and o.id = :organization_id and o.deleted_at is null for no key update of o"""
        row = tx.execute(text(statement), {"organization_id": organization_id, **self._referred(body)}).one_or_none()
        if row is None:
            raise NotFound("There is no such organization.")
        self._require(body, row.found)
        return Owner(organization_id, row.currency)

    def lock(self, tx: Tx, row_id: UUID, body: Schema | None = None, *, version: int | None = None) -> Row:
        """Lock a row and, before it, its organization; check the version and what the body refers to. Returns its columns.

        Raises NotFound (404), PreconditionFailed (412), Unprocessable (422).
        """
        statement = f"""
          with o as materialized (
            select o.id from organizations o where o.tenant_id = app.tenant()
               and o.id = (select x.organization_id from {self.table.name} x where x.tenant_id = app.tenant() and x.id = :id)
               for no key update)
          select to_jsonb(r) as row, {self._checks()} as found from {self.table.name} r join o on o.id = r.organization_id
           where r.tenant_id = app.tenant() and r.id = :id for no key update of r"""
        locked = tx.execute(text(statement), {"id": row_id, **self._referred(body)}).one_or_none()
        if locked is None:
            raise self.absent()
        if version is not None:
            check_version(locked.row["version"], version)
        self._require(body, locked.found)
        row: Row = locked.row
        return row

    def insert(self, tx: Tx, owner: Owner, given: Row) -> tuple[UUID, Any]:
        """Insert a row under a new id, with its line in the audit trail. Returns the id and the answer."""
        row_id, now = uuid7(), rfc3339(tx.now)
        stamps = {name: now for name in ("created_at", "updated_at") if name in self.table.c}
        row = {"id": str(row_id), "organization_id": str(owner.id), **given, **stamps}
        names = ", ".join(row)
        statement = f"""
          with written as (
            insert into {self.table.name} ({names})
            select {names} from jsonb_populate_record(null::{self.table.name}, cast(:row as jsonb)) returning *)
          {self._answer("written")}"""
        answer = one(tx.execute(text(statement), {"row": json.dumps(row, default=str)}).one())
        effects.audit(tx, f"{self.noun}.created", self.noun, row_id, {"organization_id": owner.id, **given})
        return row_id, answer

    def update(self, tx: Tx, before: Row, changes: Row) -> Any:
        """Write changed columns of a locked row, with its line in the audit trail. Returns the answer."""
        assignments = "".join(f"{name} = g.{name}, " for name in changes)
        statement = f"""
          with written as (
            update {self.table.name} r set {assignments} version = r.version + 1, updated_at = :now
              from jsonb_populate_record(null::{self.table.name}, cast(:row as jsonb)) g
             where r.tenant_id = app.tenant() and r.id = :id returning r.*)
          {self._answer("written")}"""
        given = {"row": json.dumps(changes, default=str), "id": before["id"], "now": tx.now}
        answer = one(tx.execute(text(statement), given).one())
        changed = {name: value for name, value in changes.items() if value != before[name]}
        effects.audit(tx, f"{self.noun}.updated", self.noun, UUID(before["id"]), changed)
        return answer

    def absent(self) -> NotFound:
        """404, to be raised."""
        return NotFound(f"There is no such {self.noun.replace('_', ' ')}.")

    def _conditions(self, equal: Row) -> list[ColumnElement[bool]]:
        return [self.table.c[name] == value for name, value in equal.items() if value is not None]

    def _answer(self, source: str) -> str:
        version = "r.version" if "version" in self.answer.model_fields else "null::bigint"
        return f"select row_to_json(r)::text, {version} from (select {', '.join(self.answer.model_fields)} from {source} s) r"

    def _checks(self) -> str:
        pairs = (f"'{name}', {_REFERENCES[name]}" for name in self.references)
        return f"jsonb_build_object({', '.join(pairs)})"

    def _referred(self, body: Schema | None) -> dict[str, UUID | None]:
        return {name: getattr(body, name, None) for name in self.references}

    def _require(self, body: Schema | None, found: Mapping[str, bool]) -> None:
        unknown = [name for name, value in self._referred(body).items() if value is not None and not found[name]]
        if unknown:
            errors = [FieldError(f"#/{name}", f"unknown_{name.removesuffix('_id')}", _UNKNOWN[name]) for name in unknown]
            raise Unprocessable(f"The {self.noun.replace('_', ' ')} refers to something that does not exist.", errors=errors)


def check_past(tx: Tx, noun: str, **times: datetime | None) -> None:
    """Refuse times that lie in the future, each named by its field. Raises Unprocessable (422)."""
    ahead = [name for name, at in times.items() if at is not None and at > tx.now + CLOCK_SKEW]
    if ahead:
        errors = [FieldError(f"#/{name}", "in_the_future", "lies in the future") for name in ahead]
        raise Unprocessable(f"The {noun} breaks a rule.", errors=errors)
