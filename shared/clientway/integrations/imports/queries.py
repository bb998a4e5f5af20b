"""Imports in the database."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal_column, select, text

from clientway.db import Tx
from clientway.integrations.imports.matching import Index, Known, Place, names_of
from clientway.integrations.tables import import_mappings, import_rows, imports
from clientway.lifecycle.bulk import service as records
from clientway.lifecycle.bulk.identities import email_holders
from clientway.lifecycle.bulk.service import Record
from clientway.paging import Request, one, page

_I = imports.alias("i")
# The bytes of an import of inline rows are fetched once, not each time that its row is locked.
_ALL_BUT_CONTENT = [column for column in imports.c if column.name != "inline_content"]
COLUMNS: Mapping[str, str] = {
    **{name: f"i.{name}" for name in ("id", "status", "source", "filename")},
    "columns": "i.columns", "mapping": "i.mapping",
    "counts": "json_build_object('total', i.rows_total, 'done', i.rows_done, 'created', i.created_count, 'updated', i.updated_count,"
    " 'skipped', i.skipped_count, 'failed', i.failed_count, 'undone', i.undone_count)",
    **{name: f"i.{name}" for name in ("error", "started_at", "finished_at", "version", "created_at", "updated_at")},
}  # fmt: skip


def find(tx: Tx, request: Request, status: str | None) -> Any:
    """A page of imports."""
    i = _I.c
    statement: Any = select(*(literal_column(sql).label(name) for name, sql in COLUMNS.items())).select_from(_I)
    statement = statement.where(i.tenant_id == func.app.tenant())
    if status is not None:
        statement = statement.where(i.status == status)
    return page(tx, statement, request, {"created_at": i.created_at}, i.id)


def answer_sql(source: str, **more: str) -> str:
    """SQL of (JSON text, version) of the import in `source`, which is named i."""
    columns = ", ".join(f"{sql} as {name}" for name, sql in {**COLUMNS, **more}.items())
    return f"select row_to_json(r)::text, r.version from (select {columns} from {source} i) r"


def read(tx: Tx, import_id: UUID) -> Any:
    """One import, or None."""
    statement = answer_sql("(select x.* from imports x where x.tenant_id = app.tenant() and x.id = :id)")
    return one(tx.execute(text(statement), {"id": import_id}).one_or_none())


def preview(tx: Tx, import_id: UUID) -> Any:
    """What the preview found, or None."""
    row = tx.execute(select(imports.c.preview).where(imports.c.tenant_id == func.app.tenant(), imports.c.id == import_id)).one_or_none()
    return None if row is None else row[0]


def lock(tx: Tx, import_id: UUID) -> Any:
    """The import's row without its bytes, locked; None when there is none."""
    statement = (
        select(*_ALL_BUT_CONTENT).where(imports.c.tenant_id == func.app.tenant(), imports.c.id == import_id).with_for_update(key_share=True)
    )
    return tx.execute(statement).mappings().one_or_none()


def content(tx: Tx, import_id: UUID) -> bytes | None:
    """The bytes of an import of inline rows; None when it has a file."""
    return tx.scalar(select(imports.c.inline_content).where(imports.c.tenant_id == func.app.tenant(), imports.c.id == import_id))


def unfinished(tx: Tx) -> list[tuple[UUID, str]]:
    """The imports that a worker is at or should be at, each with its status."""
    statuses = ("previewing", "queued", "running", "undoing")
    statement = select(imports.c.id, imports.c.status).where(imports.c.tenant_id == func.app.tenant(), imports.c.status.in_(statuses))
    return [(row[0], row[1]) for row in tx.execute(statement.order_by(imports.c.id))]


def insert(tx: Tx, row: Mapping[str, Any]) -> None:
    """Add an import."""
    tx.execute(imports.insert().values(**row))


def update(tx: Tx, import_id: UUID, **changes: Any) -> None:
    """Change an import; every change counts."""
    statement = imports.update().where(imports.c.tenant_id == func.app.tenant(), imports.c.id == import_id)
    tx.execute(statement.values(**changes, version=imports.c.version + 1, updated_at=tx.now))


