"""A contact's several e-mails and phones. They are part of the contact: its version is theirs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DatabaseError

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.identity.people.service import Reachable
from clientway.ids import uuid7
from clientway.lifecycle.contacts import existence
from clientway.lifecycle.contacts import service as contacts
from clientway.lifecycle.organizations import rules as names
from clientway.lifecycle.organizations.dossier import Dossier, Row
from clientway.lifecycle.reach import queries, rules
from clientway.lifecycle.reach.queries import Kind
from clientway.lifecycle.reach.schemas import ContactEmailCreate, ContactPhoneCreate, ContactReachPatch
from clientway.moments import rfc3339
from clientway.paging import DatabaseJson, Request

MOST = 5
"""E-mails, and as many phones, that a contact has at most."""


class TooMany(Conflict):
    """409: a contact has five e-mails and five phones at most."""

    code, title = "limit_reached", "Limit reached"


class PhoneExists(Conflict):
    """409: the contact has this phone already; `existing_id` names it."""

    code, title = "phone_exists", "Phone exists"


class EmailExists(Conflict):
    """409: the contact has this e-mail already; `existing_id` names it."""

    code, title = "email_exists", "E-mail exists"


def find(tx: Tx, kind: Kind, contact_id: UUID, request: Request) -> Any:
    """A page of a contact's e-mails or phones. Raises NotFound (404)."""
    answer = queries.find(tx, kind, contact_id, request)
    if not answer.rows:
        existence.require(tx, contact_id)
    return answer


def add_email(tx: Tx, contact_id: UUID, body: ContactEmailCreate) -> Any:
    """Add an e-mail.

    Raises NotFound (404), EmailExists, ContactExists for somebody else's, TooMany, ContactMerged (409), Unprocessable (422).
    """
    email_norm = normalise.email(body.email)
    if email_norm is None:
        raise Unprocessable("The e-mail breaks a rule.", errors=[FieldError("#/email", "invalid_email", "not an e-mail address")])
    dossier, _ = contacts.lock(tx, contact_id, email=body.email)
    return _add(tx, "email", dossier, body, {"key": email_norm, "email": body.email})


def add_phone(tx: Tx, contact_id: UUID, body: ContactPhoneCreate) -> Any:
    """Add a phone. Raises NotFound (404), PhoneExists, TooMany, ContactMerged (409)."""
    dossier, _ = contacts.lock(tx, contact_id)
    phone_e164 = normalise.phone(body.phone, dossier.region)
    return _add(tx, "phone", dossier, body, {"key": phone_e164 or body.phone, "phone": body.phone, "phone_e164": phone_e164})


def change(tx: Tx, kind: Kind, contact_id: UUID, row_id: UUID, patch: ContactReachPatch, *, version: int) -> Any:
    """Replace the label, or make it primary. `version` is the contact's.

    Raises NotFound (404), PreconditionFailed (412), ContactMerged (409).
    """
    dossier, row = _lock(tx, kind, contact_id, row_id, version)
    if "label" in patch.model_fields_set:
        row |= {"label": patch.label}
        queries.label(tx, kind, row_id, patch.label)
    if patch.is_primary and not row["is_primary"]:
        row |= {"is_primary": True}
        contacts.rewrite(tx, dossier, {kind: row[kind]})
    else:
        queries.touch(tx, contact_id)
    effects.audit(tx, f"contact.{kind}_changed", "contact", contact_id, {f"{kind}_id": row_id, **patch.model_dump(exclude_unset=True)})
    return _answer(row, version + 1)


def remove(tx: Tx, kind: Kind, contact_id: UUID, row_id: UUID, *, version: int) -> None:
    """Take an e-mail or a phone away; of several the oldest that stays becomes primary. `version` is the contact's.

    Raises NotFound (404), PreconditionFailed (412), LastReach, ContactMerged (409).
    """
    dossier, row = _lock(tx, kind, contact_id, row_id, version)
    keys = _keys(dossier)
    stay = [one for one in keys[f"{kind}s"] if one["id"] != row["id"]]
    if row["is_primary"]:
        # The only one goes with the contact's own column (app.change_reach).
        contacts.rewrite(tx, dossier, {kind: stay[0][kind] if stay else None}, keys={**keys, f"{kind}s": stay})
        if stay:
            queries.remove(tx, kind, row_id)
    else:
        queries.remove(tx, kind, row_id)
        _settle(tx, dossier, {**keys, f"{kind}s": stay})
    effects.audit(tx, f"contact.{kind}_removed", "contact", contact_id, {kind: row[kind]})


