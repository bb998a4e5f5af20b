"""What is known of an organization while its row is locked, and what follows from it.

Search text, completeness and the primary location and contact hang on several rows. Whoever changes one of them locks
the organization first, in the statement that also reads everything this needs, and writes the organization along with
the row in the next: two flights, and no two changes of one organization at once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.lifecycle.organizations import rules
from clientway.lifecycle.organizations.completeness import ORGANIZATION_WEIGHTS, data_completeness

Row = Mapping[str, Any]

_LOCATION_FACTS = ", ".join(f"l.{name.removeprefix('location.')}" for name in ORGANIZATION_WEIGHTS if name.startswith("location."))
_CONTACT_FACTS = ", ".join(f"c.{name.removeprefix('contact.')}" for name in ORGANIZATION_WEIGHTS if name.startswith("contact."))

# A statement that waited for the lock sees the locked row as it is now, but everything else as it was before: `stale`
# tells by the row's version in either view, and the statement is then run again, now without a wait.
_DOSSIER = f"""
  select to_jsonb(o) as organization,
         o.xmin::text <> (select s.xmin::text from organizations s where s.tenant_id = o.tenant_id and s.id = o.id) as stale,
         (select coalesce(jsonb_agg(t.tag order by t.tag), '[]') from organization_tags t
           where t.tenant_id = o.tenant_id and t.organization_id = o.id) as tags,
         (select coalesce(jsonb_object_agg(l.id,
                   concat_ws(' ', regexp_replace(coalesce(l.phone_e164, l.phone), '\\D', '', 'g'), l.email_norm)), '{{{{}}}}')
            from locations l where l.tenant_id = o.tenant_id and l.organization_id = o.id and l.deleted_at is null) as places,
         (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
            select l.id, l.is_primary, {_LOCATION_FACTS} from locations l
             where l.tenant_id = o.tenant_id and l.organization_id = o.id and l.deleted_at is null
             order by l.is_primary desc, l.created_at, l.id limit 2) x) as locations,
         (select coalesce(jsonb_agg(to_jsonb(x)), '[]') from (
            select c.id, c.is_primary, {_CONTACT_FACTS} from contacts c
             where c.tenant_id = o.tenant_id and c.organization_id = o.id and c.deleted_at is null
             order by c.is_primary desc, c.created_at, c.id limit 2) x) as contacts
    from organizations o where o.tenant_id = app.tenant() and o.id = {{organization_id}} for no key update of o
"""

_COLUMNS = (
    "d.organization, coalesce(d.stale, false) as stale, d.tags, d.places, d.locations, d.contacts, "
    "(select jsonb_build_object('region', t.phone_region, 'currency', t.currency) from tenants t"
    " where t.tenant_id = app.tenant()) as tenant"
)


@dataclass(frozen=True)
class Dossier:
    """An organization, locked, with the rows that its derived columns hang on."""

    organization: Row
    region: str
    currency: str
    tags: list[str]
    places: Mapping[str, str]
    locations: list[Row]
    contacts: list[Row]
    target: Row | None = None
    probes: Row | None = None

    @property
    def id(self) -> UUID:
        """The organization's id."""
        return UUID(self.organization["id"])

    @property
    def is_live(self) -> bool:
        """Whether the organization is not deleted."""
        return self.organization["deleted_at"] is None

    def primary(self, kind: str, *, without: UUID | None = None) -> Row | None:
        """The primary row of "locations" or "contacts": without the one that goes, the oldest that stays."""
        rows: list[Row] = getattr(self, kind)
        return next((row for row in rows if row["id"] != str(without)), None)

    def derived(
        self,
        *,
        organization: Row | None = None,
        places: Mapping[str, str] | None = None,
        location: Row | None = None,
        contact: Row | None = None,
    ) -> dict[str, Any]:
        """The derived columns of the organization after a change.

        `location` and `contact` are the primary ones after it; the organization's row and its places stay as they are
        unless they are given.
        """
        own = {**self.organization, **(organization or {})}
        facts = {
            name: (location or {}).get(name.removeprefix("location."))
            if name.startswith("location.")
            else (contact or {}).get(name.removeprefix("contact."))
            if name.startswith("contact.")
            else own[name]
            for name in ORGANIZATION_WEIGHTS
        }
        rated = data_completeness(facts)
        reaches = (self.places if places is None else places).values()
        return {
            "search_text": rules.search_text([own["legal_name"], own["dba_name"]], reaches),
            "data_completeness": rated.percent,
            "missing_fields": list(rated.missing),
        }


def by_organization(tx: Tx, organization_id: UUID, *, probes: str = "null::jsonb", **given: Any) -> Dossier | None:
    """Lock an organization and read its dossier, and with it what `probes` (an SQL expression of type jsonb) finds."""
    statement = f"select null::jsonb as target, {_COLUMNS}, {probes} as probes from ({_sql(':organization_id')}) d"
    return _fetch(tx, statement, {"organization_id": organization_id, **given})


def by_location(tx: Tx, location_id: UUID) -> Dossier | None:
    """Lock a location's organization and the location, as `target`."""
    statement = (
        f"select to_jsonb(l) as target, {_COLUMNS}, null::jsonb as probes from locations l "
        f"cross join lateral ({_sql('l.organization_id')}) d "
        "where l.tenant_id = app.tenant() and l.id = :location_id for no key update of l"
    )
    return _fetch(tx, statement, {"location_id": location_id})


def by_contact(tx: Tx, contact_id: UUID, *, probes: str, **given: Any) -> Dossier | None:
    """Lock a contact, as `target`, and its organization; a private client has an empty one."""
    statement = (
        f"select to_jsonb(c) as target, {_COLUMNS}, {probes} as probes from contacts c "
        f"left join lateral ({_sql('c.organization_id')}) d on true "
        "where c.tenant_id = app.tenant() and c.id = :contact_id for no key update of c"
    )
    return _fetch(tx, statement, {"contact_id": contact_id, **given})


def _sql(organization_id: str) -> str:
    return _DOSSIER.format(organization_id=organization_id)


def _fetch(tx: Tx, statement: str, given: dict[str, Any]) -> Dossier | None:
    prepared = text(statement)
    row = tx.execute(prepared, given).one_or_none()
    if row is not None and row.stale:
        row = tx.execute(prepared, given).one_or_none()
    if row is None:
        return None
    return Dossier(
        organization=row.organization or {},
        region=row.tenant["region"],
        currency=row.tenant["currency"],
        tags=row.tags or [],
        places=row.places or {},
        locations=row.locations or [],
        contacts=row.contacts or [],
        target=row.target,
        probes=row.probes,
    )


REFRESH = """
  update organizations o
     set search_text = g.search_text, data_completeness = g.data_completeness, missing_fields = g.missing_fields, updated_at = :now
    from jsonb_populate_record(null::organizations, cast(:derived as jsonb)) g
   where o.tenant_id = app.tenant() and o.id = :organization_id
"""
"""Writes Dossier.derived along with the change it follows from; `version` counts changes of the organization's own fields."""


def refresh(tx: Tx, dossier: Dossier, derived: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of REFRESH."""
    return {"now": tx.now, "organization_id": dossier.organization.get("id"), "derived": json.dumps(derived)}