def rows(tx: Tx, import_id: UUID, request: Request, outcome: str | None) -> Any:
    """A page of what the rows became."""
    r = import_rows.c
    columns = (r.row_number, r.outcome, r.reason, r.cells, r.organization_id, r.location_id, r.contact_id, r.undone_at)
    statement: Any = select(*columns).where(r.tenant_id == func.app.tenant(), r.import_id == import_id)
    if outcome is not None:
        statement = statement.where(r.outcome == outcome)
    return page(tx, statement, request, {"row_number": r.row_number}, r.import_id)


def failed(tx: Tx, import_id: UUID) -> Sequence[Any]:
    """The failed rows with their cells."""
    r = import_rows.c
    statement = select(r.row_number, r.reason, r.cells)
    statement = statement.where(r.tenant_id == func.app.tenant(), r.import_id == import_id, r.outcome == "failed")
    return tx.execute(statement.order_by(r.row_number)).all()


def write_rows(tx: Tx, import_id: UUID, outcomes: Iterable[Mapping[str, Any]]) -> None:
    """Record what each row became."""
    statement = text("""
      insert into import_rows (import_id, row_number, outcome, reason, cells, organization_id, location_id, contact_id, undo)
      select :import_id, r.row_number, r.outcome, r.reason, r.cells, r.organization_id, r.location_id, r.contact_id, r.undo
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(row_number integer, outcome text, reason text, cells jsonb,
             organization_id uuid, location_id uuid, contact_id uuid, undo jsonb)""")
    tx.execute(statement, {"import_id": import_id, "rows": json.dumps(list(outcomes), default=str)})


def index(tx: Tx, source: str, keys: Mapping[str, Sequence[str]], emails: Iterable[str]) -> Index:
    """Everything in the database that rows with these keys could be, and whose their contacts' e-mails are, matched by or not."""
    found = Index()
    for row in records.matching(tx, source=source, **keys):
        places = [Place(place["id"], place["address_key"], place["phone_e164"], place) for place in row["places"]]
        own = row["organization"]
        # An id counts within its source: 19 at the health department is not 19 at the chamber of commerce.
        source_id = own["source_id"] if own["source"] == source else None
        record = Record(own, [place.row for place in places], list(row["contacts"]), set(row["tags"]))
        found.add(Known(own["id"], names_of(own), source_id, own, places, record))
    # An e-mail may be a contact's second one, or that of a private client, who has no organization.
    found.by_email.update(email_holders(tx, emails))
    return found


def mappings(tx: Tx, request: Request) -> Any:
    """A page of saved mappings."""
    m = import_mappings.c
    statement = select(m.id, m.name, m.mapping, m.version, m.created_at, m.updated_at).where(m.tenant_id == func.app.tenant())
    return page(tx, statement, request, {"name": m.name}, m.id)


def save_mapping(tx: Tx, mapping_id: UUID, name: str, mapping: Mapping[str, str | None]) -> Any:
    """Save a mapping under a name, over an older one of that name."""
    statement = text("""
      insert into import_mappings as m (id, name, mapping) values (:id, :name, cast(:mapping as jsonb))
      on conflict (tenant_id, name) do update set mapping = excluded.mapping, version = m.version + 1, updated_at = :now
      returning json_build_object('id', id, 'name', name, 'mapping', mapping, 'version', version,
                                  'created_at', created_at, 'updated_at', updated_at)::text, version""")
    return one(tx.execute(statement, {"id": mapping_id, "name": name, "mapping": json.dumps(mapping), "now": tx.now}).one())


def mapping(tx: Tx, mapping_id: UUID) -> Any:
    """A saved mapping, or None."""
    m = import_mappings.c
    return tx.execute(select(m.mapping).where(m.tenant_id == func.app.tenant(), m.id == mapping_id)).scalar_one_or_none()


def delete_mapping(tx: Tx, mapping_id: UUID) -> bool:
    """Delete a saved mapping; False when there is none."""
    m = import_mappings.c
    return tx.execute(import_mappings.delete().where(m.tenant_id == func.app.tenant(), m.id == mapping_id)).rowcount == 1
