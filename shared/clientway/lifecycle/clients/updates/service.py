"""A change of somebody's details: to the tenant's own record at once, to others' only when that person says so."""

import json
from typing import Any
from uuid import UUID

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable
from clientway.identity.people import service as people
from clientway.lifecycle.clients.updates import queries
from clientway.lifecycle.clients.updates.schemas import ContactUpdatePropagated, PropagateContactUpdate
from clientway.lifecycle.contacts import service as contacts
from clientway.lifecycle.contacts.schemas import ContactPatch


def propagate(tx: Tx, update: PropagateContactUpdate) -> ContactUpdatePropagated:
    """Change the tenant's own contact, and propose the change to the person behind it.

    Raises NotFound (404), ContactExists, SerializationConflict (409), Unprocessable (422).
    """
    fields = update.model_dump(mode="json", exclude_unset=True, exclude={"person_id"})
    email_norm = normalise.email(update.email) if update.email else None
    if update.email and not email_norm:
        raise Unprocessable("The contact breaks a rule.", errors=[FieldError("#/email", "invalid_email", "not an e-mail address")])
    # Before the change: with another address the contact may be linked to another person.
    found, proposal_id = queries.propose(tx, update.person_id, fields, people.blind_email(email_norm))
    if not found:
        pointer = FieldError("#/person_id", "unknown_contact", "not a contact of this tenant")
        raise NotFound("There is no such contact.", errors=[pointer])
    changed = contacts.change(tx, update.person_id, ContactPatch(**fields), version=None)
    _tell(tx, changed, fields, source="propagated")
    if proposal_id is not None:
        effects.audit(tx, "contact.update_proposed", "contact", update.person_id, {"proposal_id": proposal_id, "fields": sorted(fields)})
    return ContactUpdatePropagated(success=True, person_id=update.person_id)


def apply_confirmed(tx: Tx, contact_id: UUID, fields: dict[str, Any]) -> list[str]:
    """Write what a person confirmed of themselves to a tenant's record of them; returns the fields that were written.

    An e-mail that this tenant knows of another contact is left out. Raises ContactExists (409) when it was taken this moment.
    """
    try:
        changed = contacts.change(tx, contact_id, ContactPatch(**fields), version=None)
    except contacts.ContactExists as taken:
        if "existing_id" not in taken.extensions:
            raise
        fields = {name: value for name, value in fields.items() if name != "email"}
        if not fields:
            return []
        changed = contacts.change(tx, contact_id, ContactPatch(**fields), version=None)
    _tell(tx, changed, fields, source="person_confirmed")
    return sorted(fields)


def _tell(tx: Tx, changed: str, fields: dict[str, Any], *, source: str) -> None:
    contact = json.loads(changed)
    effects.record(
        tx, "contact_updated", "Contact details changed", contact_id=UUID(contact["id"]),
        organization_id=UUID(contact["organization_id"]) if contact["organization_id"] else None,
        metadata={"contact_id": contact["id"], "source": source, "fields": sorted(fields)},
    )  # fmt: skip
    effects.audit(tx, "contact.details_changed", "contact", UUID(contact["id"]), {"source": source, "fields": sorted(fields)})
