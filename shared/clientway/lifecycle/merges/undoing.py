"""Take a merge back: what it moved goes back, what it wrote and nobody has changed since becomes what it was."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DatabaseError

from clientway import db, effects
from clientway.db import Tx
from clientway.errors import Conflict
from clientway.ids import uuid7
from clientway.lifecycle.merges import queries, rules
from clientway.lifecycle.merges.schemas import MergeUndone
from clientway.lifecycle.merges.service import absent
from clientway.lifecycle.merges.sides import Contact, linked, parse, searched
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.stages.rules import Stage
from clientway.moments import rfc3339

Row = Mapping[str, Any]


class MergeAlreadyUndone(Conflict):
    """409: it was taken back before."""

    code, title = "merge_undone", "Already undone"


class UndoExpired(Conflict):
    """409: more than 90 days have passed."""

    code, title = "undo_expired", "Too late to undo"


class UndoNewerFirst(Conflict):
    """409: the survivor was merged again since; `merge_id` names the merge to undo first."""

    code, title = "undo_newer_first", "Undo the newer merge first"


class SurvivorDeleted(Conflict):
    """409: the survivor was deleted since; restore it first."""

    code, title = "survivor_deleted", "Survivor deleted"


class UndoCollides(Conflict):
    """409: somebody took up, at this very moment, what would go back."""

    code, title = "undo_collides", "Undo conflicts"


def undo(tx: Tx, merge_id: UUID) -> MergeUndone:
    """Take a merge back; what was changed since stays, and the answer names it.

    Raises NotFound (404), MergeAlreadyUndone, UndoExpired, UndoNewerFirst, SurvivorDeleted or UndoCollides (409).
    """
    found = queries.undo_sides(tx, merge_id)
    if found is None:
        raise absent()
    merge: Row = found["merge"]
    survivor, merged = parse(found, merge["survivor_id"]), parse(found, merge["merged_id"])
    if survivor is None or merged is None:
        raise absent()
    _check(tx, merge, survivor, found["newer"])

    before, after = merge["before"], merge["after"]
    back, kept = rules.restore(survivor.row, before["contact"], after["contact"], before["merged"])
    if survivor.row["default_address_id"] in merge["moved"]["contact"]["contact_addresses"]:
        back.setdefault("default_address_id", None)
    ours = {**survivor.row, **back}
    theirs, lost = _given_back(before["merged"], ours, found["taken"])
    theirs["is_primary"] = _is_primary(before["merged"], ours, merged, after)
    successor = after["successor_id"] if theirs["is_primary"] or ours["is_primary"] else None
    keep_email, keep_phone = ours["email_norm"], ours["phone_e164"] or ours["phone"]
    emails = _split(survivor, merged, "emails", merge["moved"]["emails"], keep=keep_email)
    phones = _split(survivor, merged, "phones", merge["moved"]["phones"], keep=keep_phone)
    plan = {
        "id": merge_id, "now": rfc3339(tx.now), "by": tx.actor.id, "actor": {"type": tx.actor.kind, "id": tx.actor.id},
        "contact": back | searched(ours, emails[0], phones[0]), "merged": theirs | searched({**merged.row, **theirs}, emails[1], phones[1]),
        "successor_id": successor,
        "keep_email": keep_email, "keep_phone": keep_phone,
        "organization": _still(_target(survivor, merged, after), before["organization"], after["organization"]),
        "accounts": _accounts(survivor, merged, before["accounts"], after["accounts"]),
        "derived": _derived(survivor, merged, ours, {**merged.row, **theirs}),
        **_consents(merge_id, survivor.facts["consents"], before["consents"], after["consents"]),
    }  # fmt: skip
    reachable = [linked(ours, emails[0]), linked({**merged.row, **theirs}, emails[1])]
    try:
        told = queries.undo(tx, plan, reachable)
    except DatabaseError as error:
        if db.sqlstate(error) != "23505":
            raise
        raise UndoCollides("What would be given back was taken by somebody else meanwhile; try again.") from error
    _put_stage_back(tx, survivor, after, before)
    _tell(tx, merge, survivor, merged)
    return MergeUndone(
        merge_id=merge_id, survivor_id=survivor.id, merged_id=merged.id, undone_at=tx.now,
        given_back={name: count for name, count in told["given"].items() if count},
        kept={name: count for name, count in told["kept"].items() if count}, kept_fields=kept, lost_fields=lost,
    )  # fmt: skip


def _check(tx: Tx, merge: Row, survivor: Contact, newer: str | None) -> None:
    if merge["undone_at"] is not None:
        raise MergeAlreadyUndone("This merge has already been undone.", undone_at=merge["undone_at"])
    if newer is not None:
        raise UndoNewerFirst("The survivor was merged again since; undo that first.", merge_id=newer)
    if datetime.fromisoformat(merge["undo_until"]) < tx.now:
        raise UndoExpired(f"A merge can be undone for {rules.UNDO_DAYS} days.", undo_until=merge["undo_until"])
    if survivor.row["deleted_at"] is not None:
        raise SurvivorDeleted("The survivor is deleted; restore it first.", contact_id=survivor.row["id"])


def _given_back(row: Row, survivor: Row, taken: Row) -> tuple[dict[str, Any], list[str]]:
    """The merged contact's columns that cannot be what they were, and their fields' names."""
    changed: dict[str, Any] = {}
    lost = []
    if row["email_norm"] is not None and (taken["email"] or row["email_norm"] == survivor["email_norm"]):
        changed |= {"email": None, "email_norm": None}
        lost.append("email")
    hubspot = row["hubspot_contact_id"]
    if hubspot is not None and (taken["hubspot_contact_id"] or hubspot == survivor["hubspot_contact_id"]):
        changed["hubspot_contact_id"] = None
        lost.append("hubspot_contact_id")
    return changed, lost


def _split(survivor: Contact, merged: Contact, kind: str, moved: Row, *, keep: str | None) -> tuple[list[Row], list[Row]]:
    """The e-mails, or phones, of both once those that were moved, and are what they were, are back; the survivor's primary one stays."""

    def goes_back(one: Row) -> bool:
        key = one["email_norm"] if kind == "emails" else one["phone_e164"] or one["phone"]
        return bool(key == moved.get(one["id"]) and key != keep)

    mine: list[Row] = survivor.facts[kind]
    return [one for one in mine if not goes_back(one)], [*merged.facts[kind], *filter(goes_back, mine)]