def add_secondary(
    tx: Tx, contact_id: UUID, version: int, *, known: Sequence[str], email: tuple[str, str] | None = None,
    phone: tuple[str, str] | None = None,
) -> int | None:  # fmt: skip
    """Add an e-mail, a phone or both (each as written, and normalised) behind those a contact of this version has.

    `known` are its e-mails, normalised, the primary one first: there is one if an e-mail is added behind it.
    Returns the version that it has now, None when it has changed meanwhile. Raises ContactExists (409) for somebody else's e-mail.
    """
    if email is None and phone is None:
        return version
    line = names.reach(None, phone and phone[1], email and email[1])
    try:
        linked = [Reachable(contact_id, known[0], [*known[1:], email[1]])] if email else []
        added = queries.add_secondary(tx, contact_id, version, email=email, phone=phone, line=line, linked=linked)
    except DatabaseError as error:
        raise contacts.explained(error) from None
    if added is not None:
        changed = {name: pair[0] for name, pair in (("emails", email), ("phones", phone)) if pair is not None}
        effects.audit(tx, "contact.updated", "contact", contact_id, changed)
    return added


def _add(tx: Tx, kind: Kind, dossier: Dossier, body: ContactEmailCreate | ContactPhoneCreate, given: Mapping[str, Any]) -> Any:
    keys, target = _keys(dossier), dossier.target or {}
    there = keys[f"{kind}s"]
    same = next((row for row in there if row["key"] == given["key"]), None)
    if same is not None:
        raise (EmailExists if kind == "email" else PhoneExists)(f"The contact has this {kind} already.", existing_id=same["id"])
    if len(there) >= MOST:
        raise TooMany(f"A contact has {MOST} {kind}s at most.", limit=MOST)
    row = {
        **given, "id": str(uuid7()), "label": body.label, "is_primary": body.is_primary or not target[kind], "verified_at": None,
        "created_at": rfc3339(tx.now),
    }  # fmt: skip
    contact_id = UUID(target["id"])
    try:
        shared = queries.insert(tx, kind, contact_id, row)
    except DatabaseError as error:
        raise contacts.explained(error) from None
    row |= {"shared": shared} if kind == "phone" else {}
    after = {**keys, f"{kind}s": [*there, {**row, "is_primary": False}]}
    if row["is_primary"]:
        contacts.rewrite(tx, dossier, {kind: row[kind]}, keys=after)
    else:
        _settle(tx, dossier, after)
    effects.audit(tx, f"contact.{kind}_added", "contact", contact_id, {kind: row[kind], "is_primary": row["is_primary"]})
    return _answer(row, target["version"] + 1)


def _lock(tx: Tx, kind: Kind, contact_id: UUID, row_id: UUID, version: int) -> tuple[Dossier, dict[str, Any]]:
    dossier, target = contacts.lock(tx, contact_id)
    row = next((row for row in _keys(dossier)[f"{kind}s"] if row["id"] == str(row_id)), None)
    if row is None:
        raise NotFound(f"The contact has no such {kind}.")
    check_version(target["version"], version)
    return dossier, dict(row)


def _keys(dossier: Dossier) -> dict[str, list[Row]]:
    keys: dict[str, list[Row]] = (dossier.probes or {})["reach"]
    return keys


def _settle(tx: Tx, dossier: Dossier, keys: dict[str, list[Row]]) -> None:
    """Count a change of what a contact is reached at beside its primary ones, and have it found by what these are now."""
    target = dossier.target or {}
    secondary = rules.others(keys, email=target["email_norm"], phone=target["phone_e164"] or target["phone"])
    person = Reachable(UUID(target["id"]), target["email_norm"], rules.further_emails(keys, target["email_norm"]))
    queries.touch(tx, UUID(target["id"]), search_text=contacts.found_by(target, secondary)["search_text"], linked=[person])


def _answer(row: Mapping[str, Any], version: int) -> Any:
    return DatabaseJson(json.dumps({name: value for name, value in row.items() if name != "key"}), version)
