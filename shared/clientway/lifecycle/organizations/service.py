"""Read and keep the companies that the tenant sells to."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import DatabaseError

from clientway import db, effects, normalise
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.organizations import queries, rules, slugs
from clientway.lifecycle.organizations.dossier import Dossier
from clientway.lifecycle.organizations.schemas import Filters, OrganizationCreate, OrganizationPatch
from clientway.lifecycle.stages import service as stages
from clientway.moments import rfc3339
from clientway.paging import DatabaseJson, Request

_CONSTRAINTS = {
    "organizations_hubspot": "hubspot_company_id",
    "organizations_stripe": "stripe_customer_id",
    "organizations_source_key": "source_id",
}


class OrganizationExists(Conflict):
    """409: another live organization has the same external id; `existing_id` names it."""

    code, title = "organization_exists", "Organization exists"


class ContactInTheWay(Conflict):
    """409: a contact that would come back shares its e-mail with a live one; `existing_id` names that."""

    code, title = "contact_exists", "Contact exists"


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of organizations."""
    return queries.find(tx, request, filters)


def read(tx: Tx, organization_id: UUID, *, include_deleted: bool = False) -> Any:
    """One organization. Raises NotFound (404)."""
    answer = queries.read(tx, organization_id, include_deleted=include_deleted)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, organization: OrganizationCreate) -> Any:
    """Add an organization as a lead.

    Raises OrganizationExists (409) for an external id that another has, Unprocessable (422) for a rep who is not an
    active one of this tenant.
    """
    given = organization.model_dump(mode="json", exclude={"tags"})
    _check_source(given)
    own = Dossier(organization={**given, "deleted_at": None}, region="", currency="", tags=[], places={}, locations=[], contacts=[])
    name_norm = rules.name_norm(given["legal_name"], given["dba_name"])
    organization_id = uuid7()
    row = {
        "id": str(organization_id), **given, "slug": normalise.slug(given["legal_name"]), "name_norm": name_norm,
        "lifecycle_changed_at": rfc3339(tx.now), **own.derived(), "created_at": rfc3339(tx.now), "updated_at": rfc3339(tx.now),
    }  # fmt: skip
    for _ in range(slugs.TRIES):
        answer = queries.insert(tx, row, organization.tags)
        if answer is not None:
            break
        _explain(queries.obstacle(tx, given))
    else:
        raise slugs.SlugRace
    effects.audit(tx, "organization.created", "organization", organization_id, organization.model_dump(mode="json", exclude_unset=True))
    return answer


def change(tx: Tx, organization_id: UUID, patch: OrganizationPatch, *, version: int) -> Any:
    """Replace what was sent; the slug stays as it is.

    Raises NotFound (404), PreconditionFailed (412), OrganizationExists (409), Unprocessable (422).
    """
    sent = patch.model_dump(mode="json", exclude_unset=True)
    dossier = queries.lock(tx, organization_id, assigned_rep_id=patch.assigned_rep_id)
    if dossier is None or not dossier.is_live:
        raise _absent()
    check_version(dossier.organization["version"], version)

    tags = sent.pop("tags", dossier.tags)
    row = {name: dossier.organization[name] for name in OrganizationPatch.model_fields if name != "tags"} | sent
    _check_source(row)
    assigned = sent.get("assigned_rep_id")
    # Who stays may have left the active reps meanwhile: that is no reason to refuse another change.
    if assigned is not None and assigned != dossier.organization["assigned_rep_id"] and not (dossier.probes or {}).get("active_rep"):
        _explain(queries.Obstacle("assigned_rep_id", None))

    if any(name in sent for name in ("source", *_CONSTRAINTS.values())):
        _explain(queries.obstacle(tx, {**row, "assigned_rep_id": None}, besides=organization_id))
    derived = dossier.derived(organization=row, location=dossier.primary("locations"), contact=dossier.primary("contacts"))
    changes = sent | {"name_norm": rules.name_norm(row["legal_name"], row["dba_name"])} | derived
    try:
        answer = queries.update(tx, organization_id, changes, tags)
    except DatabaseError as error:
        kind = _CONSTRAINTS.get(db.constraint_name(error) or "")
        if kind is None:
            raise
        pointer = FieldError(f"#/{kind}", "taken", "already taken")
        raise OrganizationExists(f"Another organization has this {kind}.", errors=[pointer]) from None
    changed = {name: value for name, value in sent.items() if value != dossier.organization[name]}
    if tags != dossier.tags:
        changed["tags"] = tags
    effects.audit(tx, "organization.updated", "organization", organization_id, changed)
    return answer


def delete(tx: Tx, organization_id: UUID, *, version: int) -> None:
    """Hide an organization with its locations and contacts. Raises NotFound (404), PreconditionFailed (412)."""
    dossier = queries.lock(tx, organization_id)
    if dossier is None or not dossier.is_live:
        raise _absent()
    check_version(dossier.organization["version"], version)
    queries.delete(tx, organization_id)
    effects.audit(tx, "organization.deleted", "organization", organization_id)


def restore(tx: Tx, organization_id: UUID) -> Any:
    """Bring an organization back with what was deleted along with it; a live one stays as it is.

    Raises NotFound (404), OrganizationExists or ContactInTheWay (409) when somebody has taken its place meanwhile.
    """
    dossier = queries.lock(tx, organization_id)
    if dossier is None:
        raise _absent()
    if not dossier.is_live:
        deleted_at = dossier.organization["deleted_at"]
        _explain(queries.obstacle(tx, {**dossier.organization, "assigned_rep_id": None}, besides=organization_id))
        in_the_way = queries.contact_in_the_way(tx, organization_id, deleted_at)
        if in_the_way is not None:
            raise ContactInTheWay("A contact of the organization has the same e-mail address as another contact.", existing_id=in_the_way)
        queries.restore(tx, organization_id, deleted_at)
        stages.reconsider(tx, [organization_id])
        effects.audit(tx, "organization.restored", "organization", organization_id)
    answer: DatabaseJson = queries.read(tx, organization_id)
    return answer


def _check_source(row: dict[str, Any]) -> None:
    if row["source_id"] is not None and row["source"] is None:
        pointer = FieldError("#/source_id", "source_missing", "an id only has a meaning within its source")
        raise Unprocessable("A source_id needs a source.", errors=[pointer])


def _explain(obstacle: queries.Obstacle | None) -> None:
    if obstacle is None:
        return
    if obstacle.kind == "assigned_rep_id":
        pointer = FieldError("#/assigned_rep_id", "unknown_rep", "not an active rep of this tenant")
        raise Unprocessable("The rep cannot be assigned.", errors=[pointer])
    pointer = FieldError(f"#/{obstacle.kind}", "taken", "already taken")
    raise OrganizationExists(f"Another organization has this {obstacle.kind}.", errors=[pointer], existing_id=obstacle.existing_id)


def _absent() -> NotFound:
    return NotFound("There is no such organization.")