def _is_primary(row: Row, survivor: Row, merged: Contact, after: Row) -> bool:
    """Whether the merged contact is its organization's primary one again: not if somebody else was made so since."""
    if not row["is_primary"] or (survivor["is_primary"] and survivor["organization_id"] == row["organization_id"]):
        return False
    other = merged.colleague
    return other is None or not other["is_primary"] or other["id"] == after["successor_id"]


def _target(survivor: Contact, merged: Contact, after: Row) -> Row:
    """The organization that took over ids of another, as it stands."""
    rows = (side.organization for side in (survivor, merged))
    return next((row for row in rows if row is not None and row["id"] == after["organization_id"]), {})


def _still(now: Row, before: Row, after: Row) -> dict[str, Any]:
    """The columns that are as the merge left them, as they were before."""
    return {name: before[name] for name, value in after.items() if now and now[name] == value}


def _accounts(survivor: Contact, merged: Contact, before: Row, after: Row) -> dict[str, Any]:
    known = {side.facts["account"]["id"]: side.facts["account"] for side in (survivor, merged) if side.facts["account"]}
    return {one: _still(known[one] if one in known else after[one], before[one], after[one]) for one in after}


def _derived(survivor: Contact, merged: Contact, ours: Row, theirs: Row) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for side in (survivor, merged):
        if side.organization_id is not None:
            here = (row for row in (ours, theirs) if row["is_primary"] and row["organization_id"] == side.organization_id)
            found[side.organization_id] = side.derived(next(here, side.colleague))
    return found


def _consents(merge_id: UUID, now: list[Row], before: list[Row], after: list[Row]) -> dict[str, Any]:
    """What goes back to what it was, with a line of evidence for it, and what nobody had been asked before."""
    current = {one["event_id"] for one in now}
    former = {(one["channel"], one["purpose"]): one for one in before}
    write, dropped = [], []
    for one in after:
        if one["event_id"] not in current:
            continue
        was = former.get((one["channel"], one["purpose"]))
        if was is None:
            dropped.append({"channel": one["channel"], "purpose": one["purpose"]})
        else:
            evidence = {"merge_id": merge_id, "as_of_event_id": was["event_id"]}
            write.append({**one, "event_id": uuid7(), "state": was["state"], "source": "merge_undone", "evidence": evidence})
    return {"consents": write, "dropped": dropped}


def _put_stage_back(tx: Tx, survivor: Contact, after: Row, before: Row) -> None:
    row = survivor.organization
    moved = after["stage"] != before["stage"] and row is not None and row["id"] == after["organization_id"]
    if moved and row is not None and (row["lifecycle_stage"], row["lifecycle_sequence"]) == (after["stage"], after["stage_sequence"]):
        stages.put_back(tx, UUID(row["id"]), Stage(before["stage"]), trigger="merge_undone")


def _tell(tx: Tx, merge: Row, survivor: Contact, merged: Contact) -> None:
    metadata = {"merge_id": merge["id"], "merged_id": merge["merged_id"]}
    for side in (survivor, merged):
        organization_id = UUID(side.organization_id) if side.organization_id else None
        effects.record(tx, "contact_unmerged", "A merge was undone", organization_id=organization_id, contact_id=side.id, metadata=metadata)
    effects.audit(tx, "contact.unmerged", "contact", survivor.id, metadata)
    effects.publish(tx, "contact.unmerged", {**metadata, "survivor_id": survivor.id})
