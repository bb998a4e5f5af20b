"""Read and keep the addresses of organizations."""

from typing import Any
from uuid import UUID

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.locations import queries
from clientway.lifecycle.locations.schemas import LocationCreate, LocationPatch
from clientway.lifecycle.organizations import dossier as dossiers
from clientway.lifecycle.organizations import existence, rules, slugs
from clientway.lifecycle.organizations.completeness import LOCATION_WEIGHTS, location_completeness
from clientway.lifecycle.stages import service as stages
from clientway.moments import rfc3339
from clientway.paging import Request

_STAGE_FACTS = ("phone_e164", "email_norm", "website_url")


def find(tx: Tx, organization_id: UUID, request: Request, *, include_deleted: bool) -> Any:
    """A page of an organization's locations. Raises NotFound (404)."""
    answer = queries.find(tx, organization_id, request, include_deleted=include_deleted)
    if not answer.rows:
        existence.require(tx, organization_id)
    return answer


def read(tx: Tx, location_id: UUID, *, include_deleted: bool = False) -> Any:
    """One location. Raises NotFound (404)."""
    answer = queries.read(tx, location_id, include_deleted=include_deleted)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, organization_id: UUID, location: LocationCreate) -> Any:
    """Add a location; the organization's first becomes its primary one. Raises NotFound (404), Unprocessable (422)."""
    dossier = dossiers.by_organization(tx, organization_id)
    if dossier is None or not dossier.is_live:
        raise NotFound("There is no such organization.")
    given = location.model_dump(mode="json")
    given["currency"] = given["currency"] or dossier.currency
    given["is_primary"] = location.is_primary or not dossier.locations
    location_id = uuid7()
    slug = normalise.slug(location.name, fallback="location")
    row = {"id": str(location_id), "organization_id": str(organization_id), **given, "slug": slug}
    row |= _facts(row, dossier.region) | {"created_at": rfc3339(tx.now), "updated_at": rfc3339(tx.now)}
    derived = _derived(dossier, row)
    for _ in range(slugs.TRIES):
        answer = queries.insert(tx, dossier, row, derived)
        if answer is not None:
            break
    else:
        raise slugs.SlugRace
    if any(row[name] for name in _STAGE_FACTS):
        stages.reconsider(tx, [organization_id])
    effects.audit(tx, "location.created", "location", location_id, location.model_dump(mode="json", exclude_unset=True))
    return answer


def change(tx: Tx, location_id: UUID, patch: LocationPatch, *, version: int) -> Any:
    """Replace what was sent. Raises NotFound (404), PreconditionFailed (412), Unprocessable (422)."""
    dossier, target = _lock(tx, location_id, version)
    sent = patch.model_dump(mode="json", exclude_unset=True)
    if sent.get("is_primary") is False and target["is_primary"]:
        pointer = FieldError("#/is_primary", "needs_a_successor", "make another location primary instead")
        raise Unprocessable("An organization with locations always has a primary one.", errors=[pointer])
    row = {name: target[name] for name in LocationPatch.model_fields} | sent
    facts = _facts(row, dossier.region, sent=sent)
    row |= facts
    answer = queries.update(tx, dossier, location_id, row, _derived(dossier, {**target, **row}))
    if any(row[name] and row[name] != target[name] for name in _STAGE_FACTS):
        stages.reconsider(tx, [dossier.id])
    effects.audit(tx, "location.updated", "location", location_id, {name: value for name, value in sent.items() if value != target[name]})
    return answer


def delete(tx: Tx, location_id: UUID, *, version: int) -> None:
    """Hide a location; if it was the primary one, the oldest remaining one takes over. Raises NotFound (404), PreconditionFailed (412)."""
    dossier, target = _lock(tx, location_id, version)
    follower = dossier.primary("locations", without=location_id)
    places = {place: reach for place, reach in dossier.places.items() if place != str(location_id)}
    derived = dossier.derived(places=places, location=follower, contact=dossier.primary("contacts"))
    next_primary = follower["id"] if follower and target["is_primary"] else None
    queries.delete(tx, dossier, location_id, derived, next_primary=next_primary)
    effects.audit(tx, "location.deleted", "location", location_id)


def _lock(tx: Tx, location_id: UUID, version: int) -> tuple[dossiers.Dossier, dossiers.Row]:
    dossier = dossiers.by_location(tx, location_id)
    if dossier is None or dossier.target is None or dossier.target["deleted_at"] is not None:
        raise _absent()
    check_version(dossier.target["version"], version)
    return dossier, dossier.target


def _facts(row: dict[str, Any], region: str, *, sent: dict[str, Any] | None = None) -> dict[str, Any]:
    """The columns that follow from what was given. Raises Unprocessable (422) for an e-mail or a website that is none."""
    email_norm = row["email"] and normalise.email(row["email"])
    website = row["website_url"] and normalise.website(row["website_url"])
    named = row if sent is None else sent
    errors = []
    # What an import once kept as it came is no reason to refuse a change of something else.
    if row["email"] and not email_norm and "email" in named:
        errors.append(FieldError("#/email", "invalid_email", "not an e-mail address"))
    if row["website_url"] and not website and "website_url" in named:
        errors.append(FieldError("#/website_url", "invalid_url", "not a web address"))
    if errors:
        raise Unprocessable("The location breaks a rule.", errors=errors)
    state = rules.us_state(row["state"]) if row["country"] == "US" else row["state"]
    facts = {
        "email_norm": email_norm or None,
        "phone_e164": (row["phone"] and normalise.phone(row["phone"], region)) or None,
        "website_url": website or row["website_url"],
        "state": state,
        "address_key": normalise.address_key(row["address_line1"], row["city"], state, row["zip"]),
    }
    rated = location_completeness({name: (row | facts)[name] for name in LOCATION_WEIGHTS})
    return facts | {"data_completeness": rated.percent, "missing_fields": list(rated.missing)}


def _derived(dossier: dossiers.Dossier, row: dossiers.Row) -> dict[str, Any]:
    """The organization's columns once this location is written."""
    places = {**dossier.places, row["id"]: rules.reach(row["phone"], row["phone_e164"], row["email_norm"])}
    primary = row if row["is_primary"] else dossier.primary("locations")
    return dossier.derived(places=places, location=primary, contact=dossier.primary("contacts"))


def _absent() -> NotFound:
    return NotFound("There is no such location.")
